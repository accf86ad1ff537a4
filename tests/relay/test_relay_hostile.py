"""What a relay does with clients that mean no good, or are just slow: typed answers or the end, never a fall."""

import asyncio
import http.client as http_client
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from relay_paper import entry, status
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode

from support.relay_client import Place, Stream
from whimbrel.relay.server import Relay
from whimbrel.relay.settings import Limits, RelaySettings
from whimbrel.wire import admission, codec, letters
from whimbrel.wire.answers import Appended, Fetched, Pushed, Status
from whimbrel.wire.cbor import encode
from whimbrel.wire.operations import (
    SEALED_CHUNK,
    Append,
    Create,
    Fetch,
    Get,
    LogBody,
    LogKind,
    Put,
    Unknown,
    Watch,
    WatchItem,
)
from whimbrel.wire.purpose import public_of, token_hash
from whimbrel.wire.streams import Answered, ClientStream

READ, WRITE = b"R" * 32, b"W" * 32
BODY = LogBody(LogKind.CONVERSATION, token_hash(READ), token_hash(WRITE), (public_of(b"a" * 32),), b"n" * 32)
LOG = codec.log_id(codec.encode_log_body(BODY))
QUICK = Limits(
    drain=1, tend_every=1, head_timeout=2, body_timeout=2, keep_alive=2, write_timeout=2, ping_every=2, silence=5,
    write_high=64 * 1024, connections=40,
)  # fmt: skip


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    one = Relay(RelaySettings(tmp_path / "data", limits=QUICK))
    await one.start()
    yield one
    await one.close()


@pytest.fixture
async def place(relay: Relay) -> Place:
    one = Place(relay.address)
    assert one.address.admission is not None
    create = Create(BODY, admission.encode_admission(one.address.admission))
    await asyncio.to_thread(one.exchange, create)
    return one


async def serves(place: Place) -> bool:
    """Whether somebody else is still served."""
    [fetched] = await asyncio.to_thread(place.exchange, Fetch(LOG, READ, 0))
    return isinstance(fetched, Fetched)


async def ends(socket: object, within: float = 5) -> bool:
    """Whether the relay closes this WebSocket."""
    async with asyncio.timeout(within):
        try:
            while True:
                await socket.recv()  # type: ignore[attr-defined]
        except ConnectionClosed:
            return True


# ------------------------------------------------------------------------------------------- first letters

FIRST: dict[str, Callable[[Place], bytes]] = {
    "nothing": lambda place: b"",
    "nonsense": lambda place: os.urandom(3000),
    "a response": lambda place: b"\x03" + bytes(600),
    "a reserved type": lambda place: b"\x10" + bytes(3000),
    "short": lambda place: b"\x01" + bytes(200),
    "without a share": lambda place: letters.seal_request(place.keys(), b"\x80", os.urandom(32)).letter,
    "with nonsense inside": lambda place: letters.seal_request(place.keys(), b"\xff" * 50, os.urandom(32), b"s" * 32).letter,
    "with a share that agrees with everybody": lambda place: letters.seal_request(place.keys(), b"\x80", os.urandom(32), bytes(32)).letter,
    "with more than one value": lambda place: letters.seal_request(place.keys(), b"\x80\x80", os.urandom(32), b"s" * 32).letter,
}  # fmt: skip


@pytest.mark.parametrize("kind", FIRST)
async def test_a_stream_that_does_not_begin_with_a_letter_ends(place: Place, kind: str) -> None:
    first = await asyncio.to_thread(FIRST[kind], place)
    async with connect(place.url, compression=None) as socket:
        await socket.send(first)
        assert await ends(socket)
    assert await serves(place)


@pytest.mark.parametrize("change", ["altered", "to a key that is gone"])
async def test_a_letter_that_does_not_open_is_answered_by_the_key_document(place: Place, change: str) -> None:
    letter = letters.seal_request((await asyncio.to_thread(place.keys)), b"\x80", os.urandom(32)).letter
    at = 1 if change != "altered" else len(letter) - 1
    broken = letter[:at] + bytes((letter[at] ^ 5,)) + letter[at + 1 :]
    http, answer = await asyncio.to_thread(place.post, broken)
    assert http == 200
    assert letters.open_key_document(answer, place.address.relay) == place.keys()


async def test_letters_with_nonsense_inside_are_no_letters(place: Place) -> None:
    for inside in (b"", b"\xff", b"\x80\x80", encode({}), encode(5), b"\x9f\xff", encode([[2, {}]] * 1025)):
        sealed = letters.seal_request(await asyncio.to_thread(place.keys), inside, os.urandom(32))
        http, answer = await asyncio.to_thread(place.post, sealed.letter)
        assert (http, b"404" in answer) == (404, True)


@pytest.mark.parametrize(
    "how",
    [
        "cut to nothing",
        "cut at the head",
        "cut in the middle",
        "cut by a byte",
        "grown",
        "too large",
        "two in one",
        "halves changed places",
    ],
)
async def test_letters_that_were_cut_grown_or_mixed_up_change_nothing(place: Place, how: str) -> None:  # fmt: skip
    append = codec.encode_operations([Append(LOG, WRITE, 0, (entry("never"),))])
    letter = letters.seal_request(await asyncio.to_thread(place.keys), append, os.urandom(32)).letter
    middle = len(letter) // 2
    broken = {
        "cut to nothing": b"",
        "cut at the head": letter[:3],
        "cut in the middle": letter[:middle],
        "cut by a byte": letter[:-1],
        "grown": letter + b"\0",
        "too large": letter + bytes(1_200_000),
        "two in one": letter + letter,
        "halves changed places": letter[:1] + letter[middle:] + letter[1:middle],
    }[how]
    try:
        http, answer = await asyncio.to_thread(place.post, broken)
    except (ConnectionError, http_client.HTTPException):
        assert how == "too large"
    else:
        # A page that is not there, a body that is too large, or the key document: "seal it anew".
        document = http == 200 and letters.open_key_document(answer, place.address.relay) == place.keys()
        assert document or http in (400, 404, 413)
    [fetched] = await asyncio.to_thread(place.exchange, Fetch(LOG, READ, 0))
    assert fetched.records == ()


async def test_letters_arrive_in_any_order_and_what_comes_too_early_waits_for_nobody(place: Place) -> None:
    """Two letters whose order changed on the way: the second one's turn is not there yet, and comes again."""
    keys = await asyncio.to_thread(place.keys)
    first, second = (
        letters.seal_request(keys, codec.encode_operations([append]), os.urandom(32))
        for append in (
            Append(LOG, WRITE, 0, (entry("one"),), advance=True),
            Append(LOG, WRITE, 1, (entry("two"),)),
        )
    )
    found = []
    for sealed in (second, first, second):
        _, answer = await asyncio.to_thread(place.post, sealed.letter)
        found += codec.decode_answers(letters.open_response(sealed, answer).answers)
    assert [status(one) for one in found] == [Status.WRONG_TURN, Status.OK, Status.OK]
    [fetched] = await asyncio.to_thread(place.exchange, Fetch(LOG, READ, 0))
    assert [record.entry for record in fetched.records] == [entry("one"), entry("two")]


async def test_a_letter_may_be_replayed_and_changes_nothing_twice(place: Place) -> None:
    append = codec.encode_operations([Append(LOG, WRITE, 0, (entry("once"),))])
    sealed = letters.seal_request(await asyncio.to_thread(place.keys), append, os.urandom(32))
    answers = []
    for _ in range(3):
        http, answer = await asyncio.to_thread(place.post, sealed.letter)
        assert http == 200
        answers.append(codec.decode_answers(letters.open_response(sealed, answer).answers))
    assert answers[0] == answers[1] == answers[2]
    assert isinstance(answers[0][0], Appended)
    [fetched] = await asyncio.to_thread(place.exchange, Fetch(LOG, READ, 0))
    assert len(fetched.records) == 1


# ------------------------------------------------------------------------------------------------- frames


def flip(message: bytes) -> bytes:
    return message[:-1] + bytes((message[-1] ^ 1,))


@pytest.mark.parametrize("kind", ["altered", "cut", "empty", "replayed", "reordered", "too large", "text"])
async def test_a_frame_that_is_not_the_next_one_ends_the_stream(place: Place, kind: str) -> None:
    fetch = Fetch(LOG, READ, 0)
    async with place.stream() as stream:
        first, second = stream.wire.request(1, [fetch]), stream.wire.request(2, [fetch])
        if kind == "replayed":
            await stream.socket.send(first)
            await stream.answer(1)
        sent: bytes | str = {
            "altered": flip(first),
            "cut": first[:-3],
            "empty": b"",
            "replayed": first,
            "reordered": second,
            "too large": bytes(1_200_000),
            "text": "hello",
        }[kind]
        await stream.socket.send(sent)
        assert await ends(stream.socket)
    assert await serves(place)


async def test_frames_before_the_first_answer_end_the_stream(place: Place) -> None:
    async with connect(place.url, compression=None) as socket:
        wire = ClientStream(await asyncio.to_thread(place.keys), os.urandom(64))
        await socket.send(wire.open([]))
        await socket.send(os.urandom(100))
        assert await ends(socket)


async def test_operations_that_are_malformed_are_answered_alone(place: Place) -> None:
    async with place.stream() as stream:
        good = codec.encode_operation(Fetch(LOG, READ, 0))
        bad = [
            encode([3, {0: LOG, 2: READ}]),
            encode([3, {0: LOG, 2: READ, 4: 0, 8: 1}]),
            encode([2, {0: LOG, 2: WRITE, 4: 0, 6: [b"no entry"]}]),
            encode([2, {0: LOG, 2: WRITE, 4: 0, 6: [b"x" * 70_000]}]),
            encode([999, {}]),
            encode("what?"),
        ]
        operations = b"\x87" + b"".join((good, *bad))
        sealed = letters.seal_request(await asyncio.to_thread(place.keys), operations, os.urandom(32))
        _, answer = await asyncio.to_thread(place.post, sealed.letter)
        answers = codec.decode_answers(letters.open_response(sealed, answer).answers)
        assert [status(one) for one in answers] == [
            Status.OK,
            Status.MALFORMED,
            Status.MALFORMED,
            Status.MALFORMED,
            Status.TOO_LARGE,
            Status.UNKNOWN,
            Status.MALFORMED,
        ]
        # The same on a stream, where an unknown code of a later version is no reason to end it.
        assert [status(one) for one in await stream.ask(Unknown(999), Fetch(LOG, READ, 0))] == [
            Status.UNKNOWN,
            Status.OK,
        ]


async def test_any_bytes_at_all_on_any_carrier_leave_the_relay_standing(relay: Relay, place: Place) -> None:
    chance = random.Random(4)
    for _ in range(60):
        _, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        head = chance.choice(
            [
                b"",
                b"GET ",
                f"POST {place.route.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\n\r\n".encode(),
                f"GET {place.route.path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode(),
            ]
        )
        writer.write(head + chance.randbytes(chance.randrange(600)))
        if chance.random() < 0.5:
            await asyncio.sleep(0.005)
        writer.close()
    assert await serves(place)
    assert relay.counts.failures == 0


async def test_a_message_in_many_fragments_is_one_message(place: Place) -> None:
    async with place.stream() as stream:
        message = stream.wire.request(1, [Fetch(LOG, READ, 0)])
        await stream.socket.send([bytes((byte,)) for byte in message])
        assert isinstance((await stream.answer(1))[0], Fetched)


async def test_frames_in_any_pieces_are_put_together(relay: Relay, place: Place) -> None:
    """Two requests, a ping between fragments, cut after every byte and at odd places."""
    for step in (1, 2, 3, 7, 50, 1000):
        reader, writer = await raw_stream(relay, place)
        wire = ClientStream(await asyncio.to_thread(place.keys), os.urandom(64))
        writer.write(Frame(Opcode.BINARY, wire.open([])).serialize(mask=True))
        await read_frames(reader, wire, 1)
        one, two = (wire.request(n, [Fetch(LOG, READ, 0)]) for n in (1, 2))
        sent = b"".join(
            frame.serialize(mask=True)
            for frame in (
                Frame(Opcode.BINARY, one),
                Frame(Opcode.BINARY, two[:9], fin=False),
                Frame(Opcode.PING, b"well?"),
                Frame(Opcode.CONT, two[9:], fin=True),
            )
        )
        for at in range(0, len(sent), step):
            writer.write(sent[at : at + step])
            await asyncio.sleep(0)
        assert [status(answer) for answer in await read_frames(reader, wire, 2)] == [Status.OK, Status.OK]
        writer.close()


async def read_frames(reader: asyncio.StreamReader, wire: ClientStream, count: int) -> list[object]:
    """The answers in the next binary frames; control frames are passed over."""
    answers: list[object] = []
    heard = 0
    async with asyncio.timeout(30):
        while heard < count:
            head = await reader.readexactly(2)
            size = head[1]
            if size == 126:
                size = int.from_bytes(await reader.readexactly(2), "big")
            content = await reader.readexactly(size)
            if head[0] == 0x82:
                heard += 1
                for what in wire.receive(content):
                    answers += what.answers if isinstance(what, Answered) else ()
    return answers


@pytest.mark.parametrize(
    "frames",
    [
        [Frame(Opcode.CONT, b"no beginning")],
        [Frame(Opcode.BINARY, b"part", fin=False), Frame(Opcode.BINARY, b"another")],
        [Frame(Opcode.BINARY, b"x" * 700_000, fin=False), Frame(Opcode.CONT, b"y" * 700_000)],
        [Frame(Opcode.CLOSE, b"\x03")],
    ],
    ids=["no beginning", "two beginnings", "too large in parts", "a bad close"],
)
async def test_wrong_frames_end_the_stream(relay: Relay, place: Place, frames: list[Frame]) -> None:
    reader, writer = await raw_stream(relay, place)
    try:
        writer.write(b"".join(frame.serialize(mask=True) for frame in frames))
        async with asyncio.timeout(30):
            heard = await reader.read()
    except ConnectionResetError:
        heard = b"\x88"
    assert heard[:1] == b"\x88"
    writer.close()
    assert await serves(place)


async def test_a_message_of_empty_parts_without_end_is_cut_off_and_takes_no_room(
    relay: Relay, place: Place
) -> None:
    reader, writer = await raw_stream(relay, place)
    wire = ClientStream(await asyncio.to_thread(place.keys), os.urandom(64))
    writer.write(Frame(Opcode.BINARY, wire.open([])).serialize(mask=True))
    await read_frames(reader, wire, 1)
    writer.write(Frame(Opcode.BINARY, b"", fin=False).serialize(mask=True))
    some = Frame(Opcode.CONT, b"", fin=False).serialize(mask=True) * 100
    [session] = relay._all_sessions()
    async with asyncio.timeout(10):
        while relay.counts.cut_off == 0:
            writer.write(some)
            await asyncio.sleep(0.02)
            assert session.waiting() <= 1 + len(some)
    writer.close()
    assert await serves(place)


async def test_a_frame_that_comes_in_small_pieces_is_not_copied_for_each(relay: Relay, place: Place) -> None:
    _, writer = await raw_stream(relay, place)
    [session] = relay._all_sessions()
    sent = b"\x82\xff" + (1_000_000).to_bytes(8, "big") + b"mask"
    seen = set()
    for piece in (sent, *[b"piece"] * 20):
        writer.write(piece)
        await asyncio.sleep(0.02)
        seen.add(id(session._partial))
    assert session._unfinished() == len(sent) + 100
    assert len(seen) == 1
    writer.close()


@pytest.mark.parametrize(
    "frame", [b"\x82\x05hello", b"\xc2\x85\0\0\0\0hello", b"\x83\x80\0\0\0\0", b"\x82\xff\x7f" + b"\xff" * 11]
)
async def test_frames_that_break_the_rules_end_the_stream(relay: Relay, place: Place, frame: bytes) -> None:
    reader, writer = await raw_stream(relay, place)
    writer.write(frame)
    async with asyncio.timeout(30):
        assert (await reader.read())[:1] == b"\x88"
    writer.close()


# ------------------------------------------------------------------------------------------- slow clients


async def raw_stream(relay: Relay, place: Place) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(
        f"GET {place.route.path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


@pytest.mark.parametrize(
    "beginning",
    ["", "GET / HTTP/1.1\r\nHost:", "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\nabc"],
    ids=["says nothing", "half a head", "half a body"],
)
async def test_who_does_not_go_on_is_cut_off(relay: Relay, place: Place, beginning: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(beginning.format(path=place.route.path).encode())
    async with asyncio.timeout(60):
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            pass
    assert relay.counts.cut_off >= 1
    writer.close()


async def test_a_kept_connection_ends_after_its_time(relay: Relay) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(60):
        try:
            while await reader.read(1000):
                pass
        except ConnectionResetError:
            pass
    writer.close()


async def test_a_stream_that_never_sends_its_letter_is_cut_off(relay: Relay, place: Place) -> None:
    reader, writer = await raw_stream(relay, place)
    async with asyncio.timeout(60):
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            pass
    writer.close()


async def test_a_silent_stream_is_pinged_and_stays_while_it_answers(relay: Relay, place: Place) -> None:
    async with place.stream(Watch(items=(WatchItem(1, LOG, READ, 0),))) as stream:
        # Longer than the silence after which it would be cut off; `websockets` answers pings by itself.
        await asyncio.sleep(QUICK.silence + 2)
        await asyncio.to_thread(place.exchange, Append(LOG, WRITE, 0, (entry("still there"),)))
        assert isinstance(await stream.next_push(), Pushed)
    assert relay.counts.cut_off == 0


async def test_a_relay_that_was_away_itself_cuts_nobody_off_for_that(relay: Relay, place: Place) -> None:
    async with place.stream(Watch(items=(WatchItem(1, LOG, READ, 0),))) as stream:
        await asyncio.sleep(1.5)
        # As when the machine is suspended or very busy: the pongs that are due have had no time to come.
        time.sleep(QUICK.silence + 1)  # noqa: ASYNC251  (nothing else is to run meanwhile)
        await asyncio.sleep(1.5)
        await asyncio.to_thread(place.exchange, Append(LOG, WRITE, 0, (entry("still there"),)))
        assert isinstance(await stream.next_push(), Pushed)
    assert relay.counts.cut_off == 0


async def test_a_stream_whose_client_is_gone_without_a_word_is_cut_off(relay: Relay, place: Place) -> None:
    async with place.stream() as stream:
        stream.socket.transport.pause_reading()
        async with asyncio.timeout(20):
            while not relay.counts.cut_off:  # noqa: ASYNC110  (a plain number)
                await asyncio.sleep(0.1)
        stream.socket.transport.abort()
    assert relay.counts.streams == 0


async def test_a_client_that_reads_nothing_is_held_back_and_then_cut_off(relay: Relay, place: Place) -> None:
    """Its requests stay in its own socket: the relay keeps no more for it than its limit, and serves the others."""
    big = [entry(f"{i}", size=60_000) for i in range(16)]
    await asyncio.to_thread(place.exchange, *[Append(LOG, WRITE, 0, (one,)) for one in big])
    async with place.stream() as stream:
        frames = [stream.wire.request(n, [Fetch(LOG, READ, 0)]) for n in range(1, 400)]
        stream.socket.transport.pause_reading()

        async def flood() -> None:
            try:
                for frame in frames:
                    await stream.socket.send(frame)
            except ConnectionClosed:
                pass

        async with asyncio.TaskGroup() as group:
            group.create_task(flood())
            most = 0
            for _ in range(60):
                await asyncio.sleep(0.25)
                most = max(most, *[one.waiting() for one in relay._all_sessions()], 0)
                assert await serves(place)
                if relay.counts.cut_off:
                    break
            stream.socket.transport.abort()
    assert relay.counts.cut_off == 1
    assert most < 8 * 1024 * 1024


async def test_a_watcher_that_reads_nothing_costs_no_memory_and_fetches_later(
    relay: Relay, place: Place
) -> None:
    watch = Watch(items=(WatchItem(1, LOG, READ, 0),))
    async with place.stream(watch) as slow:
        slow.socket.transport.pause_reading()
        sent = 0
        async with place.stream() as quick:
            for i in range(250):
                [answer] = await quick.ask(Append(LOG, WRITE, 0, (entry(f"{i}", size=40_000),)))
                assert isinstance(answer, Appended)
                sent += 40_000
        [session] = [one for one in relay._all_sessions() if one.attached is not None]
        assert session.waiting() < 1024 * 1024 < sent
        slow.socket.transport.resume_reading()
        seen = 0
        while seen < 250:
            pushed = await slow.next_push()
            assert isinstance(pushed, Pushed)
            assert isinstance(pushed.what, Fetched)
            if pushed.what.more:
                seen = await fetch_all(slow, seen)
            elif pushed.what.records[0].seq == seen + 1:
                seen = pushed.what.records[-1].seq
        assert seen == 250


async def fetch_all(stream: Stream, after: int) -> int:
    while True:
        [fetched] = await stream.ask(Fetch(LOG, READ, after))
        if fetched.records:
            after = fetched.records[-1].seq
        if not fetched.more:
            return after


async def test_past_the_limit_of_connections_new_ones_are_refused(relay: Relay, place: Place) -> None:
    kept = [await asyncio.open_connection("127.0.0.1", relay.port) for _ in range(QUICK.connections)]
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    try:
        assert await reader.read() == b""
    except ConnectionResetError:
        pass
    writer.close()
    for _, one in kept:
        one.close()
    await asyncio.sleep(0.2)
    assert await serves(place)


async def test_chunks_and_records_pass_through_one_stream_in_both_directions(place: Place) -> None:
    blob, size = b"B" * 32, 5 * SEALED_CHUNK + 77
    chunks = [os.urandom(min(SEALED_CHUNK, size - n * SEALED_CHUNK)) for n in range(6)]
    async with place.stream() as stream:
        numbers = [await stream.send(Put(blob, LOG, WRITE, size, n, chunk)) for n, chunk in enumerate(chunks)]
        for n in numbers:
            assert [status(one) for one in await stream.answer(n)] == [Status.OK]
        got = await stream.ask(*[Get(blob, n) for n in range(6)])
        assert [one.chunk for one in got] == chunks

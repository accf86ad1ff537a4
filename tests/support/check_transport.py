"""What every transport must pass, on real sockets: subclass a suite in the transport's own test file and say how a pair of
ends is made. The rules are those of `whimbrel.transports.stream`."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import pytest

from whimbrel.link.trouble import Reason, Stage
from whimbrel.transports.errors import TransportError
from whimbrel.transports.stream import ByteStream, Exchange, MessageStream

PATIENCE = 20.0
"""Seconds after which something hangs."""
MEBIBYTE = 1 << 20
MEMORY_MAX = 16 * MEBIBYTE
"""Bytes that a stream with its sockets may hold for a peer who does not read."""


class BytePeer(ByteStream, Protocol):
    """The other end, in the test's hands."""

    def reset(self) -> None:
        """Cut the connection as a filter does: RST."""


@dataclass
class BytePair:
    """Both ends of one connection."""

    ours: ByteStream
    theirs: BytePeer


class ByteStreamSuite:
    """For ByteStreams: `pair` opens one."""

    def pair(self) -> AbstractAsyncContextManager[BytePair]:
        raise NotImplementedError

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[BytePair]:
        async with asyncio.timeout(PATIENCE), self.pair() as pair:
            try:
                yield pair
            finally:
                await pair.ours.close()
                await pair.theirs.close()

    async def test_bytes_arrive_in_order_both_ways_at_once(self) -> None:
        async with self.opened() as pair:
            there, back = some_bytes(3 * MEBIBYTE, 1), some_bytes(2 * MEBIBYTE, 2)
            async with asyncio.TaskGroup() as group:
                group.create_task(send_in_pieces(pair.ours, there))
                group.create_task(send_in_pieces(pair.theirs, back))
                arrived = group.create_task(receive_exactly(pair.theirs, len(there)))
                came = group.create_task(receive_exactly(pair.ours, len(back)))
            assert arrived.result() == there
            assert came.result() == back

    async def test_after_our_end_the_peer_still_talks(self) -> None:
        async with self.opened() as pair:
            await pair.ours.send(b"the last words")
            await pair.ours.end()
            assert await receive_all(pair.theirs) == b"the last words"
            back = some_bytes(300_000, 3)
            await pair.theirs.send(back)
            await pair.theirs.end()
            assert await receive_all(pair.ours) == back
            assert await pair.ours.receive() == b"", "and from then on always"
            with pytest.raises(TransportError) as caught:
                await pair.ours.send(b"after the end")
            assert caught.value.trouble.stage is Stage.SEND

    async def test_after_the_peers_end_we_still_talk(self) -> None:
        async with self.opened() as pair:
            await pair.theirs.end()
            assert await pair.ours.receive() == b""
            there = some_bytes(300_000, 4)
            async with asyncio.TaskGroup() as group:
                group.create_task(pair.ours.send(there))
                arrived = group.create_task(receive_exactly(pair.theirs, len(there)))
            assert arrived.result() == there

    async def test_a_peer_who_does_not_read_slows_us_and_loses_nothing(self) -> None:
        async with self.opened() as pair:
            piece, sent = some_bytes(64 * 1024, 5), 0

            async def pour() -> None:
                nonlocal sent
                while sent < 2 * MEMORY_MAX:
                    await pair.ours.send(piece)
                    sent += len(piece)

            async with asyncio.TaskGroup() as group:
                pouring = group.create_task(pour())
                before = -1
                while sent != before:
                    before = sent
                    await asyncio.sleep(0.2)
                assert not pouring.done()
                assert sent < MEMORY_MAX
                left = 2 * MEMORY_MAX
                while left:
                    data = await pair.theirs.receive()
                    assert data
                    left -= len(data)
            assert sent == 2 * MEMORY_MAX

    async def test_a_cancelled_receive_has_taken_nothing(self) -> None:
        async with self.opened() as pair:
            there = some_bytes(MEBIBYTE, 6)
            dice = random.Random(7)
            got = bytearray()
            async with asyncio.TaskGroup() as group:
                group.create_task(send_in_pieces(pair.theirs, there, pause=0.0005))
                while len(got) < len(there):
                    receiving = group.create_task(pair.ours.receive())
                    for _ in range(dice.randrange(4)):
                        await asyncio.sleep(0)
                    if dice.random() < 0.7:
                        receiving.cancel()
                    try:
                        got += await receiving
                    except asyncio.CancelledError:
                        await asyncio.sleep(0.0002)
            assert bytes(got) == there

    async def test_a_cancelled_send_still_lets_the_stream_be_closed(self) -> None:
        async with self.opened() as pair:
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(send_in_pieces(pair.ours, bytes(2 * MEMORY_MAX)))
                await asyncio.sleep(0.1)
                sending.cancel()
            await pair.ours.close()

    async def test_a_reset_is_an_error_of_ours_for_both_directions(self) -> None:
        async with self.opened() as pair:
            await pair.theirs.send(b"x")
            assert await pair.ours.receive() == b"x"
            async with asyncio.TaskGroup() as group:
                receiving = group.create_task(fails(pair.ours.receive))
                await asyncio.sleep(0.01)
                pair.theirs.reset()
            assert receiving.result().trouble.stage is Stage.RECEIVE
            assert receiving.result().trouble.reason is Reason.RESET

            async def send_until_it_fails() -> None:
                while True:
                    await pair.ours.send(bytes(1000))
                    await asyncio.sleep(0)

            assert (await fails(send_until_it_fails)).trouble.stage is Stage.SEND

    async def test_closing_wakes_who_waits_and_may_be_repeated(self) -> None:
        async with self.opened() as pair:
            async with asyncio.TaskGroup() as group:
                receiving = group.create_task(fails(pair.ours.receive))
                await asyncio.sleep(0.01)
                await pair.ours.close()
                await pair.ours.close()
            assert receiving.result().trouble.stage is Stage.RECEIVE
            assert (await fails(lambda: pair.ours.send(b"x"))).trouble.stage is Stage.SEND
            assert (await fails(pair.ours.receive)).trouble.stage is Stage.RECEIVE

    async def test_the_peer_sees_our_closing(self) -> None:
        async with self.opened() as pair:
            await pair.ours.close()
            while await ended(pair.theirs) is None:
                pass
            assert await ended(pair.theirs) in (Reason.RESET, Reason.ENDED)


class MessagePeer(Protocol):
    """The other end of a stream of messages, by another implementation than ours."""

    async def send(self, message: bytes) -> None:
        """A message whole."""

    async def send_in_parts(self, parts: list[bytes]) -> None:
        """One message, in as many pieces as its carrier allows."""

    async def receive(self) -> bytes:
        """The next message."""

    def pause(self) -> None:
        """Read nothing from the socket."""

    def resume(self) -> None:
        """Read on."""

    async def close(self) -> None:
        """End as the carrier wants it."""

    def reset(self) -> None:
        """Cut the connection."""


@dataclass
class MessagePair:
    """Both ends of one stream of messages."""

    ours: MessageStream
    theirs: MessagePeer


class MessageStreamSuite:
    """For MessageStreams: `pair` opens one. `message_max`: bytes of the largest message."""

    message_max: int

    def pair(self) -> AbstractAsyncContextManager[MessagePair]:
        raise NotImplementedError

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[MessagePair]:
        async with asyncio.timeout(PATIENCE), self.pair() as pair:
            try:
                yield pair
            finally:
                await pair.ours.close()

    async def test_messages_of_every_size_arrive_whole_and_in_order(self) -> None:
        async with self.opened() as pair:
            sizes = [0, 1, 125, 126, 65535, 65536, 300_000, self.message_max]
            messages = [some_bytes(size, size) for size in sizes]
            async with asyncio.TaskGroup() as group:
                there = group.create_task(take(pair.theirs.receive, len(messages)))
                for message in messages:
                    await pair.ours.send(message)
            assert there.result() == messages
            async with asyncio.TaskGroup() as group:
                back = group.create_task(take(pair.ours.receive, len(messages)))
                for message in messages:
                    await pair.theirs.send(message)
            assert back.result() == messages

    async def test_overlapping_sends_keep_the_order_of_the_calls(self) -> None:
        async with self.opened() as pair:
            messages = [some_bytes(random.Random(n).randrange(20_000), n) for n in range(100)]
            async with asyncio.TaskGroup() as group:
                for message in messages:
                    group.create_task(pair.ours.send(message))
                there = group.create_task(take(pair.theirs.receive, len(messages)))
            assert there.result() == messages

    async def test_a_message_in_parts_is_one_message(self) -> None:
        async with self.opened() as pair:
            parts = [b"one, ", b"", b"two, ", some_bytes(70_000, 1), b"three"]
            await pair.theirs.send_in_parts(parts)
            await pair.theirs.send(b"next")
            assert await pair.ours.receive() == b"".join(parts)
            assert await pair.ours.receive() == b"next"

    async def test_a_cancelled_receive_has_taken_nothing(self) -> None:
        async with self.opened() as pair:
            messages = [some_bytes(random.Random(n).randrange(5000), n) for n in range(300)]
            dice, got = random.Random(8), []

            async def talk() -> None:
                for message in messages:
                    await pair.theirs.send(message)
                    await asyncio.sleep(0.0005)

            async with asyncio.TaskGroup() as group:
                group.create_task(talk())
                while len(got) < len(messages):
                    receiving = group.create_task(pair.ours.receive())
                    for _ in range(dice.randrange(4)):
                        await asyncio.sleep(0)
                    if dice.random() < 0.7:
                        receiving.cancel()
                    try:
                        got.append(await receiving)
                    except asyncio.CancelledError:
                        await asyncio.sleep(0.0002)
            assert got == messages

    async def test_a_peer_who_does_not_read_slows_us_and_loses_nothing(self) -> None:
        async with self.opened() as pair:
            pair.theirs.pause()
            message, sent = some_bytes(256 * 1024, 9), 0
            whole = 2 * MEMORY_MAX // len(message)

            async def pour() -> None:
                nonlocal sent
                while sent < whole:
                    await pair.ours.send(message)
                    sent += 1

            async with asyncio.TaskGroup() as group:
                pouring = group.create_task(pour())
                before = -1
                while sent != before:
                    before = sent
                    await asyncio.sleep(0.2)
                assert not pouring.done()
                assert sent * len(message) < MEMORY_MAX
                pair.theirs.resume()
                for _ in range(whole):
                    assert await pair.theirs.receive() == message

    async def test_what_came_before_the_end_is_received_and_then_it_is_over(self) -> None:
        async with self.opened() as pair:
            await pair.theirs.send(b"one")
            await pair.theirs.send(b"two")
            async with asyncio.TaskGroup() as group:
                group.create_task(pair.theirs.close())
                assert await pair.ours.receive() == b"one"
                assert await pair.ours.receive() == b"two"
                for _ in range(2):
                    over = (await fails(pair.ours.receive)).trouble
                    assert (over.stage, over.reason) == (Stage.RECEIVE, Reason.ENDED)
                assert (await fails(lambda: pair.ours.send(b"x"))).trouble.stage is Stage.SEND
                await pair.ours.close()

    async def test_a_reset_is_an_error_of_ours(self) -> None:
        async with self.opened() as pair:
            async with asyncio.TaskGroup() as group:
                receiving = group.create_task(fails(pair.ours.receive))
                await asyncio.sleep(0.01)
                pair.theirs.reset()
            assert receiving.result().trouble.reason in (Reason.RESET, Reason.ENDED)

    async def test_a_message_above_the_limit_ends_the_stream_before_it_is_read(self) -> None:
        async with self.opened() as pair:
            async with asyncio.TaskGroup() as group:
                sending = group.create_task(ignoring(pair.theirs.send, bytes(self.message_max + 1)))
                over = await fails(pair.ours.receive)
                await pair.ours.close()
                await sending
            assert over.trouble.reason is Reason.TOO_LARGE

    async def test_a_live_peer_answers_pings(self) -> None:
        async with self.opened() as pair:
            async with asyncio.TaskGroup() as group:
                receiving = group.create_task(pair.ours.receive())
                for _ in range(3):
                    await pair.ours.ping()
                    await asyncio.sleep(0.1)
                await pair.theirs.send(b"done")
            assert receiving.result() == b"done"

    async def test_a_peer_who_answers_nothing_is_noticed_at_the_second_ping(self) -> None:
        async with self.opened() as pair:
            pair.theirs.pause()
            async with asyncio.TaskGroup() as group:
                receiving = group.create_task(fails(pair.ours.receive))
                await pair.ours.ping()
                await asyncio.sleep(0.1)
                silent = await fails(pair.ours.ping)
                await pair.ours.close()
            assert silent.trouble.reason is Reason.SILENT
            assert receiving.result().trouble.stage is Stage.RECEIVE

    async def test_closing_wakes_who_waits_and_may_be_repeated(self) -> None:
        async with self.opened() as pair:
            async with asyncio.TaskGroup() as group:
                receiving = group.create_task(fails(pair.ours.receive))
                await asyncio.sleep(0.01)
                await pair.ours.close()
                await pair.ours.close()
            assert receiving.result().trouble.stage is Stage.RECEIVE
            assert (await fails(lambda: pair.ours.send(b"x"))).trouble.stage is Stage.SEND
            assert (await fails(pair.ours.receive)).trouble.stage is Stage.RECEIVE


class LetterPeer(Protocol):
    """A server of letters by another implementation: it answers `echo:` and the letter, until told otherwise. Letters that
    begin with `held` are answered when `release` is set."""

    connections: int
    """Connections taken so far."""
    held: asyncio.Event
    """Set when such a letter has come."""
    release: asyncio.Event
    status: int
    in_parts: bool
    cut_after: int | None
    """Bytes of the answer after which the connection is cut."""
    answer_size: int | None


@dataclass
class ExchangePair:
    """An exchange and the server that it leads to."""

    ours: Exchange
    theirs: LetterPeer


class ExchangeSuite:
    """For Exchanges: `pair` opens one. `letter_max`: bytes of the largest letter."""

    letter_max: int

    def pair(self) -> AbstractAsyncContextManager[ExchangePair]:
        raise NotImplementedError

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[ExchangePair]:
        async with asyncio.timeout(PATIENCE), self.pair() as pair:
            try:
                yield pair
            finally:
                await pair.ours.close()

    async def test_letters_of_every_size_are_answered_over_one_connection(self) -> None:
        async with self.opened() as pair:
            for size in (0, 1, 2048, 70_000, self.letter_max - 5):
                letter = some_bytes(size, size)
                assert await pair.ours.exchange(letter) == b"echo:" + letter
            assert pair.theirs.connections == 1

    async def test_letters_at_the_same_time_get_their_own_answers(self) -> None:
        async with self.opened() as pair:
            letters = [some_bytes(1000 + n, n) for n in range(5)]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(pair.ours.exchange(letter)) for letter in letters]
            assert [t.result() for t in tasks] == [b"echo:" + letter for letter in letters]

    async def test_a_held_answer_does_not_hold_the_others(self) -> None:
        async with self.opened() as pair:
            async with asyncio.TaskGroup() as group:
                held = group.create_task(pair.ours.exchange(b"held"))
                await pair.theirs.held.wait()
                assert await pair.ours.exchange(b"quick") == b"echo:quick"
                assert not held.done()
                pair.theirs.release.set()
            assert held.result() == b"echo:held"

    async def test_a_cancelled_exchange_gives_up_its_connection_and_no_other(self) -> None:
        async with self.opened() as pair:
            async with asyncio.TaskGroup() as group:
                held = group.create_task(pair.ours.exchange(b"held"))
                await pair.theirs.held.wait()
                held.cancel()
            pair.theirs.release.set()
            assert await pair.ours.exchange(b"another") == b"echo:another", "not the answer to the first"

    async def test_an_answer_in_parts_is_one_answer(self) -> None:
        async with self.opened() as pair:
            pair.theirs.in_parts = True
            letter = some_bytes(100_000, 1)
            assert await pair.ours.exchange(letter) == b"echo:" + letter

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            (404, Reason.NOT_A_RELAY),
            (302, Reason.NOT_A_RELAY),
            (204, Reason.NOT_A_RELAY),
            (500, Reason.NOT_A_RELAY),
            (503, Reason.BUSY),
            (429, Reason.BUSY),
        ],
    )
    async def test_any_other_answer_says_what_it_is(self, status: int, reason: Reason) -> None:
        async with self.opened() as pair:
            pair.theirs.status = status
            assert (await fails(lambda: pair.ours.exchange(b"x"))).trouble.reason is reason

    async def test_an_answer_that_is_cut_is_an_error_and_the_next_letter_goes_by_a_new_connection(
        self,
    ) -> None:
        async with self.opened() as pair:
            pair.theirs.cut_after = 3
            trouble = (await fails(lambda: pair.ours.exchange(b"a letter"))).trouble
            assert trouble.stage is Stage.RECEIVE
            assert trouble.reason in (Reason.ENDED, Reason.RESET, Reason.NOT_A_RELAY)
            pair.theirs.cut_after = None
            assert await pair.ours.exchange(b"again") == b"echo:again"
            assert pair.theirs.connections == 2

    async def test_an_answer_above_the_limit_is_not_read_to_its_end(self) -> None:
        async with self.opened() as pair:
            pair.theirs.answer_size = self.letter_max + 100_000
            trouble = (await fails(lambda: pair.ours.exchange(b"x"))).trouble
            assert trouble.reason is Reason.TOO_LARGE

    async def test_closing_ends_what_is_under_way_and_may_be_repeated(self) -> None:
        async with self.opened() as pair:
            async with asyncio.TaskGroup() as group:
                held = group.create_task(fails(lambda: pair.ours.exchange(b"held")))
                await pair.theirs.held.wait()
                await pair.ours.close()
                await pair.ours.close()
            assert held.result().trouble.stage is Stage.RECEIVE
            assert (await fails(lambda: pair.ours.exchange(b"x"))).trouble.stage is Stage.SEND


# --------------------------------------------------------------------------------------------- hands


def some_bytes(size: int, seed: int) -> bytes:
    """Bytes that look like any others."""
    return random.Random(seed).randbytes(size)


async def send_in_pieces(stream: ByteStream, data: bytes, pause: float = 0.0) -> None:
    """Send everything, in pieces of all sizes."""
    dice, at = random.Random(len(data)), 0
    while at < len(data):
        size = dice.choice((1, 100, 1500, 16384, 70_000))
        await stream.send(data[at : at + size])
        at += size
        if pause:
            await asyncio.sleep(pause)


async def receive_exactly(stream: ByteStream, size: int) -> bytes:
    """So many bytes; no more may come with them."""
    got = bytearray()
    while len(got) < size:
        data = await stream.receive()
        assert data, "it ended too early"
        got += data
    assert len(got) == size
    return bytes(got)


async def receive_all(stream: ByteStream) -> bytes:
    """Everything up to the end."""
    got = bytearray()
    while data := await stream.receive():
        got += data
    return bytes(got)


async def ended(stream: ByteStream) -> Reason | None:
    """How it ended; None: it still gives bytes."""
    try:
        return None if await stream.receive() else Reason.ENDED
    except TransportError as error:
        return error.trouble.reason


async def take(receive: Callable[[], object], count: int) -> list[bytes]:
    """The next messages."""
    return [await receive() for _ in range(count)]  # type: ignore[misc]


async def fails(action: Callable[[], object]) -> TransportError:
    """The TransportError that this must raise; no other error and no success will do."""
    with pytest.raises(TransportError) as caught:
        await action()  # type: ignore[misc]
    return caught.value


async def ignoring(action: Callable[..., object], *arguments: object) -> None:
    """Do it; whether it succeeds is the other side's affair."""
    try:
        await action(*arguments)  # type: ignore[misc]
    except Exception:
        pass

"""How many sessions does one relay open in a second, on one core: upgrade, letter, KEM, watch of three logs, without TLS?

Each session is somebody who comes back: a connection of its own, the HTTP upgrade, then a letter (sealed to the relay's
key, KEM included) that watches three logs of its own, all read up to the last entry, so that nothing but the heads comes
back. It counts when the first answer is there. Letters are sealed before the clock and answers opened after it; the
generator is one loop over epoll on the other core, and its share of that core is a figure of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import select
import socket
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from _record import Figure, middle, tell
from _relay import HANDSHAKE, Clients, LogOf, RelayProcess, frame_of, relay_on_first_core
from whimbrel.wire.answers import Created, Fetched, Head, Watched
from whimbrel.wire.codec import encode_entry
from whimbrel.wire.keydoc import KeyDocument
from whimbrel.wire.letters import RelayKeys
from whimbrel.wire.operations import Append, Create, Entry, EntryKind, Operation, Watch, WatchItem
from whimbrel.wire.streams import Answered, ClientStream, RelayStream, Request

LOGS = 3
ENTRY = 200
CREATED_AT_ONCE = 30
AIM = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sessions", type=int, default=4000, help="in each round; all stay open until its end"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--at-once", type=int, default=32, help="sessions that are being opened at a time")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, relay_on_first_core(Path(folder)) as relay:
        document, operations = uvloop.run(prepare(relay, args.sessions))
        rounds = [Round(relay, document, operations, args.at_once).run() for _ in range(args.rounds)]
        sealing = alone(Path(folder), document, operations[: min(500, args.sessions)])
    figures = [
        middle("sessions opened", [one["rate"] for one in rounds], "1/s", at_least=AIM),
        middle("the same, per second of the relay's processor", [one["per_cpu"] for one in rounds], "1/s"),
        middle("one session, half of all within", [one["p50"] for one in rounds], "ms"),
        middle("one session, 99 of 100 within", [one["p99"] for one in rounds], "ms"),
        middle("processor of the relay for one session", [1e6 / one["per_cpu"] for one in rounds], "µs"),
        Figure("of that, letter and answer alone", sealing, "µs"),
        middle("the generator's share of its core", [one["generator"] * 100 for one in rounds], "%"),
    ]
    tell(
        "session_opening",
        figures,
        sessions=args.sessions,
        rounds=args.rounds,
        at_once=args.at_once,
        logs=LOGS,
    )


async def prepare(relay: RelayProcess, sessions: int) -> tuple[KeyDocument, list[list[Operation]]]:
    """Make three logs with an entry each for every session; the relay's key, and what each session will ask."""
    clients = Clients(relay.address)
    logs = [LogOf(number) for number in range(sessions * LOGS)]
    for at in range(0, len(logs), CREATED_AT_ONCE):
        some = logs[at : at + CREATED_AT_ONCE]
        client, answers = await clients.open([Create(log.body, clients.admission) for log in some])
        assert all(isinstance(answer, Created) for answer in answers), answers
        client.wire.transport.close()
        client, answers = await clients.open([Append(log.id, log.write, 0, (entry(),)) for log in some])
        client.wire.transport.close()
    assert clients.document is not None
    await asyncio.sleep(0.5)
    asked = [
        Watch(items=tuple(WatchItem(i, log.id, log.read, 1) for i, log in enumerate(logs[at : at + LOGS])))
        for at in range(0, len(logs), LOGS)
    ]
    return clients.document, [[watch] for watch in asked]


def entry() -> bytes:
    return encode_entry(Entry(EntryKind.MLS, os.urandom(16), os.urandom(ENTRY - 21)))


class Opening:
    """One session being opened: what it sends, and when."""

    __slots__ = ("answer", "began", "data", "done", "letter", "socket", "stream", "upgraded")

    def __init__(self, document: KeyDocument, operations: Sequence[Operation]) -> None:
        self.stream = ClientStream(document, os.urandom(64))
        self.letter = frame_of(self.stream.open(operations))
        self.socket: socket.socket | None = None
        self.data = b""
        self.upgraded = False
        self.began = self.done = 0.0
        self.answer = b""

    def take(self, data: bytes) -> bool:
        """What has arrived; True when the session is open."""
        self.data += data
        if not self.upgraded:
            head, end, rest = self.data.partition(b"\r\n\r\n")
            if not end:
                return False
            assert head.startswith(b"HTTP/1.1 101"), head
            self.upgraded, self.data = True, rest
            assert self.socket is not None
            self.socket.send(self.letter)
            return False
        # Answers are between 126 and 65,535 bytes: a head of four.
        if len(self.data) < 4:
            return False
        assert self.data[:2] == b"\x82\x7e", self.data[:16]
        if len(self.data) < 4 + int.from_bytes(self.data[2:4], "big"):
            return False
        self.answer = self.data[4:]
        return True

    def check(self) -> None:
        """The answer is to the watch, of all three logs, with nothing new and the right heads."""
        [answered] = self.stream.receive(self.answer)
        assert isinstance(answered, Answered)
        [watched] = answered.answers
        assert isinstance(watched, Watched), watched
        assert len(watched.results) == LOGS
        for _, result in watched.results:
            assert isinstance(result, Fetched)
            assert not result.records
            assert result.head.seq == 1


class Round:
    """All sessions once, so many being opened at a time."""

    def __init__(
        self,
        relay: RelayProcess,
        document: KeyDocument,
        operations: Sequence[Sequence[Operation]],
        at_once: int,
    ) -> None:
        self.relay = relay
        self.at_once = at_once
        self.openings = [Opening(document, one) for one in operations]
        route = next(route for route in relay.address.routes if route.transport == "ws")
        self.target = (route.host, route.port)
        self.upgrade = HANDSHAKE.format(path=route.path).encode()

    def run(self) -> dict[str, float]:
        cpu, own = self.relay.cpu(), time.process_time()
        started = time.perf_counter()
        self.open_all()
        taken = time.perf_counter() - started
        cpu, own = self.relay.cpu() - cpu, time.process_time() - own
        for opening in self.openings:
            opening.check()
            assert opening.socket is not None
            opening.socket.close()
        time.sleep(1)
        times = [(opening.done - opening.began) * 1000 for opening in self.openings]
        return {
            "rate": len(self.openings) / taken,
            "per_cpu": len(self.openings) / cpu,
            "p50": statistics.median(times),
            "p99": statistics.quantiles(times, n=100)[98],
            "generator": own / taken,
        }

    def open_all(self) -> None:
        poll = select.epoll()
        under_way: dict[int, Opening] = {}
        waiting = iter(self.openings)
        opened = 0

        def begin() -> None:
            opening = next(waiting, None)
            if opening is None:
                return
            opening.began = time.perf_counter()
            # On loopback a connect is over at once: the relay's queue of 1,024 is longer than what is under way.
            opening.socket = socket.create_connection(self.target, 10)
            opening.socket.send(self.upgrade)
            under_way[opening.socket.fileno()] = opening
            poll.register(opening.socket.fileno(), select.EPOLLIN)

        for _ in range(self.at_once):
            begin()
        while opened < len(self.openings):
            events = poll.poll(30)
            assert events, "the relay does not answer"
            for number, _ in events:
                opening = under_way[number]
                assert opening.socket is not None
                data = opening.socket.recv(65536)
                assert data, "the relay closed the connection"
                if opening.take(data):
                    opening.done = time.perf_counter()
                    poll.unregister(number)
                    del under_way[number]
                    opened += 1
                    begin()


def alone(folder: Path, document: KeyDocument, operations: Sequence[Sequence[Operation]]) -> float:
    """Microseconds in which this process, with the relay's keys, opens a letter and seals the answer: no socket, no log."""
    from whimbrel.relay.keys import LetterKeys, open_secrets
    from whimbrel.relay.settings import Limits

    secrets = open_secrets(folder)
    keys: RelayKeys = LetterKeys(folder / "keys", secrets.identity, Limits(), int(time.time())).current
    letters = [ClientStream(document, os.urandom(64)).open(one) for one in operations]
    head = Head(1, 0, bytes(32), 0)
    answer = Watched(bytes(16), tuple((i, Fetched((), head, False, False)) for i in range(LOGS)))
    times = []
    for letter in letters:
        random = os.urandom(64)
        started = time.perf_counter()
        stream = RelayStream(keys, random)
        request = stream.receive(letter)
        assert isinstance(request, Request)
        stream.answer(request.n, [answer])
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e6


if __name__ == "__main__":
    main()

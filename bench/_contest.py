"""Our relay and the peers as contestants: each starts, opens pairs of connections, and looks at what arrived.

What is the same for all: everything of a server on the first core, the generator on the last; no TLS; 50 senders to 50
receivers; 200 bytes that mean something to the receiver only; afterwards everything that was sent has to be there, once and
in order.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from _record import versions
from _relay import (
    CORES,
    LogOf,
    RelayProcess,
    ask_document,
    frame_of,
    open_session,
    python_of_the_distribution,
)
from peers import mosquitto, nats, process, xmpp
from peers.debian import Absent
from peers.debian import version as package_version
from peers.ejabberd import Ejabberd
from peers.mosquitto import Mosquitto
from peers.nats import Nats
from peers.pairs import Findings, Found, Pair, Protocol, run
from peers.process import Failed
from peers.prosody import Prosody
from whimbrel.wire.admission import encode_admission
from whimbrel.wire.answers import Appended, Fetched, Pushed
from whimbrel.wire.codec import encode_entry
from whimbrel.wire.operations import Append, Create, Entry, EntryKind, Watch, WatchItem
from whimbrel.wire.streams import Answered, ClientStream

PAIRS = 50
PAYLOAD = 200
ARCHIVED_WITHIN = 10.0
"""Seconds within which ejabberd's archive must have what was delivered."""
NUMBERED = re.compile(rb"~(\d{8})~")
ANSWER_MAX = 150
"""Bytes of our answer to an append at most (it has about 80); a push of an entry of 200 bytes has more than 300."""


TROUBLE = (Absent, Failed, xmpp.Refused, AssertionError, OSError, subprocess.SubprocessError)
"""What a peer may do without ending the run of the others; it is said, and recorded."""


class Contestant:
    """A server that runs. `most`: messages a second that it will not reach here, so many are made beforehand."""

    name: str
    keeps: str
    """What is true of a message that counts."""
    most: int
    protocol: Protocol
    answers = False
    """Whether the server answers the sender."""
    answer_max = 0

    def __init__(self, folder: Path) -> None:
        """Start it, pinned to the first core, with all that it writes in `folder`. Raises Absent, Failed."""
        raise NotImplementedError

    def versions(self) -> dict[str, str | None]:
        raise NotImplementedError

    def pids(self) -> list[int]:
        raise NotImplementedError

    def pairs(self, messages: int, back: bool) -> list[Pair]:
        """Connections that are ready, and what each will send. `back`: receivers acknowledge by a message of their own."""
        raise NotImplementedError

    def ways(self, findings: Findings) -> list[float]:
        """Seconds from sending to delivery of every message, when all is as it should be. Raises AssertionError."""
        raise NotImplementedError

    def stop(self) -> None:
        raise NotImplementedError

    def cpu(self) -> float:
        return process.cpu(self.pids())

    def load(
        self, seconds: float, rate: float | None = None, back: bool = False
    ) -> tuple[Findings, list[float]]:
        """Open pairs, drive them, look at what arrived, close them; what `run` found and what `ways` says."""
        each = (rate or self.most) * seconds / PAIRS
        pairs = self.pairs(int(each) + 1, back)
        try:
            findings = run(self.protocol, pairs, seconds, rate, self.answer_max, {CORES[-1]}, self.answers)
            return findings, self.ways(findings)
        finally:
            for pair in pairs:
                pair.sender.close()
                pair.receiver.close()


class Ours(Contestant):
    name = "whimbrel relay"
    keeps = "on disk (synced) before it is answered and pushed"
    most = 30_000
    protocol = Protocol.WEBSOCKET
    answers = True
    answer_max = ANSWER_MAX

    python = sys.executable

    def __init__(self, folder: Path) -> None:
        self.relay = RelayProcess(folder, CORES[0], python=self.python)
        self.document = ask_document(self.relay.address)
        self._made = 0

    def versions(self) -> dict[str, str | None]:
        return dict(versions())

    def pids(self) -> list[int]:
        return process.family(self.relay.process.pid)

    def pairs(self, messages: int, back: bool) -> list[Pair]:
        self.back = back
        self.lanes = []
        found = []
        for _ in range(PAIRS):
            lane = Lane(self, self._made, messages, back)
            self._made += 2
            self.lanes.append(lane)
            found.append(lane.pair)
        return found

    def ways(self, findings: Findings) -> list[float]:
        found: list[float] = []
        for lane, one in zip(self.lanes, findings.pairs, strict=True):
            found += lane.ways(one, self.back)
        return found

    def stop(self) -> None:
        self.relay.stop()


class OursPackaged(Ours):
    """The same on the Python of the distribution, from where the peers come, too."""

    name = "whimbrel relay on the distribution's Python"

    def __init__(self, folder: Path) -> None:
        python = python_of_the_distribution()
        if python is None:
            raise Absent("the system has no Python of the version that runs here")
        self.python = python
        super().__init__(folder)

    def versions(self) -> dict[str, str | None]:
        return super().versions() | {"python of the distribution": package_version("python3.11")}


class Lane:
    """A sender, a log, a receiver; and a second log back when receivers acknowledge."""

    def __init__(self, ours: Ours, number: int, messages: int, back: bool) -> None:
        address = ours.relay.address
        assert address.admission is not None
        admission = encode_admission(address.admission)
        log, other = LogOf(number), LogOf(number + 1)
        makes: list[Any] = [Create(log.body, admission), Create(other.body, admission)]
        watch = [Watch(items=(WatchItem(1, other.id, other.read, 0),))] if back else []
        sender, self.sender, _ = open_session(address, ours.document, makes + watch)
        receiver, self.receiver, _ = open_session(
            address, ours.document, [Watch(items=(WatchItem(1, log.id, log.read, 0),))]
        )
        self.entries = [entry() for _ in range(messages)]
        self.backs = [entry() for _ in range(messages)] if back else []
        self.pair = Pair(
            sender,
            receiver,
            _sealed(self.sender, log, self.entries),
            _sealed(self.receiver, other, self.backs),
        )

    def ways(self, found: Found, back: bool) -> list[float]:
        sent = len(found.sent)
        answered, got_back = self._opened(self.sender, found.at_sender())
        assert answered == list(range(1, sent + 1)), "an append without its answer"
        _, delivered = self._opened(self.receiver, found.at_receiver())
        assert [record for record, _ in delivered] == self.entries[:sent], "not all delivered, once, in order"
        if back:
            assert [record for record, _ in got_back] == self.backs[:sent], "acknowledgements are missing"
        # A push may bring more than one: the n-th push came at the n-th time.
        return [found.delivered[push] - at for at, (_, push) in zip(found.sent, delivered, strict=True)]

    def _opened(
        self, stream: ClientStream, messages: Sequence[bytes]
    ) -> tuple[list[int], list[tuple[bytes | None, int]]]:
        """The appends that were answered, by their last seq; the records that were pushed, each with the number of its push."""
        answered: list[int] = []
        pushed: list[tuple[bytes | None, int]] = []
        pushes = 0
        for message in messages:
            [what] = stream.receive(message)
            if isinstance(what, Answered):
                [appended] = what.answers
                assert isinstance(appended, Appended), appended
                answered.append(appended.last)
            else:
                assert isinstance(what, Pushed)
                assert isinstance(what.what, Fetched)
                pushed += [(record.entry, pushes) for record in what.what.records]
                pushes += 1
        return answered, pushed


def entry() -> bytes:
    encoded = encode_entry(Entry(EntryKind.MLS, os.urandom(16), os.urandom(PAYLOAD - 21)))
    assert len(encoded) == PAYLOAD
    return encoded


def _sealed(stream: ClientStream, log: LogOf, entries: Sequence[bytes]) -> list[bytes]:
    return [
        frame_of(stream.request(n, [Append(log.id, log.write, 0, (one,))]))
        for n, one in enumerate(entries, 1)
    ]


class Peer(Contestant):
    """Somebody else's server: messages carry their number, and the receiver must have seen all of them in order."""

    server: Any

    def versions(self) -> dict[str, str | None]:
        return dict(self.server.versions)

    def pids(self) -> list[int]:
        return list(self.server.pids())

    def stop(self) -> None:
        self.server.stop()

    def ways(self, findings: Findings) -> list[float]:
        found: list[float] = []
        for one in findings.pairs:
            numbers = [int(number) for number in NUMBERED.findall(one.kept[1])]
            assert numbers == list(range(len(one.sent))), "not all delivered, once, in order"
            found += [b - a for a, b in zip(one.sent, one.delivered, strict=True)]
        return found


def payload(number: int) -> bytes:
    return b"~%08d~" % number + b"x" * (PAYLOAD - 10)


class OfXmpp(Peer):
    protocol = Protocol.XMPP
    most = 16_000
    users: tuple[list[str], list[str]] = ([f"s{i}" for i in range(PAIRS)], [f"r{i}" for i in range(PAIRS)])

    def pairs(self, messages: int, back: bool) -> list[Pair]:
        please = xmpp.ANSWER_PLEASE if self.answers else b""
        return [
            Pair(
                xmpp.login(self.server.port, one, self.answers),
                xmpp.login(self.server.port, other, self.answers),
                [xmpp.message(xmpp.address(other), n, payload(n)) + please for n in range(messages)],
                [xmpp.message(xmpp.address(one), n, payload(n)) for n in range(messages)] if back else (),
            )
            for one, other in zip(*self.users, strict=True)
        ]


class OfEjabberd(OfXmpp):
    name = "ejabberd"
    keeps = "kept nowhere"

    def __init__(self, folder: Path) -> None:
        self.server = Ejabberd(folder, CORES[0])
        xmpp.register(self.server.port, [*self.users[0], *self.users[1]])


class OfEjabberdArchive(OfXmpp):
    name = "ejabberd + mod_mam on PostgreSQL"
    keeps = "in the archives of both sides (committed) before it is delivered"
    most = 6_000

    def __init__(self, folder: Path) -> None:
        self.server = Ejabberd(folder, CORES[0], archive=True)
        xmpp.register(self.server.port, [*self.users[0], *self.users[1]])
        self._archived = 0
        self._start_pool()

    def _start_pool(self) -> None:
        """One message alone: ejabberd 23.01 starts its pool of connections with the first one that it archives, and what
        others send meanwhile crashes its hook (`ejabberd_sql:get_worker`) and is delivered, but not archived."""
        one, other = self.users[0][0], self.users[1][0]
        with (
            contextlib.closing(xmpp.login(self.server.port, one, False)) as sender,
            contextlib.closing(xmpp.login(self.server.port, other, False)),
        ):
            sender.sendall(xmpp.message(xmpp.address(other), 0, payload(0)))
            self._expect(1)

    def ways(self, findings: Findings) -> list[float]:
        found = super().ways(findings)
        self._expect(sum(len(one.sent) + len(one.back) for one in findings.pairs))
        return found

    def _expect(self, messages: int) -> None:
        """Both rows of so many more messages are there. Raises AssertionError."""
        # The receiver's row may be committed a moment after the message is delivered.
        until = time.monotonic() + ARCHIVED_WITHIN
        while (rows := self.server.archived() - self._archived) < 2 * messages and time.monotonic() < until:
            time.sleep(0.1)
        assert rows == 2 * messages, f"{rows} rows for {messages} messages"
        self._archived += rows


class OfProsody(OfXmpp):
    name = "prosody"
    keeps = "kept nowhere"
    most = 8_000

    def __init__(self, folder: Path) -> None:
        self.server = Prosody(folder, CORES[0], [*self.users[0], *self.users[1]])


class OfMosquitto(Peer):
    name = "mosquitto, QoS 1"
    keeps = "in memory when it is answered"
    most = 60_000
    protocol = Protocol.MQTT
    answers = True

    def __init__(self, folder: Path) -> None:
        self.server = Mosquitto(folder, CORES[0])

    def pairs(self, messages: int, back: bool) -> list[Pair]:
        port = self.server.port
        return [
            Pair(
                mosquitto.connect(port, f"s{i}", f"b/{i}" if back else None),
                mosquitto.connect(port, f"r{i}", f"t/{i}"),
                [mosquitto.publication(f"t/{i}", n, payload(n)) for n in range(messages)],
                [mosquitto.publication(f"b/{i}", n, payload(n)) for n in range(messages)] if back else (),
            )
            for i in range(PAIRS)
        ]


class OfNats(Peer):
    name = "nats-server"
    keeps = "kept nowhere, answered by nobody"
    most = 150_000
    protocol = Protocol.NATS

    def __init__(self, folder: Path) -> None:
        self.server = Nats(folder, CORES[0])

    def pairs(self, messages: int, back: bool) -> list[Pair]:
        port = self.server.port
        return [
            Pair(
                nats.connect(port, f"b.{i}" if back else None),
                nats.connect(port, f"t.{i}"),
                [nats.publication(f"t.{i}", payload(n)) for n in range(messages)],
                [nats.publication(f"b.{i}", payload(n)) for n in range(messages)] if back else (),
            )
            for i in range(PAIRS)
        ]


ALL: tuple[type[Contestant], ...] = (
    Ours,
    OursPackaged,
    OfEjabberdArchive,
    OfEjabberd,
    OfProsody,
    OfMosquitto,
    OfNats,
)


@contextlib.contextmanager
def started(make: type[Contestant]) -> Iterator[Contestant]:
    """One contestant in a folder of its own; this process keeps to the last core meanwhile. Raises Absent, Failed."""
    os.sched_setaffinity(0, {CORES[-1]})
    with tempfile.TemporaryDirectory() as folder:
        try:
            one = make(Path(folder))
            try:
                yield one
            finally:
                one.stop()
        finally:
            os.sched_setaffinity(0, set(CORES))

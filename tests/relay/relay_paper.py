"""A whole relay without sockets: real rules, real storage, a clock that tests own. And people who use it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from whimbrel.relay.blobs import BlobFolder
from whimbrel.relay.counts import Counts
from whimbrel.relay.desk import Asked, Desk
from whimbrel.relay.engine import Engine, Identity
from whimbrel.relay.expiry import Expiry
from whimbrel.relay.places import Places
from whimbrel.relay.settings import Limits
from whimbrel.relay.storage import Storage
from whimbrel.relay.uploads import Uploads
from whimbrel.relay.watching import Encoded, Watching, WatchSet
from whimbrel.wire import admission, codec, proofs
from whimbrel.wire.answers import Failure, Fetched, Status
from whimbrel.wire.operations import (
    Alter,
    Append,
    Change,
    Create,
    Drop,
    Entry,
    Fetch,
    Grant,
    LogBody,
    LogKind,
    Operation,
    SignedChange,
    Watch,
    WatchItem,
)
from whimbrel.wire.purpose import public_of, token_hash

ROOT = b"r" * 32
IDENTITY_PRIVATE = b"i" * 32
IDENTITY = public_of(IDENTITY_PRIVATE)
NO_LIMITS = admission.Limits()
USUAL = Limits()


def denied(answer: Any) -> bool:
    return bool(answer == Failure(Status.DENIED))


def status(answer: Any) -> Status:
    """The status of a failure; OK of anything else."""
    return answer.status if isinstance(answer, Failure) else Status.OK


def entry(text: str | bytes, size: int = 48, kind: int = 1) -> bytes:
    """An entry whose body begins with the text: the same text, the same entry."""
    body = text.encode() if isinstance(text, str) else text
    return codec.encode_entry(Entry(kind, b"tag".ljust(16, b"."), body.ljust(size, b"_")))


def admit(limits: admission.Limits = NO_LIMITS, name: bytes = b"everyone") -> bytes:
    return admission.encode_admission(admission.mint(ROOT, name[:8].ljust(8, b"\0"), limits))


class Hearer:
    """A listener that writes down what it is told."""

    def __init__(self) -> None:
        self.attached: WatchSet | None = None
        self.told: list[tuple[int, Fetched | Failure]] = []
        self.signals: list[tuple[int, bytes]] = []
        self.can = True

    def can_take(self) -> bool:
        return self.can

    def push(self, slot: int, what: Fetched | Failure, shared: Encoded | None) -> None:
        self.told.append((slot, what))

    def signal(self, slot: int, body: bytes) -> None:
        self.signals.append((slot, body))

    def heard(self) -> list[tuple[int, Fetched | Failure]]:
        told, self.told = self.told, []
        return told


class PaperRelay:
    """The parts as `server` puts them together, driven by hand."""

    def __init__(self, folder: Path, limits: Limits = USUAL, routes: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.limits = limits
        self.routes = routes
        self.now = 1_800_000_000.0
        self.complaints: list[Exception] = []
        self.hold_disk = False
        self._held: list[tuple[Callable[[], None], Callable[[Exception | None], None]]] = []
        self._soon: list[Callable[[], None]] = []
        self.start()

    def start(self) -> None:
        self.storage = Storage(self.folder / "relay.db")
        self.places = Places(self.storage, self.limits, ROOT)
        identity = Identity(IDENTITY_PRIVATE, IDENTITY)
        self.engine = Engine(self.storage, self.places, identity, self.limits, self.routes)
        self.blobs = BlobFolder(self.folder / "blobs")
        self.uploads = Uploads(
            self.storage, self.places, self.blobs, self.limits, self._disk, lambda: self.now
        )
        self.watching = Watching(self.storage, self.engine, self.limits, lambda: os.urandom(16))
        self.counts = Counts()
        self.expiry = Expiry(self.storage, self.uploads, self.limits)
        self.desk = Desk(
            self.storage,
            self.engine,
            self.places,
            self.uploads,
            self.watching,
            self.limits,
            self.counts,
            lambda: self.now,
            self._soon.append,
            self.complaints.append,
        )

    def restart(self) -> None:
        """As after a clean stop."""
        self.storage.close()
        self.start()

    def crash(self) -> None:
        """As after kill -9: nothing is settled, nothing said."""
        self.storage._db.close()
        self._soon.clear()
        self._held.clear()
        self.start()

    def _disk(self, work: Callable[[], None], done: Callable[[Exception | None], None]) -> None:
        self._held.append((work, done))
        if not self.hold_disk:
            self._soon.append(self.run_disk)

    def run_disk(self) -> None:
        held, self._held = self._held, []
        for work, done in held:
            try:
                work()
            except OSError as fault:
                done(fault)
            else:
                done(None)

    def turn(self) -> None:
        """Run the loop until it is idle."""
        while self._soon:
            soon, self._soon[:] = list(self._soon), []
            for one in soon:
                one()

    def begin(self, *operations: Operation | Failure, listener: Hearer | None = None) -> list[Any]:
        """Take operations without ending the loop's turn: the list fills when the answers leave."""
        answers: list[Any] = []
        self.desk.take(operations, answers.extend, listener, listener or answers)
        return answers

    def ask(self, *operations: Operation | Failure, listener: Hearer | None = None) -> list[Any]:
        answers = self.begin(*operations, listener=listener)
        self.turn()
        assert len(answers) == len(operations), "every operation is answered"
        return answers

    def one(self, operation: Operation, listener: Hearer | None = None) -> Any:
        return self.ask(operation, listener=listener)[0]

    def expire(self) -> None:
        """A whole round."""
        self.storage.settle()
        while self.expiry.step(int(self.now)):
            pass
        self.desk.changed()
        self.turn()


class Room:
    """A log as its members see it: tokens, an admin, and how far it has come."""

    def __init__(
        self,
        relay: PaperRelay,
        kind: LogKind = LogKind.CONVERSATION,
        name: str = "room",
        admission_bytes: bytes | None = None,
    ) -> None:
        self.relay = relay
        self.admin = name.encode().ljust(32, b"a")
        self.second_admin = name.encode().ljust(32, b"b")
        self.read = name.encode().ljust(32, b"r")
        self.write = name.encode().ljust(32, b"w")
        self.body = LogBody(
            kind,
            token_hash(self.read),
            token_hash(self.write),
            (public_of(self.admin),),
            name.encode().ljust(32, b"n"),
        )
        self.id = codec.log_id(codec.encode_log_body(self.body))
        self.turn = 0
        self.n = 0
        self.created = relay.one(Create(self.body, admission_bytes or admit()))

    def append(self, *texts: str | bytes, **more: Any) -> Append:
        entries = tuple(text if isinstance(text, bytes) else entry(text) for text in texts)
        write = more.pop("write", self.write)
        turn = more.pop("turn", self.turn)
        return Append(self.id, write, turn, entries, **more)

    def post(self, *texts: str | bytes, **more: Any) -> Any:
        return self.relay.one(self.append(*texts, **more))

    def proven(self, append: Append, private: bytes | None = None) -> Append:
        proof = proofs.append_proof(private or self.admin, IDENTITY, append)
        return Append(
            append.log,
            append.write,
            append.turn,
            append.entries,
            append.advance,
            append.change,
            proof,
            append.needs,
        )

    def change(self, private: bytes | None = None, n: int | None = None, **what: Any) -> SignedChange:
        if "read" in what:
            what["read_hash"] = token_hash(what.pop("read"))
        if "write" in what:
            what["write_hash"] = token_hash(what.pop("write"))
        change = Change(n or self.n + 1, **what)
        return proofs.sign_change(change, private or self.admin, IDENTITY, self.id)

    def alter(self, **what: Any) -> Any:
        answer = self.relay.one(Alter(self.id, self.change(**what)))
        if not isinstance(answer, Failure):
            self.n += 1
        return answer

    def grant(self, token: bytes, entries: int = 100, size: int = 100_000) -> Any:
        return self.alter(grants=(Grant(token_hash(token), entries, size),))

    def fetch(self, after: int = 0, read: bytes | None = None, limit: int = 500) -> Any:
        return self.relay.one(Fetch(self.id, read or self.read, after, limit))

    def texts(self, after: int = 0, read: bytes | None = None) -> list[str]:
        """What stands in the log, as its texts."""
        return [text_of(record.entry) for record in self.fetch(after, read).records]

    def drop(self, blob: bytes | None = None, private: bytes | None = None) -> Drop:
        return Drop(self.id, blob, proofs.drop_proof(private or self.admin, IDENTITY, self.id, blob))

    def item(self, slot: int = 1, after: int = 0, read: bytes | None = None) -> WatchItem:
        return WatchItem(slot, self.id, read or self.read, after)

    def watch(self, listener: Hearer, slot: int = 1, after: int = 0, read: bytes | None = None) -> Any:
        return self.relay.one(Watch(items=(self.item(slot, after, read),)), listener)


def text_of(encoded: bytes | None) -> str:
    return "(expired)" if encoded is None else codec.decode_entry(encoded).body.rstrip(b"_").decode()


__all__ = ["Asked", "Hearer", "PaperRelay", "Room", "admit", "denied", "entry", "status", "text_of"]

"""What a relay does with each operation on logs: decides, changes the storage's open group, answers. No I/O of its own.

Every check stands before the first change, so what is refused has changed nothing. What watchers are to be told is left
in `news`; the server takes it from there when the group is on disk. The order of checks is part of the protocol
(docs/protocol/relay.md).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise

from whimbrel.wire import chain, proofs
from whimbrel.wire.answers import (
    Altered,
    Answer,
    Appended,
    Created,
    Done,
    Failure,
    Fetched,
    Head,
    Record,
    Status,
)
from whimbrel.wire.codec import decode_entry, decode_pointer, encode_log_body, encode_signed_change, log_id
from whimbrel.wire.errors import WireError
from whimbrel.wire.operations import (
    OWN,
    Alter,
    Append,
    Change,
    Create,
    EntryKind,
    Fetch,
    LogKind,
    Proof,
    Routes,
    Signal,
    SignedChange,
)
from whimbrel.wire.purpose import prf, token_hash

from .logs import SEQ_MAX, Granted, Log, Role, Row, Window, cost_of, record_of, row_key
from .pace import Pace
from .places import DENIED, FULL, MALFORMED, Places
from .settings import Limits
from .storage import Storage

GRANTS_MAX = 10_000
"""Granted write tokens of one log."""
ROUTES_SHOWN = 3
"""Ways that one inbox is told, so that no single inbox learns them all."""
ANSWER_COST = 110
"""Bytes of an answer beside its records: head, slot, frames of the encoding; rounded up."""
RECORD_COST = 100
"""Bytes of a record in an answer beside entry and change."""


@dataclass(slots=True)
class News:
    """What happened to a log, for those who watch it: new records, a read token that ended, or the end of the log.
    `size`: what the records weigh."""

    log: int
    head: Head
    records: tuple[Record, ...] = ()
    size: int = 0
    ended: bool = False
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Signalling:
    """Sealed bytes for whoever watches a log now."""

    log: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Identity:
    """The relay's signing key: what routes and invites pin is `public`."""

    private: bytes
    public: bytes


class Budget:
    """Bytes that the answers to one letter or frame may still take."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


class Engine:
    """All rules for logs, over one storage."""

    def __init__(
        self,
        storage: Storage,
        places: Places,
        identity: Identity,
        limits: Limits,
        routes: tuple[str, ...],
    ) -> None:
        self._storage = storage
        self._places = places
        self._identity = identity
        self._limits = limits
        self._routes = routes
        self._advances = Pace(limits.advance_burst, limits.advance_every)
        self._creates = Pace(limits.create_burst, limits.create_every)
        self.news: list[News | Signalling] = []
        self.disk_full = False
        """Set from outside when the disk has less than its reserve left: then nothing more is taken."""

    def set_routes(self, routes: tuple[str, ...]) -> None:
        """The relay's ways, as texts, when they are known."""
        self._routes = routes

    # ------------------------------------------------------------------------------------------ create

    def create(self, create: Create, now: int) -> Answer:
        """Make a log; the same body again answers where the log stands."""
        body = create.body
        this = log_id(encode_log_body(body))
        log = self._storage.log(this)
        if log is not None:
            return Created(log.head)
        counted = self._places.admission(create.admission, now)
        if isinstance(counted, Failure):
            return counted
        if self._storage.was_dropped(this):
            return DENIED
        account = counted[0].account
        wait = self._creates.wait(account, now)
        if wait:
            return Failure(Status.BUSY, retry_after=wait)
        if self.disk_full:
            return FULL
        refused = self._places.take_log(counted, body.kind)
        if refused is not None:
            return refused
        links = b"".join(one.account for one in counted)
        log = self._storage.add_log(this, body.kind, body.admins, body.read_hash, body.write_hash, links)
        self._creates.take(account, now)
        return Created(log.head)

    # ------------------------------------------------------------------------------------------ append

    def append(self, append: Append, now: int) -> Answer:
        """Add entries. Checked in this order: known entries; the token; the turn; signatures; needs; limits."""
        log = self._storage.log(append.log)
        if log is None:
            return DENIED
        ids = [hashlib.sha256(entry).digest() for entry in append.entries]
        known = self._known(log, append, ids)
        if known is not None:
            return known

        writer: Granted | None = None
        if token_hash(append.write) != log.write:
            comes = self._places.writer(log, append.write)
            if isinstance(comes, Failure):
                return comes
            writer = comes
            # A granted token only appends, in every kind of log.
            if append.advance or append.change is not None or append.admin is not None:
                return DENIED
        if append.turn != log.turn:
            return Failure(Status.WRONG_TURN, head=log.head)
        if append.advance and not log.has_turns:
            return MALFORMED

        # The kind is the second byte of an entry (`wire.stored.check_entry`).
        pointing = [entry for entry in append.entries if entry[1] == EntryKind.POINTER]
        plain = writer is None and append.change is None and append.admin is None and not append.needs
        plain = plain and not pointing
        by_admin = False
        if not plain:
            refused = self._refusal(log, append, pointing, writer)
            if refused is not None:
                return refused
            by_admin = append.admin is not None or append.change is not None

        change = None if append.change is None else encode_signed_change(append.change)
        cost = 0
        for entry in append.entries:
            cost += cost_of(entry, change)
        refused = self._beyond_limits(log, append, writer, cost, by_admin, now)
        if refused is not None:
            return refused
        return self._add(log, append, ids, change, writer, cost, now)

    def _known(self, log: Log, append: Append, ids: list[bytes]) -> Answer | None:
        """The answer to an append of entries that stand in the log already; None when all are new."""
        storage = self._storage
        found = []
        for one in ids:
            row = storage.record_by_id(log, one)
            if row is not None:
                found.append(row)
        if not found:
            return None
        ascending = all(one[0] < other[0] for one, other in pairwise(found))
        if len(found) < len(ids) or not ascending:
            return MALFORMED
        last = found[-1]
        if append.change is not None and encode_signed_change(append.change) != last[5]:
            # The change did not come with this entry: to answer `appended` would say that it holds.
            return DENIED
        return Appended(found[0][0] & SEQ_MAX, last[0] & SEQ_MAX, last[1] + last[2], last[6])

    def _refusal(
        self, log: Log, append: Append, pointing: list[bytes], writer: Granted | None
    ) -> Failure | None:
        """What signatures, pointers and needs have against it."""
        proof = append.admin
        if proof is not None and not (
            proof.key in log.admins and proofs.verify_append(proof, self._identity.public, append)
        ):
            return DENIED
        if append.change is not None:
            refused = self._change_refusal(log, append.change)
            if refused is not None:
                return refused
        for entry in pointing:
            if _pointed_to(entry) not in append.needs:
                # What it names would not be kept: whoever reads it late could not tell what it says.
                return MALFORMED
        missing = []
        size = 0
        for blob_id in append.needs:
            blob = self._storage.blob(blob_id)
            if blob is None or not blob.whole:
                missing.append(blob_id)
            elif blob.place != log.number:
                size += blob.size
        if missing:
            return Failure(Status.MISSING, missing=tuple(missing))
        for entry in pointing:
            blob = self._storage.blob(_pointed_to(entry) or b"")
            if blob is None or blob.place != log.number:
                # The admins of another log could drop it.
                return MALFORMED
        if writer is not None and size > 0:
            # Somebody else's space would be kept in use by a guest's entry: it counts against the grant.
            writer.size -= size
            if writer.size < 0:
                return FULL
        return None

    def _beyond_limits(
        self, log: Log, append: Append, writer: Granted | None, cost: int, by_admin: bool, now: int
    ) -> Failure | None:
        if append.advance and not by_admin:
            wait = self._advances.wait(log.number, now)
            if wait:
                return Failure(Status.BUSY, retry_after=wait)
        space = self._limits.log_bytes + (self._limits.log_reserve if by_admin else 0)
        if log.used + cost > space or log.seq + len(append.entries) > SEQ_MAX or self.disk_full:
            return FULL
        if writer is not None and (writer.entries < len(append.entries) or writer.size < cost):
            return FULL
        return None

    def _add(
        self,
        log: Log,
        append: Append,
        ids: list[bytes],
        change: bytes | None,
        writer: Granted | None,
        cost: int,
        now: int,
    ) -> Answer:
        number, seq, turn, h, total = log.number, log.seq, log.turn, log.h, log.total
        advance = append.advance
        rows: list[Row] = []
        for entry, entry_id in zip(append.entries, ids, strict=True):
            seq += 1
            h = chain.step(h, seq, turn, advance, entry_id, change)
            total += cost_of(entry, change)
            rows.append((row_key(number, seq), turn, int(advance), entry_id, entry, change, h, now, total))
        self._storage.add_records(rows)
        first = log.seq + 1
        log.seq, log.h, log.total = seq, h, total
        if advance:
            log.turn = turn + 1
            if append.change is None and append.admin is None:
                self._advances.take(number, now)
        if writer is not None:
            writer.entries -= len(rows)
            writer.size -= cost
            self._storage.save_grant(log, writer)
        if append.needs:
            self._storage.add_needs(rows[-1][0], append.needs)
        ended = False
        if append.change is not None and change is not None:
            ended = self._apply(log, append.change.change, change)
        self.news.append(News(number, log.head, tuple([record_of(row) for row in rows]), cost, ended))
        return Appended(first, seq, log.turn, h)

    # ----------------------------------------------------------------------------------------- changes

    def alter(self, alter: Alter) -> Answer:
        """An admin's change on its own; the last one again is answered again."""
        log = self._storage.log(alter.log)
        if log is None:
            return DENIED
        encoded = encode_signed_change(alter.change)
        if log.change == encoded:
            return Altered(log.head)
        refused = self._change_refusal(log, alter.change)
        if refused is not None:
            return refused
        ended = self._apply(log, alter.change.change, encoded)
        if ended:
            self.news.append(News(log.number, log.head, ended=True))
        return Altered(log.head)

    def _change_refusal(self, log: Log, signed: SignedChange) -> Failure | None:
        change = signed.change
        if change.n != log.n + 1 or signed.key not in log.admins:
            return DENIED
        if not proofs.verify_change(signed, self._identity.public, log.id):
            return DENIED
        # A read token has one window: one that was closed cannot be opened again.
        if change.read_hash is not None and Role.OLD_READ in self._storage.token_role(log, change.read_hash):
            return DENIED
        if change.grants:
            gone = sum(self._storage.granted(log, token) is not None for token in set(change.revokes))
            if self._storage.grants(log) + len(change.grants) - gone > GRANTS_MAX:
                return FULL
        return None

    def _apply(self, log: Log, change: Change, encoded: bytes) -> bool:
        """Put a change into force after what stands in the log now. Answers whether it ended the read token."""
        ended = False
        log.n, log.change = change.n, encoded
        if change.read_hash is not None and change.read_hash != log.read:
            ended = True
            self._storage.close_read(log, Window(log.read_start, log.head))
            log.read, log.read_start = change.read_hash, log.seq
        if change.write_hash is not None and change.write_hash != log.write:
            self._storage.close_write(log)
            log.write = change.write_hash
        if change.admins is not None:
            log.admins = change.admins
        for revoked in change.revokes:
            self._storage.revoke(log, revoked)
        for grant in change.grants:
            self._storage.save_grant(log, Granted(grant.token_hash, grant.entries, grant.size))
        self._storage.save_log(log)
        return ended

    # ----------------------------------------------------------------------------------------- reading

    def fetch(self, fetch: Fetch, budget: Budget) -> Fetched | Failure:
        """Records after a cursor, as far as the token and the budget go."""
        if budget.left < ANSWER_COST:
            return Failure(Status.BUSY, retry_after=0)
        log = self._storage.log(fetch.log)
        if log is None:
            return DENIED
        budget.left -= ANSWER_COST
        return self.read(log, token_hash(fetch.read), fetch.after, fetch.limit, budget, frozenset(fetch.own))

    def read(
        self,
        log: Log,
        token: bytes,
        after: int,
        limit: int,
        budget: Budget,
        own: frozenset[bytes] = frozenset(),
    ) -> Fetched | Failure:
        """As `fetch`, for a token known by its hash; of the budget only records are taken. Entries of which the id begins with one of
        `own` are left out."""
        if token == log.read:
            start, head, closed = log.read_start, log.head, False
        else:
            window = self._storage.old_read(log, token)
            if window is None or after >= window.end.seq:
                return DENIED
            start, head, closed = window.start, window.end, True
        if 0 < after < start:
            return Failure(Status.EXPIRED, first=start + 1)
        cursor = max(after, start)
        if cursor >= head.seq:
            return Fetched((), head, more=False, ended=closed)

        limit = min(limit, self._limits.fetch_records)
        rows = self._storage.rows(log.number, cursor, head.seq, limit + 1)
        if not rows:
            return Failure(Status.EXPIRED, first=self._storage.first_seq(log))
        first = rows[0][0] & SEQ_MAX
        if after and first > cursor + 1 and self._storage.first_seq(log) > cursor:
            return Failure(Status.EXPIRED, first=first)
        records: list[Record] = []
        more = len(rows) > limit
        for row in rows[:limit]:
            entry, change = row[4], row[5]
            if own and row[3][:OWN] in own:
                row, entry = (*row[:4], None, *row[5:]), None
            cost = RECORD_COST + (len(entry) if entry else 0) + (len(change) if change else 0)
            if cost > budget.left:
                more = True
                break
            budget.left -= cost
            records.append(record_of(row))
        return Fetched(tuple(records), head, more=more, ended=closed and not more)

    # ----------------------------------------------------------------------- signals, ways, dropped logs

    def signal(self, signal: Signal) -> Answer:
        """Pass sealed bytes on to whoever watches; who may write may signal, a guest of an inbox may not."""
        if len(signal.body) > self._limits.signal_bytes:
            return Failure(Status.TOO_LARGE)
        log = self._storage.log(signal.log)
        if log is None:
            return DENIED
        writer = self._places.writer(log, signal.write)
        if isinstance(writer, Failure):
            return writer
        if writer is not None:
            return DENIED
        self.news.append(Signalling(log.number, signal.body))
        return Done()

    def routes(self, routes: Routes, now: int) -> Answer:
        """A few of the relay's ways, always the same for one inbox."""
        log = self._storage.log(routes.inbox)
        if log is None or log.kind != LogKind.INBOX or routes.admin.key not in log.admins:
            return DENIED
        if not proofs.verify_routes(routes.admin, self._identity.public, log.id):
            return DENIED
        ways = shown(self._identity.private, log.id, self._routes)
        return proofs.sign_route_list(self._identity.private, log.id, ways, now)

    def may_drop(self, log: Log, blob: bytes | None, proof: Proof) -> bool:
        """Whether an admin of the log signed that it, or a blob put to it, is to be dropped."""
        return proof.key in log.admins and proofs.verify_drop(proof, self._identity.public, log.id, blob)


def shown(identity_private: bytes, inbox: bytes, ways: tuple[str, ...]) -> tuple[str, ...]:
    """A few of a relay's ways for one inbox: the same each time, others for others."""
    if len(ways) <= ROUTES_SHOWN:
        return ways
    secret = prf(identity_private, "choose routes", inbox)
    few = set(sorted(ways, key=lambda way: prf(secret, "route", way.encode()))[:ROUTES_SHOWN])
    return tuple(way for way in ways if way in few)


def _pointed_to(entry: bytes) -> bytes | None:
    """The blob that an entry of kind POINTER names; None when there is no pointer in it."""
    try:
        return decode_pointer(decode_entry(entry).body).blob
    except WireError:
        return None

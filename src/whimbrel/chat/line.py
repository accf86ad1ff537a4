"""A line: one MLS group and the log under it, read strictly in order and written with one append under way.

It decides and changes MLS state; it does no I/O. Records and answers come in, events and appends go out as values.
What the entries say (messages, receipts…) is for `conversation`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

from whimbrel.chat.line_state import Flight, FlightKind, Joiner, LineState, Standing
from whimbrel.chat.rules import Refused, Seat, check_commit, may_post, roles_of, seat, seat_of, seats
from whimbrel.chat.troubles import text_of
from whimbrel.crypto import mls
from whimbrel.crypto.errors import CryptoError
from whimbrel.crypto.leaf import Roles, encode_roles
from whimbrel.crypto.payload import Payload, PayloadKind, decode_payload, encode_payload
from whimbrel.wire import chain, codec, proofs
from whimbrel.wire.answers import Answer, Appended, Failure, Fetched, Head, Record, Status
from whimbrel.wire.errors import WireError
from whimbrel.wire.operations import Append, Change, Entry, EntryKind, Pointer
from whimbrel.wire.purpose import prf, token_hash

POST_MAX = 56 * 1024
"""Bytes of a post's body at most: what fits an entry."""
SEEN = 64
"""Chain values kept to compare with what members say they saw."""
POINTER_MAX = 16 * 1024 * 1024
"""Bytes of an MLS message in a blob at most: the largest post has 5 MB. What is larger nobody fetches."""
HELD_MAX = 2_000
"""Records kept while a blob is on its way; what comes after them is asked for again."""
LANDED_MAX = 1_000
"""Own entries that the relay may leave unshown before nothing more is given to it."""
FOREIGN_AFTER_DEAF = 3
"""Entries of another epoch, after a commit that could not be opened here, that say: the others went on without us."""
FOREIGN_IN_A_ROW = 32
"""Entries of another epoch with nothing readable in between that say the same."""
LOCKED_OUT = 3
"""Times that the relay refuses what an admin writes, with nothing new to read, before the conversation moves."""


# ------------------------------------------------------------------------------------------ what is found


@dataclass(frozen=True, slots=True)
class Posted:
    """A member's post. `may_post`: what they say counts; else only what they react with, and what is no content."""

    account: bytes
    payload: Payload
    seq: int
    may_post: bool = True


@dataclass(frozen=True, slots=True)
class Committed:
    """The group changed: who did it, who came, who went, what the roles were and are."""

    by: bytes
    added: tuple[bytes, ...]
    removed: tuple[bytes, ...]
    before: Roles
    after: Roles
    seq: int
    again: tuple[bytes, ...] = ()
    """Accounts of which a device went and came again, or another in its place."""
    healed: bool = False
    """An own commit with an update path: our keys are new."""


@dataclass(frozen=True, slots=True)
class Landed:
    """An own append is on the relay's disk: these outbox rows are done with."""

    rows: tuple[int, ...]
    messages: tuple[bytes, ...]
    last: int


@dataclass(frozen=True, slots=True)
class LetIn:
    """An own commit was reached: now its joiners are told how things stand right after it."""

    welcome: bytes
    joiners: tuple[Joiner, ...]
    tree: bytes
    seq: int
    turn: int
    h: bytes
    n: int
    read: bytes
    write: bytes


@dataclass(frozen=True, slots=True)
class Removed:
    """This device is no member any more. `instead`: the devices of the same account that came in its place."""

    by: bytes
    instead: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignored:
    """An entry that no honest member would have written, or that this device cannot open. Nothing changed."""

    seq: int
    why: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something is wrong with the relay or with this home; said to the person, kept in `trouble`."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class ClaimLost:
    """The invite had been opened by somebody before."""


@dataclass(frozen=True, slots=True)
class Closed:
    """An admin closed the log: the conversation goes on elsewhere, as the move (an encoded letter) says."""

    by: bytes
    move: bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """The relay does not take what was under way. It waits and is tried again later. `missing`: blobs that it lacks."""

    kind: FlightKind
    rows: tuple[int, ...]
    missing: tuple[bytes, ...] = ()


LineEvent = Posted | Committed | Landed | LetIn | Removed | Ignored | Trouble | ClaimLost | Closed | Refusal


@dataclass(frozen=True, slots=True)
class Post:
    """Something to be posted: the outbox row it comes from, its payload, and blobs that must be whole before."""

    row: int
    kind: int
    body: bytes
    message: bytes | None = None
    needs: tuple[bytes, ...] = ()


# ------------------------------------------------------------------------------------------------ the line


class Line:
    """One generation of a conversation, on this device."""

    def __init__(
        self,
        state: LineState,
        load: Callable[[bytes], mls.Group],
        device_secret: bytes,
        me: bytes,
        pair: frozenset[bytes] | None,
    ) -> None:
        self.state = state
        self.caught_up = False
        """Read to the log's end since the program started: before that nothing is encrypted."""
        self.asked = False
        """The flight is with the link; after a start it has to be asked again."""
        self._load = load
        self._group: mls.Group | None = None
        self._device_secret = device_secret
        self._me = me
        self._pair = pair
        self._roster: tuple[Roles, list[Seat]] | None = None
        self.doubt = False
        """What the relay said does not fit: it must be asked where the log stands (`looked`)."""
        self.patience: dict[FlightKind, int] = {}
        """Until when (milliseconds) no such flight is given to the relay again, which refused the last one."""
        self.ahead = 0
        """The furthest seq that the relay told of when it refused an append."""
        self.looking = False
        """It is being asked where the log stands."""
        self.shown = (state.read, state.standing)
        """By which token, and whether, the log is watched as far as the link was told."""
        self.fetching = b""
        """The blob that was asked for last."""
        self._suspect: tuple[int, int] | None = None
        self._locked = 0
        self._held: deque[Record] = deque()
        self._end: Head | None = None
        self._blob: tuple[bytes, bytes | None] = (b"", None)
        self.wants: Pointer | None = None
        """The blob that must be fetched before reading goes on."""

    @property
    def is_idle(self) -> bool:
        """Nothing is under way, and nothing is to be done at a time."""
        state = self.state
        return not (state.flight or self.wants or state.closing or state.healing.planned)

    @property
    def group(self) -> mls.Group:
        if self._group is None:
            self._group = self._load(self.state.group)
        return self._group

    @property
    def has_roster(self) -> bool:
        """Whether roles and members are at hand without asking MLS."""
        return self._roster is not None

    @property
    def roles(self) -> Roles:
        return self._members()[0]

    @property
    def members(self) -> list[Seat]:
        return self._members()[1]

    def _members(self) -> tuple[Roles, list[Seat]]:
        if self._roster is None:
            self._roster = (roles_of(self.group), seats(self.group))
        return self._roster

    def accounts(self) -> list[bytes]:
        """The accounts in it, in the order of their leaves."""
        return list(dict.fromkeys(member.account for member in self.members))

    # -------------------------------------------------------------------------------------------- reading

    @property
    def known(self) -> int:
        """How far the log goes at least: what was read, what the relay told of, and what of ours it said to have."""
        return max(self.state.seq, self.ahead, *(seq for _, seq in self.state.landed))

    def read(self, fetched: Fetched, certain: bool = False) -> list[LineEvent]:
        """Apply records in the order of the log. `certain`: they were asked for from where reading stands, so a gap is
        the relay's; else something was lost on this side, and the rest is asked for."""
        last = self._held[-1].seq if self._held else self.state.seq
        fresh = [record for record in fetched.records if record.seq > last]
        room = HELD_MAX - len(self._held)
        if len(fresh) > room or (fresh and fresh[0].seq != last + 1 and not certain):
            self.doubt, self.caught_up, self._end = True, False, None
            fresh = fresh[:room] if fresh[0].seq == last + 1 else []
        else:
            self._end = None if fetched.more else fetched.head
            self.doubt = self.doubt or (fetched.head.seq < self.known and not fetched.ended)
        self._held += fresh
        return self._drain()

    def looked(self, read: bytes, seq: int, least: int, answer: Answer) -> list[LineEvent]:
        """The answer to a fetch with this token from `seq` on, asked when there was doubt. `least`: how far the log went
        then, by what the relay had said and shown before."""
        state = self.state
        if not self.looking or state.standing is not Standing.OPEN:
            return []
        self.looking, self.doubt = False, self.ahead > least
        if isinstance(answer, Fetched):
            # An old token shows the head as it was when the token ended, and may have been what we asked with.
            if answer.head.seq < (seq if answer.more or answer.ended else least):
                return [self._lose("behind")]
            if answer.records and answer.records[0].seq != seq + 1:
                return [self._lose("chain")]
            events = self.read(answer, certain=True)
            self.doubt = self.doubt or (answer.more and self.wants is None)
            return events
        if isinstance(answer, Failure) and (read, seq) == (state.read, state.seq):
            if answer.status is Status.DENIED:
                return [self._lose("denied")]
            if answer.status is Status.EXPIRED:
                return [self._lose("expired")]
        return []

    def supply(self, blob: bytes, data: bytes | None) -> list[LineEvent]:
        """The blob that an entry points to (None: the relay has it no more), so that reading goes on."""
        if self.wants is None or self.wants.blob != blob:
            return []
        self._blob, self.wants, self.fetching = (blob, data), None, b""
        return self._drain()

    def _drain(self) -> list[LineEvent]:
        events: list[LineEvent] = []
        while self._held and self.state.standing is not Standing.LOST:
            self.wants = self._lacks(self._held[0])
            if self.wants is not None:
                break
            events += self._record(self._held.popleft())
        end, state = self._end, self.state
        self.caught_up = not self._held and end is not None and max(end.seq, self.ahead) <= state.seq
        current = end is not None and end.seq == state.seq and state.standing is Standing.OPEN
        if current and end is not None and end.n > state.n and not self._held:
            state.n = end.n
            events.append(self._say("change"))
        return events

    def _lacks(self, record: Record) -> Pointer | None:
        """The blob without which this record cannot be applied."""
        if record.entry is None or self._is_own(record.id):
            return None
        pointer = pointer_of(record.entry)
        if pointer is None or pointer.size > POINTER_MAX or pointer.blob == self._blob[0]:
            return None
        return pointer

    def _record(self, record: Record) -> list[LineEvent]:
        state = self.state
        h = chain.step(state.h, record.seq, record.turn, record.advance, record.id, record.change)
        if record.seq != state.seq + 1 or record.turn != state.turn or h != record.h:
            return [self._lose("chain")]
        if state.landed and record.seq >= state.landed[0][1] and record.id != state.landed[0][0]:
            return [self._lose("shown")]
        events = self._entry(record)
        state.seq, state.h = record.seq, h
        state.turn += 1 if record.advance else 0
        state.seen = [*state.seen[-(SEEN - 1) :], (record.seq, h)]
        return events

    def _entry(self, record: Record) -> list[LineEvent]:
        if self._is_own(record.id):
            return self._own(record)
        if record.entry is None:
            if record.advance:  # perhaps a commit: without it nothing after it can be read
                return [self._lose("expired")]
            return self._after_change(record, [Ignored(record.seq, "expired")])
        try:
            entry = codec.decode_entry(record.entry)
        except WireError:
            return self._after_change(record, [Ignored(record.seq, "malformed")])
        if entry.own_tag == self.own_tag(self.state.sent):
            return [self._lose("copied")]
        gone = (
            entry.kind == EntryKind.POINTER and self._blob[1] is None and pointer_of(record.entry) is not None
        )
        body = self._body(entry, record.entry)
        if body is None and gone and record.advance:  # others may have had it, and followed it
            return [self._lose("blob")]
        if body is None:
            self.state.lost.deaf |= record.advance and entry.kind == EntryKind.POINTER
            return self._after_change(record, [Ignored(record.seq, "not for members, or not whole")])
        try:
            processed = self.group.process(body)
        except mls.MlsError as error:
            return self._after_change(
                record, [Ignored(record.seq, type(error).__name__), *self._deaf(record, error)]
            )
        self.state.lost.foreign = 0
        if processed.kind == "application":
            events = self._post(record, processed)
            if record.change is not None and isinstance(events[-1], Closed):
                self._count_change(record.change)
                return events
        elif processed.kind == "commit" and processed.commit is not None:
            events = self._commit(record, processed.sender, processed.commit)
            if events and isinstance(events[0], Committed | Removed):
                self.state.lost.deaf = False
                return events
        else:
            events = [Ignored(record.seq, processed.kind)]
        return self._after_change(record, events)

    def _deaf(self, record: Record, error: mls.MlsError) -> list[LineEvent]:
        """An MLS message that says nothing here. One may be anybody's mischief; many of another epoch, above all after a
        commit that could not be opened, say that the others went on and this device did not."""
        lost = self.state.lost
        if isinstance(error, mls.WrongEpoch):
            lost.foreign += 1
        elif record.advance and isinstance(error, mls.Invalid):
            lost.deaf, lost.foreign = True, 0
        if lost.foreign >= (FOREIGN_AFTER_DEAF if lost.deaf else FOREIGN_IN_A_ROW):
            return [self._lose("split")]
        return []

    def _body(self, entry: Entry, encoded: bytes) -> bytes | None:
        """The MLS message of an entry, from the entry itself or from the blob that it points to."""
        if entry.kind == EntryKind.MLS:
            return entry.body
        pointer = pointer_of(encoded)
        data, self._blob = self._blob[1], (b"", None)
        if (
            pointer is None
            or data is None
            or (len(data), sha256(data).digest()) != (pointer.size, pointer.hash)
        ):
            return None
        return data

    def _post(self, record: Record, processed: mls.Processed) -> list[LineEvent]:
        sender = next((m for m in self.members if m.index == processed.sender), None)
        if sender is None:
            return [Ignored(record.seq, "no leaf")]
        try:
            payload = decode_payload(processed.plaintext or b"")
        except CryptoError:
            return [Ignored(record.seq, "no payload")]
        speaks = may_post(self.roles, sender.account)
        posted: list[LineEvent] = [Posted(sender.account, payload, record.seq, speaks)]
        known = dict(self.state.seen).get(payload.seq)
        if known == payload.h and sender.account != self._me:
            self.state.confirmed = max(self.state.confirmed, payload.seq)
        if known not in (None, payload.h) and self.state.trouble != "fork":
            posted.append(self._say("fork"))
        if payload.kind == PayloadKind.MOVE and sender.account in self.roles.admins:
            posted.append(Closed(sender.account, payload.body))
        return posted

    def _commit(self, record: Record, sender: int, info: mls.CommitInfo) -> list[LineEvent]:
        before, members = self._members()
        try:
            if not record.advance:
                raise Refused("a commit that does not advance the turn")
            after = check_commit(before, members, sender, info, self._pair is not None)
        except Refused as refused:
            self.group.discard_staged()
            return [Ignored(record.seq, str(refused))]
        by = next(m.account for m in members if m.index == sender)
        gone = tuple(m.account for m in members if m.index in info.removes)
        if info.self_removed:
            instead = [seat(-1, a.signature_key, a.credential, a.leaf_extension) for a in info.adds]
            self.group.merge_staged()
            self.state.standing = Standing.CLOSED
            self.state.flight = None
            return [Removed(by, tuple(one.device for one in instead if one.account == self._me))]
        self.group.merge_staged()
        return self._new_epoch(record, by, before, members, gone, after)

    def _new_epoch(
        self,
        record: Record,
        by: bytes,
        before: Roles,
        members: Sequence[Seat],
        gone: tuple[bytes, ...],
        after: Roles,
        healed: bool = False,
    ) -> list[LineEvent]:
        """After the merge: who is there now, and the tokens, when a change came with it. `gone`: whose leaves went."""
        self._roster = None
        had, present = {m.account for m in members}, self.accounts()
        added = tuple(a for a in present if a not in had)
        removed = tuple(dict.fromkeys(a for a in gone if a not in present))
        again = tuple(dict.fromkeys(a for a in gone if a in present))
        committed = Committed(by, added, removed, before, after, record.seq, again, healed)
        wanted = bool(gone) or before.admins != after.admins
        if self._take_change(record, wanted):
            return [committed]
        return [committed, self._say("change")]

    def _take_change(self, record: Record, wanted: bool) -> bool:
        """Follow the change beside a commit. False: there is none where there must be, or it is another."""
        if record.change is None:
            return not wanted
        change = self._count_change(record.change)
        read, write = self.tokens(self.group.export)
        if change != derived_change(self.state.n, read, write, self.roles, self.members):
            return False
        self.state.read, self.state.write = read, write
        if self.state.trouble == "change":
            self.state.trouble = ""
        return True

    def _after_change(self, record: Record, events: list[LineEvent]) -> list[LineEvent]:
        """A change beside an entry that honest members do not follow: the relay's locks are no longer ours."""
        if record.change is None:
            return events
        self._count_change(record.change)
        return [*events, self._say("change")]

    def _count_change(self, encoded: bytes) -> Change | None:
        """The change, and its number noted; None when it is none."""
        try:
            change = codec.decode_signed_change(encoded).change
        except WireError:
            return None
        self.state.n = max(self.state.n, change.n)
        return change

    # ---------------------------------------------------------------------------------------- own entries

    def _is_own(self, id: bytes) -> bool:
        flight = self.state.flight
        if flight is not None and id in flight.ids:
            return True
        return any(id == landed for landed, _ in self.state.landed)

    def _own(self, record: Record) -> list[LineEvent]:
        """An own entry read back. MLS cannot open it; it is known by its id."""
        state, events = self.state, list[LineEvent]()
        flight = state.flight
        if flight is not None and record.id in flight.ids:
            if flight.kind is FlightKind.COMMIT:
                return self._own_commit(record, flight)
            events += self._land(flight, record.seq - flight.ids.index(record.id))
            if flight.kind is FlightKind.CLOSE:
                return events
        state.landed = [landed for landed in state.landed if landed[0] != record.id]
        return self._after_change(record, events)

    def _own_commit(self, record: Record, flight: Flight) -> list[LineEvent]:
        if not record.advance or not self.group.has_pending_commit:
            return [self._lose("chain")]
        before, members = self._members()
        self.group.merge_pending()
        self._roster = None
        present = {(m.account, m.device, m.leaf.log_key) for m in self.members}
        own = (self._me, self.own_device)
        gone = tuple(
            m.account
            for m in members
            if (m.account, m.device, m.leaf.log_key) not in present and (m.account, m.device) != own
        )
        healed = not flight.joiners or bool(gone)
        events: list[LineEvent] = [
            *self._land(flight, record.seq),
            *self._new_epoch(record, self._me, before, members, gone, self.roles, healed),
        ]
        self.state.landed.clear()
        if flight.welcome is not None:
            state, tree = self.state, self.group.tree()
            at = (record.seq, state.turn + 1, record.h, state.n, state.read, state.write)
            events.append(LetIn(flight.welcome, flight.joiners, tree, *at))
        return events

    @property
    def own_device(self) -> bytes:
        """The device whose leaf is ours: this one, unless it came back as a new one since."""
        index = self.group.own_index
        return next((m.device for m in self.members if m.index == index), b"")

    def _land(self, flight: Flight, first: int) -> list[LineEvent]:
        """The flight is in the log: once, whether the answer or the record came first."""
        state = self.state
        state.flight, self.asked, self._locked = None, False, 0
        state.sent += len(flight.ids)
        if flight.kind is FlightKind.CLOSE:
            state.standing, state.closing = Standing.CLOSED, b""
            return []
        state.landed += [(id, first + i) for i, id in enumerate(flight.ids)]
        return [Landed(flight.rows, flight.messages, first + len(flight.ids) - 1)]

    def answered(self, first_id: bytes, answer: Answer) -> list[LineEvent]:
        """The answer to the append that carried `first_id`. One that is not under way any more changes nothing."""
        state, flight = self.state, self.state.flight
        if flight is None or flight.ids[0] != first_id:
            return []
        self.asked = False
        if isinstance(answer, Appended):
            if flight.kind is FlightKind.COMMIT:
                self.asked = True  # merged when the reader reaches it, not before
                self.ahead = max(self.ahead, answer.last)  # a relay that then shows less has lost it
                return []
            if flight.kind is FlightKind.CLAIM:
                return self._claimed(flight, answer)
            if answer.first <= state.seq or answer.last - answer.first != len(flight.ids) - 1:
                return [self._lose("chain")]
            return self._land(flight, answer.first)
        if not isinstance(answer, Failure):
            return [Refusal(flight.kind, flight.rows)]
        if flight.kind is FlightKind.CLAIM:
            return self._claim_refused(flight, answer)
        self.give_up_flight()
        head = answer.head if answer.status is Status.WRONG_TURN else None
        if head is not None and self._is_behind(head, turn_of(flight)):
            return []
        if answer.status in (Status.DENIED, Status.WRONG_TURN):
            self.doubt, self.caught_up = True, False
            known, self._suspect = self._suspect, (state.seq, state.n)
            if known != self._suspect:  # there may be something to read that explains it
                return []
            self._locked += 1
            if self._locked >= LOCKED_OUT and self._me in self.roles.admins:
                return [self._lose("locked")]
            said = self._say("locked")
        elif answer.status is Status.BUSY:  # more advances than a member may make: it waits
            return [Refusal(flight.kind, flight.rows)]
        else:
            said = self._say(answer.status.name.lower())
        return [Refusal(flight.kind, flight.rows, answer.missing), said]

    def _is_behind(self, head: Head, turn: int) -> bool:
        """Whether an append for a turn came too late: there is more to read, or it was read since."""
        if head.turn <= turn:
            return False
        if head.seq > self.state.seq:
            self.doubt, self.caught_up = True, False
            self.ahead = max(self.ahead, head.seq)
            return True
        return self.state.turn > turn

    def _claim_refused(self, flight: Flight, answer: Failure) -> list[LineEvent]:
        """Somebody was faster, or the relay does not take anything now: then the same claim is made again later."""
        if answer.status in (Status.WRONG_TURN, Status.DENIED):
            self.state.standing = Standing.CLOSED
            self.state.flight = None
            return [ClaimLost()]
        said = self._say(answer.status.name.lower())
        return [Refusal(flight.kind, flight.rows), said]

    def _claimed(self, flight: Flight, answer: Appended) -> list[LineEvent]:
        """Our claim of a ready log holds: from here on it is this group's."""
        state = self.state
        append = codec.decode_operation(flight.operation)
        assert isinstance(append, Append)
        assert append.change is not None
        change = codec.encode_signed_change(append.change)
        h = chain.step(state.h, 1, 0, True, flight.ids[0], change)
        if (answer.first, answer.turn, answer.h) != (1, 1, h):
            return [self._lose("chain")]
        state.seq, state.turn, state.h, state.n = 1, 1, h, 1
        state.standing = Standing.OPEN
        self.caught_up = True  # the log ends with what was said just now
        events = self._land(flight, 1)
        state.landed.clear()
        return events

    def give_up_flight(self) -> None:
        """Forget what is under way; what it carried waits in the outbox and is encrypted anew, here or elsewhere."""
        flight = self.state.flight
        if flight is not None and flight.kind is FlightKind.COMMIT and self.group.has_pending_commit:
            self.group.clear_pending()
        self.state.flight, self.asked = None, False

    # -------------------------------------------------------------------------------------------- writing

    def may_write(self) -> bool:
        return (
            self.state.standing is Standing.OPEN
            and self.caught_up
            and self.state.flight is None
            and len(self.state.landed) < LANDED_MAX
            and not self.group.has_pending_commit
        )

    def post(self, posts: Sequence[Post], blob: bytes) -> None:
        """Encrypt these posts into one append and let it fly.

        `blob`: a fresh id, used when a post is too large for an entry; such a one flies alone.
        """
        entries: list[bytes] = []
        blobs: tuple[tuple[bytes, bytes], ...] = ()
        for post in posts:
            payload = Payload(post.kind, self.state.seq, self.state.h, post.body)
            body = self.group.encrypt(encode_payload(payload))
            entry, blobs = self._pack_entry(body, blob, len(entries))
            entries.append(entry)
        needs = tuple(dict.fromkeys([id for id, _ in blobs] + [need for p in posts for need in p.needs]))
        append = Append(self.state.log, self.state.write, self.state.turn, tuple(entries), needs=needs)
        messages = tuple(post.message for post in posts if post.message is not None)
        self._fly(FlightKind.POSTS, append, tuple(post.row for post in posts), messages, blobs=blobs)

    def _pack_entry(
        self, body: bytes, blob: bytes, count: int
    ) -> tuple[bytes, tuple[tuple[bytes, bytes], ...]]:
        """The entry for an MLS message, and the blob beside it when it does not fit."""
        tag = self.own_tag(self.state.sent + count)
        if len(body) <= POST_MAX:
            return codec.encode_entry(Entry(EntryKind.MLS, tag, body)), ()
        if len(body) > POINTER_MAX:
            raise Refused("it is too large for one message")
        pointer = codec.encode_pointer(Pointer(blob, len(body), sha256(body).digest()))
        return codec.encode_entry(Entry(EntryKind.POINTER, tag, pointer)), ((blob, body),)

    def commit(
        self,
        rows: tuple[int, ...],
        blob: bytes,
        joiners: tuple[Joiner, ...] = (),
        removes: Sequence[bytes] = (),
        roles: Roles | None = None,
        update: bool = False,
        devices: Sequence[bytes] = (),
        relock: bool = False,
        leaf: bytes | None = None,
        beside: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        """Make one commit of all this and let it fly, with the change that must stand beside it.

        `removes` are accounts, `devices` single devices. `relock`: a change though nothing calls for one. `leaf`: our leaf
        extension from now on. `beside`: blobs (id, sealed bytes) that must be whole before, and live as long.
        """
        before = self.roles
        leaving = [m.index for m in self.members if m.account in set(removes) or m.device in set(devices)]
        after = roles or before
        body, welcome = self.group.commit(
            [joiner.key_package for joiner in joiners],
            leaving,
            encode_roles(roles) if roles is not None else None,
            update or leaf is not None,
            leaf,
        )
        entry, blobs = self._pack_entry(body, blob, 0)
        blobs += beside
        append = Append(
            self.state.log,
            self.state.write,
            self.state.turn,
            (entry,),
            advance=True,
            needs=tuple(id for id, _ in blobs),
        )
        if leaving or relock or after.admins != before.admins:
            read, write = self.tokens(self.group.pending_export)
            staying = [m for m in self.members if m.index not in leaving]
            staying += [seat_of(joiner.key_package) for joiner in joiners]
            change = derived_change(self.state.n + 1, read, write, after, staying)
            signed = proofs.sign_change(change, self.state.log_key, self.state.relay, self.state.log)
            append = replace(append, change=signed)
        if self._me in before.admins:
            proof = proofs.append_proof(self.state.log_key, self.state.relay, append)
            append = replace(append, admin=proof)
        codec.decode_operation(codec.encode_operation(append))  # what no relay would take is found out here
        self._fly(FlightKind.COMMIT, append, rows, (), welcome, joiners, blobs)

    def close(self, lock: bytes) -> None:
        """Let the last entry of this log fly: where the conversation moved. `lock`: 32 random bytes, the hash of no token."""
        state = self.state
        body = self.group.encrypt(
            encode_payload(Payload(PayloadKind.MOVE, state.seq, state.h, state.closing))
        )
        entry = codec.encode_entry(Entry(EntryKind.MLS, self.own_tag(state.sent), body))
        change = Change(state.n + 1, write_hash=lock)
        signed = proofs.sign_change(change, state.log_key, state.relay, state.log)
        append = Append(state.log, state.write, state.turn, (entry,), change=signed)
        proof = proofs.append_proof(state.log_key, state.relay, append)
        self._fly(FlightKind.CLOSE, replace(append, admin=proof), (), ())

    def claim(self, append: Append) -> None:
        """Let the claim of a ready log fly."""
        self._fly(FlightKind.CLAIM, append, (), ())

    def _fly(
        self,
        kind: FlightKind,
        append: Append,
        rows: tuple[int, ...],
        messages: tuple[bytes, ...],
        welcome: bytes | None = None,
        joiners: tuple[Joiner, ...] = (),
        blobs: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        ids = tuple(codec.entry_id(entry) for entry in append.entries)
        operation = codec.encode_operation(append)
        self.state.flight = Flight(kind, operation, ids, rows, messages, welcome, joiners, blobs)

    # ------------------------------------------------------------------------------------ what is derived

    def own_tag(self, count: int) -> bytes:
        """The tag of this device's entry number `count` in this log: 16 bytes, meaningless to others."""
        return own_tag(self._device_secret, self.state.log, count)

    def tokens(self, export: Callable[[str, bytes, int], bytes]) -> tuple[bytes, bytes]:
        """Read and write token of an epoch."""
        return epoch_tokens(self.state.group, export)

    # --------------------------------------------------------------------------------------------- trouble

    def _say(self, code: str) -> Trouble:
        self.state.trouble = code
        return Trouble(code, text_of(code))

    def _lose(self, code: str) -> Trouble:
        self.lose(code)
        return Trouble(code, text_of(code))

    def lose(self, code: str) -> None:
        """This line does not go on as it is: what waits to leave here waits for a way back (`ways_back`)."""
        self.give_up_flight()
        self.state.standing, self.state.trouble, self.caught_up = Standing.LOST, code, False


def pointer_of(encoded: bytes) -> Pointer | None:
    """What an encoded entry points to, when it is a pointer that makes sense."""
    try:
        entry = codec.decode_entry(encoded)
        return codec.decode_pointer(entry.body) if entry.kind == EntryKind.POINTER else None
    except WireError:
        return None


def turn_of(flight: Flight) -> int:
    """The turn that an append under way is for."""
    append = codec.decode_operation(flight.operation)
    assert isinstance(append, Append)
    return append.turn


def own_tag(device_secret: bytes, log: bytes, count: int) -> bytes:
    return prf(device_secret, "own tag", log, count.to_bytes(8, "big"))[:16]


def epoch_tokens(group: bytes, export: Callable[[str, bytes, int], bytes]) -> tuple[bytes, bytes]:
    """Read and write token from an epoch's exporter (RFC 9420 §8.5), bound to the group."""
    return export("whimbrel/1 read", group, 32), export("whimbrel/1 write", group, 32)


def log_admins(roles: Roles, members: Sequence[Seat]) -> tuple[bytes, ...]:
    """The relay's admins of a log: the log keys of the leaves of admin accounts, sorted."""
    return tuple(sorted({m.leaf.log_key for m in members if m.account in roles.admins}))


def derived_change(n: int, read: bytes, write: bytes, roles: Roles, members: Sequence[Seat]) -> Change:
    """The change that all members derive for a new set of tokens and admins."""
    return Change(n, token_hash(read), token_hash(write), log_admins(roles, members))

"""A conversation: what people see as one chat, over one or more lines.

It turns what its lines find into messages, receipts and events to remember, and what waits in its outbox into posts
and commits. How a line reads and writes is in `line`; who may do what is in `rules`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any, Protocol

from whimbrel.chat import attachments, composing, content
from whimbrel.chat.composing import Act
from whimbrel.chat.deeds import Deeds
from whimbrel.chat.effects import Desk, Effects, Watching
from whimbrel.chat.extensions import is_forwarded, mentions_of, pack_mentions
from whimbrel.chat.glance import Glance
from whimbrel.chat.healing import is_due
from whimbrel.chat.identity import Chance, Identity
from whimbrel.chat.line import (
    ClaimLost,
    Closed,
    Committed,
    Ignored,
    Landed,
    LetIn,
    Line,
    LineEvent,
    Post,
    Posted,
    Refusal,
    Removed,
    Trouble,
)
from whimbrel.chat.line_state import FlightKind, Healing, Joiner, LineState, Standing
from whimbrel.chat.outbox import LONGEST_WAIT, Outbox, has_come
from whimbrel.chat.receipts_report import MessageStatus, decode_report, encode_report
from whimbrel.chat.records import (
    AddMessage,
    AddOutbox,
    BeginVanishing,
    ChatKind,
    ChatRow,
    DropOutbox,
    MessageRow,
    OutboxRow,
    PutChat,
    PutDeed,
    PutReceipt,
    ReceiptRow,
    ReceiptState,
    SetMessageSeq,
    SetMessageState,
)
from whimbrel.chat.rules import Refused, check_looks, may_add, may_change, may_post, seat_of
from whimbrel.crypto import mls
from whimbrel.crypto.errors import CryptoError
from whimbrel.crypto.files import seal_whole
from whimbrel.crypto.leaf import LeafExtension, Picture, Roles
from whimbrel.crypto.payload import PayloadKind, decode_key_packages, encode_ways
from whimbrel.wire import cbor, codec
from whimbrel.wire.answers import Answer, Failure, Fetched, Status
from whimbrel.wire.asking import NEEDS_MAX
from whimbrel.wire.errors import WireError
from whimbrel.wire.operations import CHUNK, SEALED_CHUNK, Fetch, Get, Put

RELOCK_STEP = 10_000
"""Milliseconds that the second admin waits for the first to lock a log anew, and so on."""
RECEIPTS_UP_TO = 20
"""Members above which nobody sends receipts: they grow with the square."""
RECEIPTS_WAIT = 2_000
"""Milliseconds that receipts wait for more of their kind."""
RECEIPTS_AT_ONCE = 1_000
"""Messages in one report: 40 KB, so that it fits an entry."""
CLOSED_KEPT = 4
"""Lines that are over and still remembered."""
POSTS_AT_ONCE = 32
"""Posts encrypted into one append at most."""
BYTES_AT_ONCE = 192 * 1024
"""How much is encrypted into one append, about."""
FAR = 1 << 62
"""A time by which everything is due."""
PATIENCE = LONGEST_WAIT
"""Milliseconds before what a full relay refused is tried again."""

RECEIPTS: dict[int, ReceiptState] = {MessageStatus.DELIVERED: "delivered", MessageStatus.READ: "read"}

LOOKS = frozenset(("name", "timer", "picture"))
"""What everybody may change where the group says so."""

POSTS = {
    "content": PayloadKind.CONTENT,
    "receipts": PayloadKind.RECEIPTS,
    "stock": PayloadKind.KEY_PACKAGES,
    "left": PayloadKind.LEFT,
    "pass-on": PayloadKind.RE_ADD,
    "card": PayloadKind.CARD,
    "ways": PayloadKind.WAYS,
}
"""The outbox kinds that are posted; all others are commits."""


_STANDING = (Standing.FOUNDING, Standing.OPEN)


class Surroundings(Protocol):
    """What a conversation needs of the account around it."""

    identity: Identity
    desk: Desk
    chance: Chance
    fetch_up_to: int
    company: Mapping[bytes, int]

    def load_group(self, group: bytes) -> mls.Group: ...
    def next_n(self) -> int: ...
    def let_in(self, chat: Conversation, line: Line, let_in: LetIn, now: int, fx: Effects) -> None: ...
    def take_stock(self, account: bytes, packages: Sequence[bytes], fx: Effects) -> None: ...
    def met(self, chat: Conversation, line: Line, fx: Effects, anew: Sequence[bytes] = ()) -> None: ...
    def asked_again(self, chat: Conversation, by: bytes, request: bytes, now: int, fx: Effects) -> None: ...
    def moved_on(self, chat: Conversation, line: Line, closed: Closed, now: int, fx: Effects) -> None: ...
    def replaced(self, chat: Conversation, line: Line, removed: Removed, now: int, fx: Effects) -> None: ...
    def is_blocked(self, account: bytes) -> bool: ...
    def looks(self, chat: Conversation, line: Line, fx: Effects) -> None: ...
    def own_card(self) -> bytes: ...
    def ways_told(self, account: bytes) -> bytes: ...
    def heard_ways(self, chat: Conversation, account: bytes, body: bytes, seq: int, fx: Effects) -> None: ...
    def picture(self, id: bytes) -> bytes | None: ...
    def own_leaf(self, before: LeafExtension) -> bytes: ...
    def heard_card(
        self, chat: Conversation, line: Line, account: bytes, body: bytes, seq: int, now: int, fx: Effects
    ) -> None: ...


class Conversation:
    """One chat of this account."""

    def __init__(
        self, around: Surroundings, id: bytes, kind: ChatKind, name: str, peer: bytes | None = None
    ) -> None:
        self.around = around
        self.id = id
        self.kind: ChatKind = kind
        self.name = name
        self.peer = peer
        """In a conversation of two: the other account."""
        self.left = False
        self.hidden = False
        self.lines: list[Line] = []
        self.outbox = Outbox()
        self.let_in_again: list[tuple[bytes, bytes, int]] = []
        """Requests to be let in again that were granted: hash of the key package, the device that went, when."""
        self.leaving: list[bytes] = []
        """Who said goodbye and was not removed yet. Whoever is an admin by then removes them."""
        self.picture_kept = 0
        """When we last kept the group's picture alive (milliseconds)."""
        self._glance: Glance | None = None
        self._kept: Glance | None = None

    # -------------------------------------------------------------------------------------- remembering

    def save(self) -> PutChat:
        again = [list(one) for one in self.let_in_again]
        lines = [line.state.pack() for line in self.lines]
        self._kept = glance = self._look_again(self.line or self.latest)
        noted = glance and glance.pack()
        state: list[Any] = [1, self.peer, self.left, lines, again, self.leaving, noted, self.picture_kept]
        return PutChat(ChatRow(self.id, self.kind, self.name, cbor.encode(state), hidden=self.hidden))

    @staticmethod
    def restore(around: Surroundings, row: ChatRow) -> Conversation:
        _, peer, left, lines, *later = cbor.decode(row.state)
        missing: list[Any] = [(), (), None, 0]  # the first homes did not have them yet
        again, leaving, glance, kept = later + missing[len(later) :]
        chat = Conversation(around, row.id, row.kind, row.name, peer)
        chat.left, chat.hidden = left, row.hidden
        chat.let_in_again = [(package, device, at) for package, device, at in again]
        chat.leaving = list(leaving)
        chat._kept = chat._glance = Glance.unpack(glance) if glance else None
        chat.picture_kept = kept
        for packed in lines:
            chat.lines.append(chat._line(LineState.unpack(packed)))
        return chat

    def _line(self, state: LineState) -> Line:
        identity = self.around.identity
        pair = frozenset((identity.account, self.peer)) if self.peer is not None else None
        return Line(state, self.around.load_group, identity.device_secret, identity.account, pair)

    # ------------------------------------------------------------------------------------------- lines

    @property
    def line(self) -> Line | None:
        """The line that is written to: of those that stand the highest generation, then the lower log id."""
        if len(self.lines) == 1:  # nearly always, and it is asked for often
            only = self.lines[0]
            return only if only.state.standing in _STANDING else None
        standing = [line for line in self.lines if line.state.standing in _STANDING]
        return min(standing, key=lambda line: (-line.state.generation, line.state.log), default=None)

    @property
    def latest(self) -> Line | None:
        """The newest line that we were ever in, whether it can be written to or not."""
        known = [line for line in self.lines if line.state.standing is not Standing.OFFERED]
        return min(known, key=lambda line: (-line.state.generation, line.state.log), default=None)

    @property
    def offered(self) -> Line | None:
        """Where the conversation would go on, once the person agrees."""
        if len(self.lines) == 1:
            only = self.lines[0]
            return only if only.state.standing is Standing.OFFERED else None
        lines = [line for line in self.lines if line.state.standing is Standing.OFFERED]
        return min(lines, key=lambda line: (-line.state.generation, line.state.log), default=None)

    @property
    def lost(self) -> Line | None:
        """The newest line, when it is lost: then a way back is due (`ways_back`), unless one stands open already."""
        for line in self.lines:
            if line.state.standing is Standing.LOST:
                over = self.left or line is not self.latest or self.offered is not None
                return None if over else line
        return None

    @property
    def is_copied(self) -> bool:
        """A line shows that another copy of this home writes, and nothing was done about it yet."""
        line = self.lost
        if line is None or line.state.trouble != "copied":
            return False
        return line.own_device == self.around.identity.device

    def begin_anew(self) -> None:
        """The account has a new device: no line of the old one goes on."""
        for line in self.lines:
            if line.state.standing in (Standing.OPEN, Standing.FOUNDING, Standing.OFFERED):
                line.state.standing, line.state.trouble = Standing.LOST, "copied"
            line.state.flight, line.state.sent = None, 0
        self.lines = [self._line(line.state) for line in self.lines]

    def line_on(self, log: bytes) -> Line | None:
        return next((line for line in self.lines if line.state.log == log), None)

    def add_line(self, state: LineState) -> Line:
        """A line more. On a log that had one already (left, and let in again) it takes that one's place."""
        before = self.line_on(state.log)
        if before is not None:
            state.sent = before.state.sent
            self.lines.remove(before)
        line = self._line(state)
        self.lines.append(line)
        over = [line for line in self.lines if line.state.standing is Standing.CLOSED]
        for old in over[:-CLOSED_KEPT]:
            self.lines.remove(old)
        self.left = False
        return line

    def next_generation(self, now: int) -> int:
        last = max((line.state.generation for line in self.lines), default=0)
        return max(last + 1, now // 1000)

    def watching(self) -> list[Watching]:
        """The logs to be watched for this conversation."""
        return [
            Watching(s.relay, s.log, s.read, s.seq)
            for s in (line.state for line in self.lines)
            if s.standing is Standing.OPEN
        ]

    def accounts(self) -> list[bytes]:
        line = self.line or self.latest
        return line.accounts() if line is not None else []

    @property
    def remembered(self) -> Glance | None:
        """What is known of members, rights and looks without asking MLS; it may be of an earlier turn."""
        return self._glance

    def glance(self) -> Glance | None:
        """Members, rights and the like of the line that counts; from memory where it holds, else MLS is asked. None: there is
        no line."""
        line = self.line or self.latest
        known = self._glance
        if line is not None and known is not None and known.holds_for(line):
            return known
        known = self._look_again(line)
        if line is None or (known is not None and known.holds_for(line)):
            return known
        try:
            self._glance = Glance.of(line, self.around.identity.account)
        except CryptoError:  # nothing is kept of its group: what was known last is all that will ever be
            self._glance = (known or Glance.of_nobody()).as_of(line)
        return self._glance

    @property
    def is_glanced(self) -> bool:
        """Whether what was saved last is enough for `glance`, also after a start."""
        line = self.line or self.latest
        return line is None or (self._kept is not None and self._kept.holds_for(line))

    def _look_again(self, line: Line | None) -> Glance | None:
        known = self._glance is not None and line is not None and self._glance.holds_for(line)
        if line is not None and line.has_roster and not known:
            self._glance = Glance.of(line, self.around.identity.account)
        return self._glance

    @property
    def timer(self) -> int:
        """Seconds after reading until messages that are sent now vanish; 0: they stay."""
        line = self.line or self.latest
        return line.roles.timer if line is not None else 0

    def deeds(self, fx: Effects) -> Deeds:
        """What was done to messages here."""
        return Deeds(self.id, self.around.identity.account, self.around.desk, fx)

    # ----------------------------------------------------------------------------------------- reading

    def records(self, line: Line, fetched: Fetched, now: int, fx: Effects) -> None:
        """What the relay has of a line's log after the last record read."""
        self._take(line, line.read(fetched), now, fx)

    def blob(self, line: Line, blob: bytes, data: bytes | None, now: int, fx: Effects) -> None:
        """A blob that an entry points to has come (or is gone)."""
        self._take(line, line.supply(blob, data), now, fx)

    def looked(
        self, line: Line, read: bytes, seq: int, least: int, answer: Answer, now: int, fx: Effects
    ) -> None:
        """Where the log stands, asked when there was doubt."""
        self._take(line, line.looked(read, seq, least, answer), now, fx)

    def _ask_further(self, line: Line, fx: Effects) -> None:
        """Ask for what reading needs before it goes on: a blob, or where the log stands."""
        state = line.state
        if line.wants is not None:
            if line.wants.blob != line.fetching:
                line.fetching = line.wants.blob
                fx.ask(
                    state.relay, Get(line.wants.blob, 0), "pointer", self.id, state.log, line.wants.blob, []
                )
        elif line.doubt and not line.looking and state.standing is Standing.OPEN:
            line.looking = True
            fetch = Fetch(state.log, state.read, state.seq)
            fx.ask(state.relay, fetch, "look", self.id, state.log, state.read, state.seq, line.known)

    def _take(self, line: Line, events: Sequence[LineEvent], now: int, fx: Effects) -> None:
        delivered: list[bytes] = []
        for event in events:
            match event:
                case Posted():
                    self._posted(line, event, delivered, now, fx)
                case Committed():
                    line.patience.clear()
                    self._committed(line, event, now, fx)
                case Landed():
                    self._landed(line, event, now, fx)
                case LetIn():
                    self.around.let_in(self, line, event, now, fx)
                case Removed() if event.instead:
                    self.around.replaced(self, line, event, now, fx)
                case Removed():
                    self.note(line, "removed", event.by, [self.around.identity.account], now, fx)
                    if self.line is None:
                        self._give_up("You are not a member any more.", fx)
                case Closed():
                    self.around.moved_on(self, line, event, now, fx)
                case ClaimLost():
                    fx.tell("claim-lost", chat=self.id)
                case Refusal():
                    self._refused(line, event, now, fx)
                case Trouble():
                    self._in_trouble(line, event, now, fx)
                case Ignored():
                    fx.tell("ignored", chat=self.id, seq=event.seq, why=event.why)
        if delivered:
            self.receipts(delivered, MessageStatus.DELIVERED, now, fx)
        shown = (line.state.read, line.state.standing)
        if line.shown != shown:
            line.shown, fx.watch_changed = shown, True
        self._ask_further(line, fx)
        fx.save(self.save())

    @property
    def is_blocked(self) -> bool:
        """A conversation of two with somebody who is blocked."""
        return self.peer is not None and self.around.is_blocked(self.peer)

    def _posted(self, line: Line, event: Posted, delivered: list[bytes], now: int, fx: Effects) -> None:
        payload = event.payload
        if payload.kind == PayloadKind.CONTENT:
            if not (self.is_blocked and event.account == self.peer):
                self._message(event, delivered, now, fx)
        elif payload.kind == PayloadKind.CARD:
            self.around.heard_card(self, line, event.account, payload.body, event.seq, now, fx)
        elif payload.kind == PayloadKind.RECEIPTS:
            self._receipts(event, now, fx)
        elif payload.kind == PayloadKind.KEY_PACKAGES and event.account == self.peer:
            self._stock(event, fx)
        elif payload.kind == PayloadKind.WAYS:
            self.around.heard_ways(self, event.account, payload.body, event.seq, fx)
        elif payload.kind == PayloadKind.LEFT:
            self._has_left(event, now, fx)
        elif payload.kind == PayloadKind.RE_ADD:
            self.around.asked_again(self, event.account, payload.body, now, fx)

    def _message(self, event: Posted, delivered: list[bytes], now: int, fx: Effects) -> None:
        body = event.payload.body
        try:
            value = content.decode(body)
            id = composing.id_of(body, event.account, self.id)
        except content.ContentError as error:
            fx.tell("ignored", chat=self.id, seq=event.seq, why=str(error))
            return
        if not event.may_post and not composing.is_reaction(value):
            fx.tell("ignored", chat=self.id, seq=event.seq, why="a post where only admins may write")
            return
        if composing.act_of(value) is not Act.SAY:
            why = self.deeds(fx).read(id, body, value, event.account, event.seq, now)
            if why is not None:
                fx.tell("ignored", chat=self.id, seq=event.seq, why=why)
            return
        fx.save(AddMessage(self._as_row(id, body, value, event, now)))
        files = composing.attachments_of(value)
        deeds = self.deeds(fx)
        # Of one that came before, files may be here already; of one that is gone, none are wanted.
        if files and self.around.desk.message(id) is None and not deeds.is_gone(id):
            fx.save(*attachments.offered(id, self.id, files, self.around.fetch_up_to))
        if deeds.to(id):
            deeds.settle(id, now)
        delivered.append(id)

    def _as_row(
        self, id: bytes, body: bytes, value: content.MimiContent, event: Posted, now: int
    ) -> MessageRow:
        """A message of a member as it is remembered."""
        said, expires = composing.sent_at(value), value.expires
        text = composing.text_of(value)
        mentions = mentions_of(value, text)
        return MessageRow(
            id,
            self.id,
            event.account,
            False,
            min(said, now) if said else now,
            text,
            body,
            "delivered",
            reply_to=value.in_reply_to,
            seq=event.seq,
            forwarded=is_forwarded(value),
            newer=not composing.shows_all(value),
            mentions=pack_mentions(mentions),
            mentions_me=any(one.account == self.around.identity.account for one in mentions),
            expires=expires.time or None if expires is not None and expires.relative else None,
            vanishes=expires.time * 1000 if expires is not None and not expires.relative else None,
        )

    def _stock(self, event: Posted, fx: Effects) -> None:
        try:
            self.around.take_stock(event.account, decode_key_packages(event.payload.body), fx)
        except CryptoError as error:
            fx.tell("ignored", chat=self.id, seq=event.seq, why=str(error))

    def superseded(self, before: Line | None, fx: Effects) -> None:
        """A new line is there: if it took over, what of ours nobody is known to have is offered again there.

        Known to have it: by a receipt, or because a member saw the same history up to there. Who has it twice shows it once.
        """
        line = self.line
        if before is None or line is before or line is None:
            return
        for message in self.around.desk.undelivered(self.id):
            if message.seq <= before.state.confirmed:
                fx.save(SetMessageState(message.id, "delivered"))
            elif all(row.message != message.id for row in self.outbox):
                files = composing.attachments_of(content.decode(message.content))
                needs = [file.blob for file in files if file.relay == line.state.relay]
                self.put(OutboxRow(self.id, "content", cbor.encode([message.content, needs]), message.id), fx)
        for deed in self.around.desk.own_deeds(self.id):
            if deed.state == "sent" and deed.seq <= before.state.confirmed:
                fx.save(PutDeed(replace(deed, state="delivered")))
            elif all(row.message != deed.id for row in self.outbox):
                self.put(OutboxRow(self.id, "content", cbor.encode([deed.content, []]), deed.id), fx)

    def _receipts(self, event: Posted, now: int, fx: Effects) -> None:
        try:
            report = decode_report(event.payload.body)
        except content.ContentError:
            return
        for id, status in report:
            state = RECEIPTS.get(status)
            message = self.around.desk.message(id) if state is not None else None
            if state is None or message is None or not message.mine or message.chat != self.id:
                continue
            fx.save(PutReceipt(ReceiptRow(id, event.account, state, now)), SetMessageState(id, state))

    def _has_left(self, event: Posted, now: int, fx: Effects) -> None:
        line = self.line
        if line is None:
            return
        self.note(line, "left", event.account, [event.account], now, fx, seq=event.seq)
        if self.kind == "group" and event.account not in self.leaving:
            self.leaving.append(event.account)
            self._let_go(line, fx)

    def _let_go(self, line: Line, fx: Effects) -> None:
        """An admin removes those who said goodbye."""
        if not self.leaving or self.around.identity.account not in line.roles.admins:
            return
        waiting = [
            account for row in self.outbox if row.kind == "let-go" for account in cbor.decode(row.body)
        ]
        if going := [account for account in self.leaving if account not in waiting]:
            self.put(OutboxRow(self.id, "let-go", cbor.encode(going)), fx)

    def _committed(self, line: Line, event: Committed, now: int, fx: Effects) -> None:
        if event.healed and event.by == self.around.identity.account:
            line.state.healing = Healing(at=now)
        if event.added:
            self.note(line, "joined", event.by, event.added, now, fx, seq=event.seq)
        if event.again:
            self.note(line, "re-added", event.by, event.again, now, fx, seq=event.seq)
        removed = [account for account in event.removed if account not in event.added]
        if removed:
            self.note(line, "removed", event.by, removed, now, fx, seq=event.seq)
        promoted = [a for a in event.after.admins if a not in event.before.admins]
        demoted = [a for a in event.before.admins if a not in event.after.admins and a not in removed]
        if promoted:
            self.note(line, "promoted", event.by, promoted, now, fx, seq=event.seq)
        if demoted:
            self.note(line, "demoted", event.by, demoted, now, fx, seq=event.seq)
        self._looks_changed(line, event, now, fx)
        self.leaving = [account for account in self.leaving if account not in event.removed]
        self._let_go(line, fx)
        self.around.met(self, line, fx, event.again)

    def _looks_changed(self, line: Line, event: Committed, now: int, fx: Effects) -> None:
        """What a commit made of name, picture, timer and rights."""
        before, after, seq = event.before, event.after, event.seq
        if after.name != before.name and self.kind == "group":
            self.name = after.name
            value: dict[str, Any] = {"name": after.name, "before": before.name}
            self.note(line, "renamed", event.by, [], now, fx, seq=seq, value=value)
        if after.picture != before.picture:
            value = {"picture": after.picture.hash if after.picture is not None else None}
            self.note(line, "picture", event.by, [], now, fx, seq=seq, value=value)
        if after.timer != before.timer:
            self.note(line, "timer", event.by, [], now, fx, seq=seq, value={"seconds": after.timer})
        rights = {
            right: getattr(after, "may_" + right)
            for right in ("post", "add", "change")
            if getattr(after, "may_" + right) != getattr(before, "may_" + right)
        }
        if rights:
            self.note(line, "rights", event.by, [], now, fx, seq=seq, value=rights)

    def _in_trouble(self, line: Line, event: Trouble, now: int, fx: Effects) -> None:
        """Said as it happens; what a line is lost by is also said in the chat, by `ways_back`."""
        if line.state.standing is Standing.LOST and line is not self.latest:
            line.state.standing = Standing.CLOSED  # the conversation goes on elsewhere already
            return
        fx.tell("trouble", chat=self.id, code=event.code, text=event.text)
        admins = line.roles.admins
        if event.code == "change" and self.around.identity.account in admins:
            place = admins.index(self.around.identity.account)
            if all(row.kind != "relock" for row in self.outbox):
                wait = min(place * RELOCK_STEP, LONGEST_WAIT)
                self.put(OutboxRow(self.id, "relock", b"\x80", not_before=now + wait), fx)

    def note(
        self,
        line: Line,
        event: str,
        by: bytes,
        whom: Sequence[bytes],
        now: int,
        fx: Effects,
        code: str = "",
        seq: int | None = None,
        value: dict[str, Any] | None = None,
    ) -> None:
        """Something that happened, as a line in the chat. `code`: of what is wrong, if something is (`troubles`). `seq`: of
        the entry that brought it. `value`: what came of it (a name, seconds). Of what somebody does who is blocked, nothing is
        shown in the chat with them."""
        if self.is_blocked and by == self.peer:
            return
        seq = line.state.seq if seq is None else seq
        more = [list(pair) for pair in sorted(value.items())] if value else []
        detail = cbor.encode([event, by, list(whom), line.state.log, seq, code, *([more] if more else [])])
        fx.save(
            AddMessage(
                MessageRow(
                    sha256(b"whimbrel/1 event" + self.id + detail).digest(),
                    self.id,
                    by,
                    by == self.around.identity.account,
                    now,
                    "",
                    detail,
                    "read",
                    event=event,
                    seq=seq,
                )
            )
        )

    def _landed(self, line: Line, event: Landed, now: int, fx: Effects) -> None:
        left = any(row.kind == "left" for row in self.outbox.rows(event.rows))
        for n in event.rows:
            self._drop(n, fx)
        for id in event.messages:
            fx.save(SetMessageState(id, "sent"), SetMessageSeq(id, event.last), BeginVanishing(id, now))
            self.deeds(fx).landed(id, event.last)
        if left:
            me = self.around.identity.account
            self.left = True
            line.state.standing = Standing.CLOSED
            self.note(line, "left", me, [me], now, fx)
            self._give_up("You left.", fx)

    # ----------------------------------------------------------------------------------------- sending

    def put(self, row: OutboxRow, fx: Effects) -> None:
        """Let something wait to leave, after what waits already."""
        row = replace(row, n=self.around.next_n())
        self.outbox.put(row)
        fx.save(AddOutbox(row))

    def is_flying(self, message: bytes) -> bool:
        """Whether the append under way carries this message or deed, so that it cannot be held back any more."""
        flights = (line.state.flight for line in self.lines)
        return any(flight is not None and message in flight.messages for flight in flights)

    def withdraw(self, message: bytes, fx: Effects) -> None:
        """Do not send a message or deed that waits, if it is not under way."""
        if not self.is_flying(message):
            for row in [row for row in self.outbox if row.message == message]:
                self._drop(row.n, fx)

    def _drop(self, n: int, fx: Effects) -> None:
        self.outbox.drop(n)
        fx.save(DropOutbox(n))

    def _give_up(self, why: str, fx: Effects) -> None:
        for row in self.outbox:
            fx.save(DropOutbox(row.n))
            self._has_failed(row, fx)
        self.outbox = Outbox()

    def _has_failed(self, row: OutboxRow, fx: Effects) -> None:
        """What waited does not leave any more."""
        if row.message is not None:
            self.deeds(fx).failed(row.message)
        message = self.around.desk.message(row.message) if row.message is not None else None
        if (
            message is not None and message.state == "queued"
        ):  # others were sent before, and only offered again
            fx.save(SetMessageState(message.id, "failed"))

    def receipts(self, ids: Sequence[bytes], status: int, now: int, fx: Effects) -> None:
        """Tell the others, in a while, that these messages came or were read."""
        line = self.line
        if (
            self.is_blocked
            or line is None
            or line.state.standing is not Standing.OPEN
            or len(self.accounts()) > RECEIPTS_UP_TO
        ):
            return
        for start in range(0, len(ids), RECEIPTS_AT_ONCE):
            self._report(line, ids[start : start + RECEIPTS_AT_ONCE], status, now, fx)

    def _report(self, line: Line, ids: Sequence[bytes], status: int, now: int, fx: Effects) -> None:
        flying = line.state.flight.rows if line.state.flight else ()
        waiting = next((r for r in self.outbox if r.kind == "receipts" and r.n not in flying), None)
        report = decode_report(waiting.body) if waiting else ()
        kept = [pair for pair in report if pair[0] not in set(ids)]
        if waiting is not None and len(kept) + len(ids) <= RECEIPTS_AT_ONCE:
            again = replace(waiting, body=encode_report([*kept, *((id, status) for id in ids)]))
            self.outbox.put(again)
            fx.save(AddOutbox(again))
        else:
            body = encode_report([(id, status) for id in ids])
            self.put(OutboxRow(self.id, "receipts", body, None, now + RECEIPTS_WAIT), fx)

    @property
    def is_idle(self) -> bool:
        """Nothing waits and nothing is under way: nearly every chat at nearly every moment. Asked for all of them in each
        turn, so it is quick."""
        if self.outbox:
            return False
        return all(line.is_idle for line in self.lines)

    def pump(self, now: int, fx: Effects, hurry: bool = False) -> None:
        """Send what is due. `hurry`: also what only waits for company."""
        if self.is_idle:
            return
        line = self.line
        for any_line in self.lines:
            flight = any_line.state.flight
            if flight is None and any_line.state.closing and any_line.may_write():
                any_line.close(self.around.chance(32))
                fx.save(self.save())
                flight = any_line.state.flight
            held_until = any_line.patience.get(flight.kind, 0) if flight is not None else 0
            if flight is not None and not any_line.asked and has_come(held_until, now, LONGEST_WAIT):
                self._launch(any_line, fx)
        if line is None:
            return
        if line.state.healing.planned and is_due(line.state.healing, now, writes=False):
            self._heal(line, fx)
        if line.state.flight is not None or not self.outbox or not line.may_write():
            return
        if not hurry and not has_come(self._company(line), now, LONGEST_WAIT):
            return
        held = {kind for kind, until in line.patience.items() if not has_come(until, now, LONGEST_WAIT)}
        due = self.outbox.due(FAR if hurry else now, lambda row: flight_of(row) not in held)
        if self._fill_flight(line, due, fx):
            if flight_of_kind(line) is FlightKind.POSTS and is_due(line.state.healing, now, writes=True):
                self._heal(line, fx)
            fx.save(self.save())
            self._launch(line, fx)

    def _company(self, line: Line) -> int:
        """When something leaves for its relay next (milliseconds), where that is not at once: what is written until then goes together."""
        return self.around.company.get(line.state.relay, 0)

    def _heal(self, line: Line, fx: Effects) -> None:
        """Have our own keys made anew, after what waits already."""
        line.state.healing.planned = 0
        if all(row.kind != "update" for row in self.outbox):
            self.put(OutboxRow(self.id, "update", b"\x80"), fx)
        fx.save(self.save())

    def _fill_flight(self, line: Line, due: list[OutboxRow], fx: Effects) -> bool:
        """Put what is due first into an append; intentions with nothing left to do fall away. False: nothing flies."""
        due = self._what_may_be_said(line, due, fx)
        while due:
            if due[0].kind == "left" and self._steps_down(line):
                return True
            if due[0].kind in POSTS:
                self._post(line, due)
            else:
                self._change(line, due[0], fx)
            if line.state.flight is not None:
                return True
            due = [row for row in due if self.outbox.get(row.n) is not None]
        return False

    def _steps_down(self, line: Line) -> bool:
        """An admin who leaves steps down first, and the last one hands that on: else two who go at once could leave a group
        without one. False: nobody is there, or this account is no admin."""
        me, roles = self.around.identity.account, line.roles
        if self.kind != "group":
            return False
        staying = [a for a in line.accounts() if a not in (me, *self.leaving)]
        after = changed_roles(roles, ["step-down", me], staying) if staying else None
        if after is not None:
            line.commit((), self.around.chance(32), roles=after)
        return after is not None

    def _what_may_be_said(self, line: Line, due: list[OutboxRow], fx: Effects) -> list[OutboxRow]:
        """Where only admins write (by now), what others would pass over has failed."""
        if may_post(line.roles, self.around.identity.account):
            return due
        said = [row for row in due if row.kind != "content" or composing.is_reaction(content_of(row))]
        for row in due:
            if row not in said:
                self._drop(row.n, fx)
                self._has_failed(row, fx)
        return said

    def busy(self, now: int, hurry: bool) -> bool:
        """Whether something is under way or due."""
        if self.is_idle:
            return False
        for line in self.lines:
            flight = line.state.flight
            if line.wants or (flight and line.asked):
                return True
            if flight and has_come(line.patience.get(flight.kind, 0), now, LONGEST_WAIT):
                return True
        return self.line is not None and bool(self.outbox.due(FAR if hurry else now))

    def next_time(self) -> int | None:
        """When something that waits in the outbox is due (milliseconds)."""
        if self.is_idle:
            return None
        line = self.line
        if line is None:
            return None
        flight = line.state.flight
        if flight is not None:
            return None if line.asked else line.patience.get(flight.kind)
        planned = line.state.healing.planned
        leaves = self._leaves_next(line)
        return min((time for time in (planned or None, leaves) if time is not None), default=None)

    def _leaves_next(self, line: Line) -> int | None:
        if not self.outbox or not line.may_write():
            return None
        company = self._company(line)
        if not line.patience and not company:
            return self.outbox.next_time()
        times = (max(row.not_before, line.patience.get(flight_of(row), 0), company) for row in self.outbox)
        return min(times, default=None)

    def _post(self, line: Line, due: Sequence[OutboxRow]) -> None:
        posts: list[Post] = []
        size = needs = 0
        for row in due:
            post = as_post(row)
            if post is not None and row.kind == "card":
                post = replace(post, body=self.around.own_card())
            if post is not None and row.kind == "ways":
                post = replace(post, body=self.around.ways_told(self.peer or b"") or encode_ways({}))
            if (
                post is None
                or len(posts) == POSTS_AT_ONCE
                or (posts and size + len(post.body) > BYTES_AT_ONCE)
            ):
                break
            if posts and (
                row.kind == "left" or len(post.body) > CHUNK // 2 or needs + len(post.needs) >= NEEDS_MAX
            ):
                break
            posts.append(post)
            size += len(post.body)
            needs += len(post.needs)
            if len(post.body) > CHUNK // 2:
                break
        line.post(posts, self.around.chance(32))
        line.state.healing.posts += len(posts)

    def _change(self, line: Line, row: OutboxRow, fx: Effects) -> None:
        """Turn one intention into a commit, or drop it when there is nothing (any more) to do."""
        try:
            done = self._commit(line, row)
        except (Refused, mls.MlsError, CryptoError, WireError, ValueError) as error:
            if line.group.has_pending_commit:
                line.group.clear_pending()
            fx.tell("refused", chat=self.id, kind=row.kind, why=str(error))
            done = True
        if done:
            self._drop(row.n, fx)
            if row.kind == "roles":  # a picture that it brought is not wanted any more
                self.around.looks(self, line, fx)

    def _commit(self, line: Line, row: OutboxRow) -> bool:
        me, roles, present = self.around.identity.account, line.roles, line.accounts()
        value = cbor.decode(row.body)
        if row.kind == "update":
            line.commit((row.n,), self.around.chance(32), update=True)
            return False
        if row.kind == "new-leaf":
            own = next(m.leaf for m in line.members if m.index == line.group.own_index)
            line.commit((row.n,), self.around.chance(32), leaf=self.around.own_leaf(own))
            return False
        if row.kind == "add":
            if not may_add(roles, me):
                raise Refused("only admins let people in here")
            joiners = tuple(j for j in map(Joiner.unpack, value) if j.account not in present)
            if me not in roles.admins and any(j.account in roles.admins for j in joiners):
                raise Refused("only admins let an admin in")
            if joiners:
                line.commit((row.n,), self.around.chance(32), joiners)
            return not joiners
        if row.kind == "roles" and value[0] == "set":
            return self._set(line, row, wishes_of(value[1]))
        if me not in roles.admins:
            raise Refused("you are no admin here (any more)")
        if row.kind == "relock":
            wrong = line.state.trouble == "change"
            if wrong:
                line.commit((row.n,), self.around.chance(32), update=True, relock=True)
            return not wrong
        if row.kind == "re-add":
            device, joiner = value[0], Joiner.unpack(value[1])
            leaf = seat_of(joiner.key_package)
            there = any(m.device == device and m.leaf.log_key != leaf.leaf.log_key for m in line.members)
            if there:
                line.commit((row.n,), self.around.chance(32), (joiner,), devices=(device,))
            return not there
        if row.kind in ("remove", "let-go"):
            if me in value:
                raise Refused("nobody removes themselves: they leave")
            wanted = value if row.kind == "remove" else [a for a in value if a in self.leaving]
            gone = [account for account in wanted if account in present]
            if gone:
                admins = tuple(a for a in roles.admins if a not in gone)
                after = replace(roles, admins=admins) if admins != roles.admins else None
                line.commit((row.n,), self.around.chance(32), removes=gone, roles=after)
            return not gone
        after = changed_roles(roles, value, [a for a in present if a not in self.leaving])
        if after is not None:
            line.commit((row.n,), self.around.chance(32), roles=after)
        return after is None

    def _set(self, line: Line, row: OutboxRow, wishes: dict[str, Any]) -> bool:
        """Name, picture, timer and rights as somebody here wishes them. True: they are so already."""
        roles = line.roles
        after = replace(roles, **wishes)
        if after == roles:
            return True
        if not may_set(roles, self.around.identity.account, wishes):
            raise Refused("only admins change that here")
        check_looks(roles, after, self.kind == "pair")
        beside: tuple[tuple[bytes, bytes], ...] = ()
        if after.picture is not None and after.picture != roles.picture:
            picture = replace(after.picture, relay=line.state.relay)
            data = self.around.picture(picture.hash)
            if data is None:
                raise Refused("the picture is not here any more")
            after = replace(after, picture=picture)
            beside = ((picture.blob, b"".join(seal_whole(picture.key, data))),)
        line.commit((row.n,), self.around.chance(32), roles=after, beside=beside)
        return False

    # --------------------------------------------------------------------------- the append under way

    def _launch(self, line: Line, fx: Effects) -> None:
        """Ask the relay for the flight: its blobs first, then the append."""
        flight = line.state.flight
        if flight is None:
            return
        line.asked = True
        if flight.blobs:
            self._put(line, 0, fx)
        else:
            self._ask_append(line, fx)

    def _ask_append(self, line: Line, fx: Effects) -> None:
        flight = line.state.flight
        if flight is not None:
            operation = codec.decode_operation(flight.operation)
            fx.ask(line.state.relay, operation, "append", self.id, line.state.log, flight.ids[0])

    def _put(self, line: Line, n: int, fx: Effects, which: int = 0) -> None:
        flight = line.state.flight
        if flight is None or not flight.blobs:
            return
        blob, data = flight.blobs[which]
        put = put_chunk(blob, line.state.log, line.state.write, data, n)
        fx.ask(line.state.relay, put, "flight-blob", self.id, line.state.log, blob, n)

    def blob_put(self, line: Line, blob: bytes, n: int, answer: Answer, now: int, fx: Effects) -> None:
        """The answer to a chunk that an append under way needs."""
        flight = line.state.flight
        ids = [id for id, _ in flight.blobs] if flight is not None else []
        if flight is None or blob not in ids:
            return
        which = ids.index(blob)
        if isinstance(answer, Failure) and answer.status is not Status.EXISTS:
            self._take(line, line.answered(flight.ids[0], answer), now, fx)
            return
        if (n + 1) * SEALED_CHUNK < len(flight.blobs[which][1]):
            self._put(line, n + 1, fx, which)
        elif which + 1 < len(ids):
            self._put(line, 0, fx, which + 1)
        else:
            self._ask_append(line, fx)

    def answered(self, line: Line, first_id: bytes, answer: Answer, now: int, fx: Effects) -> None:
        """The answer to an append."""
        if isinstance(answer, Failure) and line is not self.line and answer.status is not Status.BUSY:
            self._refused_on_old_line(line, first_id, answer, fx)
            return
        self._take(line, line.answered(first_id, answer), now, fx)

    def _refused_on_old_line(self, line: Line, first_id: bytes, answer: Failure, fx: Effects) -> None:
        """The conversation goes on elsewhere: what was under way here leaves there. A log that cannot be closed is left."""
        flight = line.state.flight
        if flight is None or flight.ids[0] != first_id:
            return
        line.give_up_flight()
        more = (
            answer.status is Status.WRONG_TURN
            and answer.head is not None
            and answer.head.seq > line.state.seq
        )
        if more and answer.head is not None:  # read on first
            line.doubt, line.caught_up, line.ahead = True, False, max(line.ahead, answer.head.seq)
            self._ask_further(line, fx)
        elif flight.kind is FlightKind.CLOSE:
            line.state.standing, line.state.closing = Standing.CLOSED, b""
        fx.watch_changed = True
        fx.save(self.save())

    def _refused(self, line: Line, event: Refusal, now: int, fx: Effects) -> None:
        """What the relay does not take is tried again later. A message whose file it lacks holds up no other."""
        lacking = [row for row in self.outbox.rows(event.rows) if needs_of(row) & set(event.missing)]
        if not lacking:
            line.patience[event.kind] = now + PATIENCE
        for row in lacking:
            before = self.around.desk.message(row.message) if row.message is not None else None
            body, needs = cbor.decode(row.body)
            elsewhere = files_besides(line.state.relay, body)
            # It was there once, with its file; or the file lies on the relay from which the chat moved away.
            if (before is not None and before.seq) or set(event.missing) & set(needs) <= elsewhere:
                row = replace(row, body=cbor.encode([body, [n for n in needs if n not in event.missing]]))
                self.outbox.put(row)
                fx.save(AddOutbox(row))
                continue
            later = replace(row, not_before=now + PATIENCE)
            self.outbox.put(later)
            fx.save(AddOutbox(later))


def put_chunk(blob: bytes, place: bytes, token: bytes, data: bytes, n: int) -> Put:
    """Chunk `n` of a blob whose stored bytes are `data`."""
    return Put(blob, place, token, len(data), n, data[n * SEALED_CHUNK : (n + 1) * SEALED_CHUNK])


def as_post(row: OutboxRow) -> Post | None:
    """The post that an outbox row is, or None when it is a commit."""
    kind = POSTS.get(row.kind)
    if kind is None:
        return None
    if row.kind != "content":
        return Post(row.n, kind, row.body, row.message)
    body, needs = cbor.decode(row.body)
    return Post(row.n, kind, body, row.message, tuple(needs))


def content_of(row: OutboxRow) -> content.MimiContent:
    """What a message that waits says."""
    body, _ = cbor.decode(row.body)
    return content.decode(body)


def files_besides(relay: bytes, body: bytes) -> set[bytes]:
    """The blobs of a message's files that lie on another relay than this."""
    return {file.blob for file in composing.attachments_of(content.decode(body)) if file.relay != relay}


def needs_of(row: OutboxRow) -> set[bytes]:
    """The blobs that must be whole before this row's post."""
    post = as_post(row)
    return set(post.needs) if post is not None else set()


def flight_of_kind(line: Line) -> FlightKind | None:
    return line.state.flight.kind if line.state.flight is not None else None


def flight_of(row: OutboxRow) -> FlightKind:
    """What kind of append carries this row."""
    return FlightKind.POSTS if row.kind in POSTS else FlightKind.COMMIT


def packed_wishes(wishes: dict[str, Any]) -> list[list[Any]]:
    """What of the roles somebody wishes to be otherwise, for the outbox."""
    picture = wishes.get("picture")
    if isinstance(picture, Picture):
        wishes = wishes | {"picture": [picture.relay, picture.blob, picture.size, picture.hash, picture.key]}
    return [list(pair) for pair in sorted(wishes.items())]


def wishes_of(packed: Any) -> dict[str, Any]:
    """The same, unpacked."""
    wishes = dict(packed)
    if wishes.get("picture") is not None:
        wishes["picture"] = Picture(*wishes["picture"])
    return wishes


def may_set(roles: Roles, me: bytes, wishes: Collection[str]) -> bool:
    """Whether this member may change these fields of the roles: admins may all, others the looks where all may."""
    return me in roles.admins or (may_change(roles, me) and set(wishes) <= LOOKS)


def changed_roles(roles: Roles, value: Any, staying: Sequence[bytes]) -> Roles | None:
    """Roles after `[action, whom or what]`, with these accounts staying; None when that changes nothing."""
    action, what = value
    if action == "promote" and what in staying and what not in roles.admins:
        return replace(roles, admins=(*roles.admins, what))
    others = tuple(a for a in roles.admins if a != what)
    lasting = any(a in staying for a in others)
    if action == "demote" and what in roles.admins and lasting:
        return replace(roles, admins=others)
    if action == "step-down" and what in roles.admins:  # the last one hands it on
        heirs = () if lasting else tuple(a for a in staying if a not in roles.admins)[:1]
        return replace(roles, admins=(*others, *heirs)) if others or heirs else None
    return None

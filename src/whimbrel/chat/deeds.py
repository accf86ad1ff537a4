"""What was done to messages: edits, deletions, reactions, and which of them count.

A message is its first version and the set of deeds to it. Of one person's edits of an own message, and of one person's
reactions to a message, the latest counts, by its sender's time and then by its id; a deletion by the message's sender
always does. So the same set gives the same message, in whatever order it came, and however often. Deeds may come
before their message, and wait for it. Own ones show at once, and are taken back when they cannot leave.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from whimbrel.chat import composing, content
from whimbrel.chat.attachments import unwanted
from whimbrel.chat.composing import Act
from whimbrel.chat.content import MimiContent
from whimbrel.chat.effects import Desk, Effects
from whimbrel.chat.extensions import mentions_of, pack_mentions
from whimbrel.chat.records import (
    AddMessage,
    BeginVanishing,
    DeedKind,
    DeedRow,
    DropDeed,
    EditMessage,
    EmptyMessage,
    FileRow,
    ForgetMessage,
    HideMessage,
    MessageRow,
    PutDeed,
    PutFact,
    PutFile,
)

AT_MOST = (1 << 53) - 1


class Deeds:
    """The deeds in one conversation, as remembered and as this batch changes them."""

    def __init__(self, chat: bytes, me: bytes, desk: Desk, fx: Effects) -> None:
        self._chat = chat
        self._me = me
        self._desk = desk
        self._fx = fx

    # --------------------------------------------------------------------------------------- looking up

    def message(self, id: bytes) -> MessageRow | None:
        """A message of this chat that is remembered, or about to be."""
        row = self._desk.message(id)
        for save in self._fx.about(id):
            match save:
                case AddMessage(added):
                    row = row or added
                case EditMessage(_, text, edit):
                    row = row and replace(row, text=text, edit=edit, deleted=False)
                case HideMessage():
                    row = row and replace(row, text="", deleted=True)
                case EmptyMessage():
                    row = row and replace(row, text="", content=b"", edit=None, deleted=True)
                case ForgetMessage():
                    row = None
        return row if row is not None and row.chat == self._chat and row.event is None else None

    def to(self, message: bytes) -> list[DeedRow]:
        """What was done to a message of this chat, in the order in which it counts."""
        known = {row.id: row for row in self._desk.deeds_to(message)}
        for save in self._fx.about(message):
            match save:
                case PutDeed(row):
                    known[row.id] = row
                case DropDeed(id):
                    known.pop(id, None)
        return sorted((row for row in known.values() if row.chat == self._chat), key=_order)

    def is_gone(self, message: bytes) -> bool:
        forgotten = any(isinstance(save, ForgetMessage) for save in self._fx.about(message))
        return forgotten or self._desk.is_gone(message)

    def reaction(self, message: bytes, account: bytes) -> DeedRow | None:
        """Somebody's reaction to a message that counts by now; one without a text was taken back."""
        slot = [row for row in self.to(message) if (row.kind, row.sender) == ("reaction", account)]
        return slot[-1] if slot else None

    # ------------------------------------------------------------------------------------------- taking

    def read(
        self, id: bytes, body: bytes, value: MimiContent, sender: bytes, seq: int, now: int
    ) -> str | None:
        """A deed that stands in the log. Why it is passed over, if it is."""
        act = composing.act_of(value)
        target = value.in_reply_to if act is Act.REACT else value.replaces
        if act is Act.REACT and target is None and value.replaces is not None:
            before = self._desk.deed(value.replaces)
            target = before.target if before is not None else None
        text = composing.reaction_of(value) if act is Act.REACT else composing.text_of(value)
        if target is None or (act is Act.REACT and not text and not composing.takes_back(value)):
            return "nothing that it could be done to, or no emoji"
        row = DeedRow(
            id,
            self._chat,
            target,
            sender,
            sender == self._me,
            _KINDS[act],
            composing.sent_at(value) or 0,
            text,
            body,
            "sent",
            seq,
            now,
        )
        return self._take(row)

    def _take(self, row: DeedRow) -> str | None:
        message, known = self.message(row.target), self.to(row.target)
        if self.is_gone(row.target) or (message is not None and not message.content):
            return None  # deleted
        if message is not None and row.kind != "reaction" and message.sender != row.sender:
            return "a message of somebody else"
        if all(row.id != one.id for one in known) and self._add(row, known):
            self.settle(row.target, row.came)
        return None

    def do(self, row: DeedRow) -> None:
        """An own deed, on its way from now on."""
        self._add(row, self.to(row.target))
        self.settle(row.target, row.came)

    def _add(self, row: DeedRow, known: Iterable[DeedRow]) -> bool:
        """Remember a deed, and of those in the log that it takes the place of none. False: another counts instead."""
        settled = [one for one in known if _slot(one) == _slot(row) and one.state != "queued"]
        if row.state != "queued":
            if any(_order(one) > _order(row) for one in settled):
                return False
            self._drop(settled)
        self._fx.save(PutDeed(row))
        return True

    def _drop(self, rows: Iterable[DeedRow]) -> None:
        self._fx.save(*(DropDeed(row.id, row.target) for row in rows))

    # -------------------------------------------------------------------------------------- own on their way

    def landed(self, id: bytes, seq: int) -> None:
        """What was on its way is in the log: perhaps it was an own deed."""
        row = self._desk.deed(id)
        if row is None:
            return
        slot = [one for one in self.to(row.target) if _slot(one) == _slot(row) and one.id != id]
        settled = [one for one in slot if one.state != "queued"]
        if any(_order(one) > _order(row) for one in settled):
            self._drop([row])
            return
        self._drop(settled)
        self._fx.save(PutDeed(replace(row, state="sent" if row.state == "queued" else row.state, seq=seq)))
        if row.kind == "delete":
            self.settle(row.target, row.came)

    def failed(self, id: bytes) -> None:
        """What waited cannot leave any more: perhaps it was an own deed, and then it was never done."""
        row = self._desk.deed(id)
        if row is not None and row.state == "queued":
            self._drop([row])
            self.settle(row.target, row.came)

    def time_for(self, message: bytes, now: int) -> int:
        """The time of an own deed to a message: now, and later than that of each own deed to it before."""
        before = [row.at for row in self.to(message) if row.sender == self._me]
        return min(max(now, *(at + 1 for at in before), 1), AT_MOST)

    # ---------------------------------------------------------------------------------------- settling

    def settle(self, id: bytes, now: int) -> None:
        """Let a message be what its deeds make of it, once it is here."""
        message = self.message(id)
        if message is None or not message.content:
            return
        deeds = self.to(id)
        strangers = [row for row in deeds if row.kind != "reaction" and row.sender != message.sender]
        self._drop(strangers)
        own = [row for row in deeds if row.sender == message.sender]
        deletions = [row for row in own if row.kind == "delete"]
        if any(row.state != "queued" for row in deletions):
            self._empty(message, deeds, now)
        elif deletions:
            if not message.deleted:
                self._fx.save(HideMessage(id))
        else:
            edits = [row for row in own if row.kind == "edit"]
            self._show(message, edits[-1] if edits else None)

    def _empty(self, message: MessageRow, deeds: Iterable[DeedRow], now: int) -> None:
        """What it said goes at once; its place, too, in its time, although nobody reads it any more."""
        forget_files(self._desk, self._fx, message.id)
        self._drop(row for row in deeds if row.kind != "delete" or not row.mine)
        self._fx.save(EmptyMessage(message.id), BeginVanishing(message.id, now))

    def _show(self, message: MessageRow, edit: DeedRow | None) -> None:
        wanted = edit.content if edit is not None else None
        if (message.edit, message.deleted) == (wanted, False):
            return
        value = content.decode(wanted or message.content)
        text = composing.text_of(value)
        mentions = mentions_of(value, text)
        self._fx.save(
            EditMessage(
                message.id,
                text,
                wanted,
                pack_mentions(mentions),
                any(mention.account == self._me for mention in mentions),
                not composing.shows_all(value),
            )
        )


def forget_files(desk: Desk, fx: Effects, message: bytes) -> None:
    """The sealed copies of a message's files go, and what was to be sent when they were there."""
    files: dict[bytes, FileRow] = {file.id: file for file in desk.files_of(message)}
    for save in fx.about(message):
        if isinstance(save, PutFile):
            files[save.row.id] = save.row
    if files:
        fx.save(*unwanted(files.values()), PutFact("files:" + message.hex(), None))


_KINDS: dict[Act, DeedKind] = {Act.EDIT: "edit", Act.DELETE: "delete", Act.REACT: "reaction"}


def _order(row: DeedRow) -> tuple[int, bytes]:
    return row.at, row.id


def _slot(row: DeedRow) -> tuple[bytes, str]:
    """Of those with the same one counts."""
    return row.sender, row.kind

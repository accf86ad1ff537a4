"""What a person does with messages: edits, deletes, reacts, reads, clears a chat. What counts then is decided in `deeds`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

from whimbrel.chat import composing, content
from whimbrel.chat.attachments import unwanted
from whimbrel.chat.content import ContentError, Disposition, MimiContent
from whimbrel.chat.conversation import Conversation
from whimbrel.chat.deeds import Deeds, forget_files
from whimbrel.chat.effects import Effects
from whimbrel.chat.extensions import Mention, mentions_of
from whimbrel.chat.household import Household
from whimbrel.chat.receipts_report import MessageStatus
from whimbrel.chat.records import (
    BeginVanishing,
    DeedKind,
    DeedRow,
    DropDeed,
    EmptyChat,
    ForgetMessage,
    MarkRead,
    MessageRow,
    OutboxRow,
    PutFact,
)
from whimbrel.chat.refusal import CannotDo
from whimbrel.wire import cbor

SHOWN_AT_ONCE = 100
OWN_NOTES = "Note to self"


def own_notes_id(account: bytes) -> bytes:
    """Id of the conversation that an account has with itself."""
    return sha256(b"whimbrel/1 note to self" + account).digest()


class Acts:
    """Of one account. Each raises CannotDo, and then nothing was done."""

    def __init__(self, person: Household) -> None:
        self._person = person

    def edit(
        self,
        chat: Conversation,
        row: MessageRow,
        text: str,
        mentions: Sequence[Mention],
        now: int,
        fx: Effects,
    ) -> bytes | None:
        """Have an own message say something else; the id of what is sent, None when it says that already."""
        self._is_there(row)
        if not row.mine:
            raise CannotDo("not-yours", "Only who wrote a message can change it.")
        if row.state == "failed":
            raise CannotDo("not-sent", "That message was never sent.", "Send it anew.")
        first = content.decode(row.content)
        files = composing.attachments_of(first)
        if not text and not files:
            raise CannotDo("nothing", "A message with nothing in it.", "Delete it instead.")
        before = content.decode(row.edit or row.content)
        named = mentions_of(before, composing.text_of(before))
        if (text, tuple(mentions)) == (composing.text_of(before), named):
            return None
        value = self._composed(
            lambda: composing.edit(
                self._person.chance(16), row.id, text, row.reply_to, files, mentions=mentions
            )
        )
        return self._do(chat, "edit", row.id, text, value, now, fx)

    def delete(self, chat: Conversation, row: MessageRow, now: int, fx: Effects) -> bytes | None:
        """Take back an own message from everybody; the id of what is sent, None when it had not left yet."""
        self._is_there(row)
        if not row.mine:
            raise CannotDo(
                "not-yours", "Only who wrote a message can delete it for everyone.", "Delete it here."
            )
        if row.state == "failed" or (row.state == "queued" and not chat.is_flying(row.id)):
            self.delete_here(chat, row, now, fx)
            return None
        value = composing.delete(self._person.chance(16), row.id)
        return self._do(chat, "delete", row.id, "", value, now, fx)

    def delete_here(self, chat: Conversation | None, row: MessageRow, now: int, fx: Effects) -> None:
        """Remove a message from this home alone. One that still waits is not sent."""
        if row.event is not None:
            raise CannotDo("no-message", "That is something that happened, not a message.")
        if chat is not None:
            chat.withdraw(row.id, fx)
            for deed in chat.deeds(fx).to(row.id):
                if deed.mine and deed.state == "queued":
                    chat.withdraw(deed.id, fx)
        forget_files(self._person.desk, fx, row.id)
        fx.save(ForgetMessage(row.id, row.chat, now))

    def react(self, chat: Conversation, row: MessageRow, emoji: str, now: int, fx: Effects) -> bytes | None:
        """React to a message, in place of what one's reaction was; with nothing it is taken back. The id of what is sent,
        None when it is so already."""
        self._is_there(row)
        me, deeds = self._person.identity.account, chat.deeds(fx)
        if emoji and not composing.is_emoji(emoji):
            raise CannotDo("emoji", "A reaction is an emoji, and nothing else.")
        self._withdraw_waiting(chat, deeds, row.id, "reaction", fx)
        before = deeds.reaction(row.id, me)
        if emoji == (before.text if before is not None else ""):
            return None
        salt = self._person.chance(16)
        value = self._composed(
            lambda: (
                composing.react(salt, row.id, emoji)
                if emoji or before is None
                else composing.delete(salt, before.id, Disposition.REACTION, row.id)
            )
        )
        return self._do(chat, "reaction", row.id, emoji, value, now, fx)

    def read_up_to(
        self, chat: bytes, n: int, ids: Sequence[bytes], now: int, fx: Effects, receipts: bool = True
    ) -> None:
        """Messages of others were shown, up to number `n`; `ids` are those that were not shown before."""
        if ids:
            # Those that are looked at are said to vanish one by one; of a long past it is enough that they do.
            fx.save(MarkRead(chat, n, now), *(BeginVanishing(id, now) for id in ids[-SHOWN_AT_ONCE:]))
            conversation = self._person.chats.get(chat)
            if conversation is not None and receipts:
                conversation.receipts(ids, MessageStatus.READ, now, fx)

    def clear(self, chat: Conversation, now: int, fx: Effects) -> None:
        """Forget all messages of a chat here. What waits to leave is not sent, unless it is under way."""
        for row in list(chat.outbox):
            if row.kind == "content" and row.message is not None:
                chat.withdraw(row.message, fx)
        files = list(self._person.desk.files_of_chat(chat.id))
        fx.save(*unwanted(files))
        fx.save(*(PutFact("files:" + message.hex(), None) for message in {file.message for file in files}))
        fx.save(EmptyChat(chat.id, now))

    # ---------------------------------------------------------------------------------------------------

    def _is_there(self, row: MessageRow) -> None:
        if row.event is not None:
            raise CannotDo("no-message", "That is something that happened, not a message.")
        if row.deleted:
            raise CannotDo("deleted", "That message is deleted.")

    def _composed(self, compose: Callable[[], MimiContent]) -> MimiContent:
        try:
            return compose()
        except ContentError as error:
            raise CannotDo("too-large", f"That cannot be sent: {error}.") from None

    def _do(
        self,
        chat: Conversation,
        kind: DeedKind,
        target: bytes,
        text: str,
        value: MimiContent,
        now: int,
        fx: Effects,
    ) -> bytes:
        """Let a deed leave. It shows at once; one of the same kind that still waits is not sent any more."""
        person = self._person
        person.check_may_write(chat, reacting=kind == "reaction")
        deeds = chat.deeds(fx)
        at = deeds.time_for(target, now)
        if kind != "delete":
            self._withdraw_waiting(chat, deeds, target, kind, fx)
        try:
            body = content.encode(composing.dated(value, at))
        except ContentError as error:
            raise CannotDo("too-large", f"That cannot be sent: {error}.") from None
        me = person.identity.account
        id = composing.id_of(body, me, chat.id)
        deeds.do(DeedRow(id, chat.id, target, me, True, kind, at, text, body, "queued", 0, now))
        chat.put(OutboxRow(chat.id, "content", cbor.encode([body, []]), id), fx)
        return id

    def _withdraw_waiting(
        self, chat: Conversation, deeds: Deeds, target: bytes, kind: DeedKind, fx: Effects
    ) -> None:
        for row in deeds.to(target):
            if (row.mine, row.kind, row.state) == (True, kind, "queued") and not chat.is_flying(row.id):
                chat.withdraw(row.id, fx)
                fx.save(DropDeed(row.id, target))

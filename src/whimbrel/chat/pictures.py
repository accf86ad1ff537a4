"""Pictures of groups: put beside the commit that names them, fetched by each member, kept alive by admins.

The roles say where a picture lies and by which key it opens (docs/protocol/people.md). It is fetched from the relay of
its conversation or one of our own, from nowhere else: whoever changes a group must not have others call on a stranger.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

from whimbrel.chat.conversation import Conversation, put_chunk, wishes_of
from whimbrel.chat.effects import Effects
from whimbrel.chat.household import Household
from whimbrel.chat.inbox import KEEP_EVERY
from whimbrel.chat.line import Line
from whimbrel.chat.outbox import has_come
from whimbrel.chat.records import KeepPicture, PutPicture
from whimbrel.chat.refusal import CannotDo
from whimbrel.crypto.errors import CryptoError
from whimbrel.crypto.files import chunk_count, open_whole, seal_whole
from whimbrel.crypto.leaf import PICTURE_MAX, Picture
from whimbrel.wire import cbor
from whimbrel.wire.answers import Answer, Chunk, Done, Failure, Status
from whimbrel.wire.operations import SEALED_CHUNK, Get, Keep

RETRY = 3_600_000
"""Milliseconds before a picture that could not be had, or not be kept, is tried again."""
KEPT = KEEP_EVERY * 1000
"""Milliseconds between two times that a picture is kept: as often as a card."""


class Pictures:
    """Those of all groups of a Person. What is due is told by each group, and kept in memory alone."""

    def __init__(self, person: Household) -> None:
        self._person = person
        self._wanted: dict[bytes, int] = {}
        """Groups whose picture is not here: when it is asked for (milliseconds)."""
        self._keeps: dict[bytes, int] = {}
        """Groups whose picture we keep alive: when the next time is due."""
        self._asked: set[bytes] = set()
        self._began = False
        self._fresh: dict[bytes, bytes] = {}
        """What was set and is not the group's yet: its commit may be made before the store has it."""

    # ---------------------------------------------------------------------------------------- ours

    def set(
        self, chat: Conversation, data: bytes | None, fx: Effects, besides: dict[str, Any] | None = None
    ) -> None:
        """Have a group look like this, or like nothing of its own again; `besides`: other wishes for the same commit. Raises
        CannotDo."""
        person, line = self._person, chat.line
        wish: Picture | None = None
        if data is not None:
            if not 0 < len(data) <= PICTURE_MAX:
                raise CannotDo("picture", "A group's picture has at most 256 KB.", "Take a smaller one.")
            relay = line.state.relay if line is not None else bytes(32)
            wish = Picture(relay, person.chance(32), len(data), sha256(data).digest(), person.chance(32))
        person.change_group(chat, {**(besides or {}), "picture": wish}, fx)
        if wish is not None and data is not None:
            self._fresh[wish.hash] = data
            fx.save(PutPicture(chat.id, wish.hash, data))

    def data(self, id: bytes) -> bytes | None:
        """A picture that is here, by its SHA-256."""
        return self._fresh.get(id) or self._person.desk.picture(id)

    def brought_along(self, before: Picture | None, relay: bytes) -> tuple[Picture | None, list[bytes]]:
        """The picture of a group that moves to another log, sealed anew, with its chunks; None when it is not here."""
        data = self.data(before.hash) if before is not None else None
        if before is None or data is None:
            return None, []
        chance = self._person.chance
        anew = replace(before, relay=relay, blob=chance(32), key=chance(32))
        return anew, _chunks(anew, data)

    # ------------------------------------------------------------------------------------ those of others

    def look(self, chat: Conversation, line: Line, fx: Effects) -> None:
        """What a group looks like now: fetch it when it is not here, and forget what it looked like before."""
        picture, here = line.roles.picture, set(self._person.desk.pictures(chat.id))
        wished = {wish.hash for wish in _wishes(chat)}
        if here - wished - {picture.hash if picture is not None else b""} and not wished:
            fx.save(KeepPicture(chat.id, picture.hash if picture is not None else None))
        self._wanted.pop(chat.id, None)
        self._keeps.pop(chat.id, None)
        if picture is not None:
            if self._fresh.pop(picture.hash, None) is None and picture.hash not in here:
                self._wanted[chat.id] = 0
            elif self._person.identity.account in line.roles.admins:
                self._keeps[chat.id] = chat.picture_kept + KEPT if chat.picture_kept else 0

    def tend(self, now: int, fx: Effects) -> None:
        """Ask for what is due."""
        if not self._began:
            self._begin()
        for chat_id in [*self._wanted, *self._keeps]:
            due = self._wanted.get(chat_id, self._keeps.get(chat_id, 0))
            if chat_id in self._asked or chat_id in self._person.aside or not has_come(due, now, 2 * KEPT):
                continue
            chat = self._person.chats.get(chat_id)
            line = chat.line if chat is not None else None
            picture = line.roles.picture if line is not None else None
            if chat is None or line is None or picture is None or not self._is_near(line, picture.relay):
                self._wanted.pop(chat_id, None)
                self._keeps.pop(chat_id, None)
                continue
            self._asked.add(chat_id)
            if chat_id in self._wanted:
                fx.ask(picture.relay, Get(picture.blob, 0), "picture", chat_id, picture.blob, [])
            else:
                keep = Keep(line.state.log, line.state.write, (picture.blob,))
                fx.ask(picture.relay, keep, "picture-kept", chat_id, picture.blob, -1)

    def next_time(self) -> int | None:
        """When something is due next (milliseconds)."""
        aside = self._person.aside
        due = ((id, time) for times in (self._wanted, self._keeps) for id, time in times.items())
        return min((time for id, time in due if id not in self._asked and id not in aside), default=None)

    def _begin(self) -> None:
        """After a start: what is missing, and what is ours to keep, by what stands beside each chat."""
        self._began = True
        for chat in self._person.chats.values():
            glance = chat.remembered
            if glance is None or not glance.picture or chat.line is None:
                continue
            if glance.picture not in self._person.desk.pictures(chat.id):
                self._wanted[chat.id] = 0
            elif glance.admin:
                self._keeps[chat.id] = chat.picture_kept + KEPT if chat.picture_kept else 0

    def _is_near(self, line: Line, relay: bytes) -> bool:
        """Whether a relay is the one of the conversation, or one of our own."""
        known = self._person.relays.get(relay)
        own = known is not None and (known.embedded or known.admission is not None)
        return relay == line.state.relay or own

    # ------------------------------------------------------------------------------------------- answers

    def fetched(
        self, chat_id: bytes, blob: bytes, before: Sequence[bytes], answer: Answer, now: int, fx: Effects
    ) -> None:
        """A chunk of a picture."""
        picture = self._named(chat_id, blob)
        if picture is None:
            self._asked.discard(chat_id)
            return
        if not isinstance(answer, Chunk) or len(answer.chunk) > SEALED_CHUNK:
            self._later(self._wanted, chat_id, now)
            return
        chunks = [*before, answer.chunk]
        if len(chunks) < chunk_count(picture.size):
            fx.ask(picture.relay, Get(blob, len(chunks)), "picture", chat_id, blob, chunks)
            return
        self._asked.discard(chat_id)
        try:
            data = open_whole(picture.key, picture.size, picture.hash, chunks)
        except CryptoError:
            self._later(self._wanted, chat_id, now)
            return
        fx.save(PutPicture(chat_id, picture.hash, data))
        self._wanted.pop(chat_id, None)
        if chat_id in self._person.chats and self._is_admin(self._person.chats[chat_id]):
            self._keeps[chat_id] = 0

    def kept(self, chat_id: bytes, blob: bytes, n: int, answer: Answer, now: int, fx: Effects) -> None:
        """The answer to a `keep` (n is -1), or to a chunk of a picture that the relay had lost."""
        chat, picture = self._person.chats.get(chat_id), self._named(chat_id, blob)
        line = chat.line if chat is not None else None
        if chat is None or line is None or picture is None:
            self._asked.discard(chat_id)
            return
        data = self.data(picture.hash)
        gone = n < 0 and isinstance(answer, Failure) and answer.status is Status.MISSING
        goes_on = n >= 0 and isinstance(answer, Done) and n + 1 < chunk_count(picture.size)
        if data is not None and (gone or goes_on) and picture.relay == line.state.relay:
            put = put_chunk(blob, line.state.log, line.state.write, b"".join(_chunks(picture, data)), n + 1)
            fx.ask(picture.relay, put, "picture-kept", chat_id, blob, n + 1)
        elif isinstance(answer, Done):
            self._asked.discard(chat_id)
            chat.picture_kept, self._keeps[chat_id] = now, now + KEPT
            fx.save(chat.save())
        else:
            self._later(self._keeps, chat_id, now)

    def _named(self, chat_id: bytes, blob: bytes) -> Picture | None:
        """The picture of a group, if it is still the one in this blob."""
        chat = self._person.chats.get(chat_id)
        line = chat.line if chat is not None else None
        picture = line.roles.picture if line is not None else None
        return picture if picture is not None and picture.blob == blob else None

    def _later(self, times: dict[bytes, int], chat_id: bytes, now: int) -> None:
        self._asked.discard(chat_id)
        if chat_id in times:
            times[chat_id] = now + RETRY

    def _is_admin(self, chat: Conversation) -> bool:
        return chat.line is not None and self._person.identity.account in chat.line.roles.admins


def _wishes(chat: Conversation) -> list[Picture]:
    """Pictures that wait to become the group's."""
    rows = [cbor.decode(row.body) for row in chat.outbox if row.kind == "roles"]
    wishes = (wishes_of(what).get("picture") for action, what in rows if action == "set")
    return [wish for wish in wishes if wish is not None]


def _chunks(picture: Picture, data: bytes) -> list[bytes]:
    return list(seal_whole(picture.key, data))

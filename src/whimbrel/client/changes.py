"""What changed in a home, for all who look on: windows of the page, bots.

A turn tells what it saved; each follower keeps the ids of what changed, each once, and reads the rows when it is ready for
them: a slow one gets the newest of each, several stay in step. Not more than so many ids are kept: beyond them a follower
is told to load anew what it shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, assert_never

from whimbrel.chat.records import (
    AddMessage,
    AddOutbox,
    BeginVanishing,
    DropChat,
    DropDeed,
    DropOutbox,
    DropOutboxFor,
    EditMessage,
    EmptyChat,
    EmptyMessage,
    ForgetMessage,
    ForgetOld,
    HideMessage,
    KeepPicture,
    MarkRead,
    PutChat,
    PutChatSettings,
    PutContact,
    PutDeed,
    PutFact,
    PutFile,
    PutPicture,
    PutReceipt,
    Save,
    SetMessageSeq,
    SetMessageState,
    SetOutboxTime,
    ShortenVanishing,
)

IDS_MAX: Final = 1_000
"""Ids of messages that are kept for a follower who does not read."""
LAZY: Final = 0.25
"""Seconds between two tellings of what changes all the time: progress of files, the state of ways."""


@dataclass(slots=True)
class Changed:
    """Ids of what is other than before, each once, in the order of their first change."""

    messages: dict[bytes, None] = field(default_factory=dict)
    said: dict[bytes, None] = field(default_factory=dict)
    """Messages that say something else, or nothing any more: with them what quotes them is another."""
    moving: dict[bytes, None] = field(default_factory=dict)
    """Messages of which only the progress of a file is another."""
    chats: dict[bytes, None] = field(default_factory=dict)
    people: dict[bytes, None] = field(default_factory=dict)
    settings: bool = False
    status: bool = False
    anew: bool = False
    """More changed than was kept: everything may be other than before."""

    def is_urgent(self) -> bool:
        return bool(self.messages or self.chats or self.people or self.settings or self.anew)

    def is_lazy(self) -> bool:
        return bool(self.moving or self.status)

    def note(self, save: Save) -> None:
        """What is other than before because of this change."""
        match save:
            case AddMessage(row):
                self.messages[row.id] = self.chats[row.chat] = None
            case SetMessageState(id) | BeginVanishing(id):
                self.messages[id] = None
            case EditMessage(id) | HideMessage(id) | EmptyMessage(id):
                self.messages[id] = self.said[id] = None
            case ForgetMessage(id, chat):
                self.messages[id] = self.said[id] = self.chats[chat] = None
            case PutDeed(row):
                self.messages[row.target] = None
            case DropDeed(_, target):
                self.messages[target] = None
            case PutReceipt(row):
                self.messages[row.message] = None
            case PutFile(row):
                self.messages[row.message] = None
            case PutPicture(chat) | KeepPicture(chat):
                self.chats[chat] = None
            case EmptyChat(chat):
                self.chats[chat] = None
                self.anew = True
            case ShortenVanishing():
                self.anew = True
            case MarkRead(chat):
                self.chats[chat] = None
            case PutChat(row):
                self.chats[row.id] = None
            case PutChatSettings(settings):
                self.chats[settings.chat] = None
            case DropChat(id):
                self.chats[id] = None
            case PutContact(row):
                self.people[row.account] = None
                self.status = True
            case PutFact(name):
                self.settings = self.settings or name == "settings"
                self.status = self.status or name in ("identity", "relays", "retired")
            case AddOutbox() | DropOutbox() | DropOutboxFor():
                self.status = True
            case SetMessageSeq() | SetOutboxTime() | ForgetOld():
                pass
            case _:
                assert_never(save)

    def cut(self) -> None:
        """Keep no more than there is room for."""
        if len(self.messages) + len(self.moving) > IDS_MAX:
            self.anew = True
        if self.anew:
            self.messages.clear()
            self.said.clear()
            self.moving.clear()
            self.chats.clear()
            self.people.clear()


class Follower:
    """One who looks on."""

    def __init__(self) -> None:
        self._changed = Changed()
        self._wake = asyncio.Event()
        self._lazy_from = 0.0
        self.over = False
        """Nothing comes any more: the home was closed."""

    def tell(self, changed: Iterable[Save]) -> None:
        for save in changed:
            self._changed.note(save)
        self._noted()

    def tell_of(
        self,
        *,
        messages: Iterable[bytes] = (),
        moving: bytes | None = None,
        chats: Iterable[bytes] = (),
        status: bool = False,
        anew: bool = False,
    ) -> None:
        """Changes that were not saved: progress, ways, time."""
        known = self._changed
        known.messages.update(dict.fromkeys(messages))
        known.chats.update(dict.fromkeys(chats))
        if moving is not None:
            known.moving[moving] = None
        known.status, known.anew = known.status or status, known.anew or anew
        self._noted()

    def end(self) -> None:
        self.over = True
        self._wake.set()

    def _noted(self) -> None:
        self._changed.cut()
        self._wake.set()

    async def next(self, at_latest: float | None = None) -> Changed:
        """What changed since the last time, as soon as something has; empty by `at_latest` (of the loop's time), or at the end."""
        loop = asyncio.get_running_loop()
        while not self.over and not self._changed.is_urgent():
            lazy = self._lazy_from if self._changed.is_lazy() else None
            if lazy is not None and lazy <= loop.time():
                break
            ends = min((at for at in (lazy, at_latest) if at is not None), default=None)
            if at_latest is not None and at_latest <= loop.time():
                await asyncio.sleep(0)  # whoever asks again at once lets others go on
                return Changed()
            self._wake.clear()
            try:
                async with asyncio.timeout_at(ends):
                    await self._wake.wait()
            except TimeoutError:
                pass
        changed, self._changed = self._changed, Changed()
        if loop.time() < self._lazy_from:  # what can wait goes on waiting
            self._changed.moving, changed.moving = changed.moving, {}
            self._changed.status, changed.status = changed.status, False
        elif changed.is_lazy():
            self._lazy_from = loop.time() + LAZY
        return changed


class Changes:
    """All followers of one home."""

    def __init__(self) -> None:
        self._followers: list[Follower] = []
        self._over = False

    @contextmanager
    def follower(self) -> Iterator[Follower]:
        """One more, who is told of everything from now on until the block is left."""
        one = Follower()
        one.over = self._over
        self._followers.append(one)
        try:
            yield one
        finally:
            self._followers.remove(one)

    def saved(self, saves: Iterable[Save]) -> None:
        """These were written."""
        if self._followers:
            saves = list(saves)
            for one in self._followers:
                one.tell(saves)

    def progressed(self, message: bytes) -> None:
        """A file of this message came further, or was paused."""
        for one in self._followers:
            one.tell_of(moving=message)

    def status(self) -> None:
        """The state of a way, or of the home, may be another."""
        for one in self._followers:
            one.tell_of(status=True)

    def anew(self) -> None:
        """Everything may be other than before."""
        for one in self._followers:
            one.tell_of(status=True, anew=True)

    def end(self) -> None:
        """The home is closed."""
        self._over = True
        for one in self._followers:
            one.end()

"""The home itself: its settings, and what is kept in it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from whimbrel.client import settings as chosen
from whimbrel.client.errors import WRONG_USE, ServiceError
from whimbrel.client.shapes import KeptItem, Notify, SettingsItem, Theme
from whimbrel.client.views import moment

if TYPE_CHECKING:
    from whimbrel.client.service import Service


async def settings(service: Service) -> AsyncIterator[SettingsItem]:
    """How this home's page behaves."""
    yield chosen.settings_of(service.shell.home.database.reading)


async def set_settings(
    service: Service,
    theme: Theme | None = None,
    language: str | None = None,
    enter_sends: bool | None = None,
    notify: Notify | None = None,
    sounds: bool | None = None,
    receipts: bool | None = None,
    full_quality: bool | None = None,
    fetch_up_to: int | None = None,
    lock_after: int | None = None,
    list_width: int | None = None,
) -> AsyncIterator[SettingsItem]:
    """Change what is given; what is not given stays."""
    given = {
        "theme": theme,
        "language": language,
        "enter_sends": enter_sends,
        "notify": notify,
        "sounds": sounds,
        "receipts": receipts,
        "full_quality": full_quality,
        "fetch_up_to": fetch_up_to,
        "lock_after": lock_after,
        "list_width": list_width,
    }
    try:
        after, save = chosen.changed(
            service.shell.home.database.reading, {k: v for k, v in given.items() if v is not None}
        )
    except chosen.NoSuchValue as error:
        raise ServiceError("setting", f"{error}.", "", WRONG_USE) from None
    if any(value is not None for value in given.values()):
        await service.shell.keep(save)
        if lock_after is not None:
            service.lock.touch()  # no window says so while nothing locks: the time begins with the choice
        service.take_settings(after)
    yield after


# ------------------------------------------------------------------------------------------- what is kept


async def kept(service: Service) -> AsyncIterator[KeptItem]:
    """What is on this computer: kinds of things, how many, how large, since when."""
    for item in await asyncio.to_thread(_kept, service):
        yield item


What = Literal["messages", "files", "contacts", "keys", "relay", "drafts"]
_KINDS: tuple[What, ...] = ("messages", "files", "contacts", "keys", "drafts")


def _kept(service: Service) -> list[KeptItem]:
    home = service.shell.home
    counted, vanishing = home.database.reading.kept(), home.database.reading.vanishing()
    database = sum(_size(home.path / name) for name in ("store.db", "store.db-wal"))
    rest = sum(kind.bytes for kind in counted.values())
    items: list[KeptItem] = []
    for what in _KINDS:
        size = counted[what].bytes
        if what == "messages":
            size = max(0, database - rest)
        if what == "files":
            size = _size(home.path / "files")
        items.append(
            {
                "what": what,
                "count": counted[what].count,
                "bytes": size,
                "oldest": moment(counted[what].oldest),
            }
        )
    items[0]["vanishing"] = vanishing
    if relay := _size(home.path / "relay"):
        items.append({"what": "relay", "count": 1, "bytes": relay, "oldest": None})
    return items


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; 0 for what is not there."""
    try:
        if not path.is_dir():
            return path.stat().st_size
        return sum(_size(Path(entry.path)) for entry in os.scandir(path) if not entry.is_symlink())
    except FileNotFoundError:  # gone while it was looked at
        return 0

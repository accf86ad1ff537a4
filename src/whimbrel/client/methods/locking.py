"""Who may look at this home: the lock and its passphrase, the windows that are in, and the end of everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from whimbrel.client.errors import CANNOT, REFUSED, WRONG_USE, ServiceError
from whimbrel.client.home_errors import store_error
from whimbrel.client.lock import wrong_passphrase
from whimbrel.client.shapes import CutOffItem, ErasedItem, LockItem, PassphraseItem
from whimbrel.store.erasing import others
from whimbrel.store.errors import HomeKeyWrong, StoreError

if TYPE_CHECKING:
    from whimbrel.client.service import Service

PASSPHRASE_LEAST = 8
"""Characters. Who has the folder may try as many as they like, each at the cost of Argon2id; fewer would be few."""


async def lock(service: Service) -> AsyncIterator[LockItem]:
    """Show and do nothing more until the passphrase was given; messages go on arriving."""
    if service.wait:
        raise ServiceError("no-app", "No app runs on this home, so nothing is open.", "", CANNOT)
    service.lock.close()
    yield {"locked": True}


async def unlock(service: Service, passphrase: str) -> AsyncIterator[LockItem]:
    """Go on where it was locked."""
    await service.lock.open(passphrase)
    yield {"locked": False}


async def touch(service: Service) -> AsyncIterator[LockItem]:
    """Somebody is there: the time after which the app locks by itself begins anew."""
    service.lock.touch()
    yield {"locked": False}


async def set_passphrase(service: Service, new: str, old: str | None = None) -> AsyncIterator[PassphraseItem]:
    """From now on the home opens with this passphrase and nothing else. `old`: the one until now, if there was one."""
    if len(new) < PASSPHRASE_LEAST:
        raise ServiceError(
            "passphrase-short",
            f"A passphrase has at least {PASSPHRASE_LEAST} characters.",
            "Take a few words that nobody would guess.",
            WRONG_USE,
        )
    home = service.shell.home
    try:
        await asyncio.to_thread(home.set_passphrase, old, new)
    except HomeKeyWrong:
        raise wrong_passphrase() from None
    except StoreError as error:
        raise store_error(error) from None
    service.lock.touch()
    service.shell.changes.status()
    service.shell.say_changed()
    item: PassphraseItem = {"key_place": home.key_place}
    if home.old_key_is_left:
        item["note"] = (
            "The keyring of this system did not give up the old key yet. The next start tries again."
        )
    yield item


async def cut_off(service: Service) -> AsyncIterator[CutOffItem]:
    """Throw out all windows of the page, this one too: only a new link lets one in. The answer has such a link's path."""
    service.windows.cut_off()
    yield {"path": f"/?token={service.windows.link()}"}


async def erase_everything(service: Service, confirm: str) -> AsyncIterator[ErasedItem]:
    """Take this home off the disk, whole, and end the program. `confirm`: the name of the account."""
    person = service.shell.person
    name = person.identity.name if person is not None else ""
    if confirm != name:
        raise ServiceError(
            "not-confirmed", "That is not the name of this account.", "Give its name to confirm.", REFUSED
        )
    home = service.shell.home
    await service.helper.end()
    stays = others(home.path)
    await asyncio.to_thread(home.erase)
    service.over.set()
    yield {"erased": str(home.path), "stays": stays}

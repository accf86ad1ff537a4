"""The lock of a running app: with a passphrase, nothing more is shown or done until it was given again.

What it is: every method but a few is refused, on every window and for every command. What it is not: the home stays open, so that
messages go on arriving, and its key stays in the memory of the program. `docs/threat-model.md` says from whom that protects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from whimbrel.client.errors import REFUSED, WRONG_USE, ServiceError
from whimbrel.store.errors import HomeKeyWrong

if TYPE_CHECKING:
    from whimbrel.client.shell import Shell

OPEN_METHODS = frozenset(("lock", "unlock", "status", "follow"))
"""What is answered while locked; the last two say no more than that it is."""
LOOK_EVERY = 1.0
"""Seconds between two looks whether the time without a touch is over."""


def locked_error() -> ServiceError:
    return ServiceError("locked", "Whimbrel is locked.", "Unlock it with the passphrase.", REFUSED)


class Lock:
    """Whether the app is locked, and how it comes to be. `changed` is called when that changes."""

    def __init__(self, shell: Shell, lock_after: Callable[[], int], changed: Callable[[], None]) -> None:
        self._shell = shell
        self._lock_after = lock_after
        self._changed = changed
        self._opening = asyncio.Lock()
        self._touched = self._clocks()
        self.locked = False

    def check(self) -> None:
        """Raises ServiceError while locked."""
        if self.locked:
            raise locked_error()

    def touch(self) -> None:
        """Somebody is there."""
        self._touched = self._clocks()

    def close(self) -> None:
        """Lock at once. Raises ServiceError without a passphrase: nothing could open it again."""
        if self._shell.home.key_place != "passphrase":
            raise ServiceError(
                "no-passphrase",
                "There is no passphrase that could open it again.",
                "Choose a passphrase first.",
                WRONG_USE,
            )
        if not self.locked:
            self.locked = True
            self._changed()

    async def open(self, passphrase: str) -> None:
        """Unlock. Raises ServiceError when it is not the passphrase. One guess at a time: each costs what Argon2id costs."""
        async with self._opening:
            if not self.locked:
                return
            try:
                await asyncio.to_thread(self._shell.home.check_passphrase, passphrase)
            except HomeKeyWrong:
                raise wrong_passphrase() from None
            self.locked = False
            self.touch()
            self._changed()

    async def watch(self) -> None:
        """Lock by itself when nobody was there for as long as the settings say; for as long as the app runs."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            patience = self._lock_after()
            may_lock = bool(patience) and not self.locked and self._shell.home.key_place == "passphrase"
            if may_lock and self._quiet_for() >= patience:
                self.close()

    def _quiet_for(self) -> float:
        """Seconds. By the clock as well: the timers of a computer that sleeps stand still."""
        return max(now - then for now, then in zip(self._clocks(), self._touched, strict=True))

    def _clocks(self) -> tuple[float, float]:
        return asyncio.get_running_loop().time(), self._shell.now() / 1000


def wrong_passphrase() -> ServiceError:
    return ServiceError("wrong-passphrase", "That is not the passphrase.", "Try again.", REFUSED)

"""Errors of the home, as commands and the page tell them. Beside `errors`, which loads nothing heavy."""

from __future__ import annotations

from whimbrel.client.errors import HOME, ServiceError
from whimbrel.store.errors import (
    HomeDamaged,
    HomeFull,
    HomeGone,
    HomeKeyMissing,
    HomeKeyWrong,
    HomeLocked,
    HomeMissing,
    HomeNewer,
    HomeReadOnly,
    StoreError,
)

STORE_CODES = {
    HomeMissing: "no-home",
    HomeLocked: "home-locked",
    HomeNewer: "home-newer",
    HomeDamaged: "home-damaged",
    HomeKeyWrong: "home-key",
    HomeKeyMissing: "home-key",
    HomeFull: "home-full",
    HomeReadOnly: "home-read-only",
    HomeGone: "home-gone",
}


def code_of(error: StoreError) -> str:
    """The code of an error of the home, for programs."""
    return next((code for kind, code in STORE_CODES.items() if isinstance(error, kind)), "home")


def store_error(error: StoreError) -> ServiceError:
    """An error of the home, told by its own words."""
    return ServiceError(code_of(error), error.message, error.do, HOME)

"""What can be wrong with a home, in words for the person whose home it is.

Each error says what happened (`message`) and what to do next (`do`). Neither holds a key, a text or a name out of the
store; the path of the home is named, because it is the person's own.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlcipher3 import dbapi2 as sql


class StoreError(Exception):
    """Something is wrong with the home, and nothing of what was asked has been changed."""

    def __init__(self, message: str, do: str) -> None:
        super().__init__(message)
        self.message = message
        self.do = do


class HomeMissing(StoreError):
    """There is no home in this folder."""


class HomeLocked(StoreError):
    """Another program has this home open; `pid` is its process id, where that is known."""

    def __init__(self, message: str, do: str, pid: int | None = None) -> None:
        super().__init__(message, do)
        self.pid = pid


class HomeNewer(StoreError):
    """The home was written by a newer version of the program. It was left as it is."""


class HomeDamaged(StoreError):
    """What is on the disk is not what was written there."""


class HomeKeyWrong(StoreError):
    """The passphrase or key does not open this home."""


class HomeKeyMissing(StoreError):
    """The key of this home is not where it was put, or may not be used as it lies there."""


class HomeFull(StoreError):
    """The disk takes no more."""


class HomeReadOnly(StoreError):
    """The home cannot be written to."""


class HomeGone(StoreError):
    """The home was deleted or replaced while it was open: nothing that is written from now on is kept."""


class Ambiguous(Exception):
    """The beginning of an id fits several; `candidates` are some of them, in full."""

    def __init__(self, prefix: str, candidates: list[bytes]) -> None:
        super().__init__(f"{prefix} fits {len(candidates)} or more messages")
        self.prefix = prefix
        self.candidates = candidates


def home_full(path: Path) -> HomeFull:
    return HomeFull(
        f"The disk (or a quota) that holds {path} takes no more. Nothing was changed.",
        "Make room there, then try again.",
    )


def home_read_only(path: Path) -> HomeReadOnly:
    return HomeReadOnly(
        f"{path} cannot be written to. Nothing was changed.",
        "Check that the folder belongs to you and that its disk is not mounted read-only.",
    )


def home_gone(path: Path) -> HomeGone:
    return HomeGone(
        f"{path} was deleted, moved or replaced while Whimbrel had it open. Nothing more is kept there.",
        "Put the folder back and start again, or make another account: whimbrel init --name NAME",
    )


def home_damaged(path: Path, what: str) -> HomeDamaged:
    return HomeDamaged(
        f"{path} is damaged: {what}.",
        "Keep a copy of the folder, check the disk, and put back a backup of the whole folder if there is one.",
    )


def home_newer(path: Path) -> HomeNewer:
    return HomeNewer(
        f"{path} was written by a newer version of Whimbrel. It was left as it is.",
        "Install the newest version, or choose another home with --home.",
    )


@contextmanager
def told_plainly(home: Path) -> Iterator[None]:
    """Turn what SQLite and the operating system say into the errors above; errors of our own use stay as they are."""
    try:
        yield
    except sql.Error as error:
        if (told := _of_database(error, home)) is None:
            raise
        raise told from error
    except OSError as error:
        if (told := _of_system(error, home)) is None:
            raise
        raise told from error


# Result codes: https://www.sqlite.org/rescode.html. The low byte is the primary code.
_BUSY, _LOCKED, _READONLY, _IOERR, _CORRUPT, _FULL, _CANTOPEN, _NOTADB = 5, 6, 8, 10, 11, 13, 14, 26
# A write that meets a quota or a limit on the size of files comes as one of these, not as FULL:
# IOERR_WRITE, IOERR_FSYNC, IOERR_TRUNCATE, IOERR_SHMSIZE.
_NOT_WRITTEN = frozenset({778, 1034, 1546, 4874})


def _of_database(error: sql.Error, home: Path) -> StoreError | None:
    code: int = getattr(error, "sqlite_errorcode", 0)
    primary = code & 0xFF
    if primary == _FULL or code in _NOT_WRITTEN:
        return home_full(home)
    if primary in (_READONLY, _CANTOPEN):
        return home_read_only(home)
    if primary in (_IOERR, _CORRUPT, _NOTADB):
        return home_damaged(home, "a part of the database cannot be read, or is not what was written")
    if primary in (_BUSY, _LOCKED):
        return HomeLocked(f"Another program has the database in {home} open.", "Close it, then try again.")
    return None


def is_full(error: OSError) -> bool:
    """Whether a disk, a quota or a limit on files takes no more."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _of_system(error: OSError, home: Path) -> StoreError | None:
    if is_full(error):
        return home_full(home)
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return home_read_only(home)
    if error.errno in (errno.EEXIST, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
        return HomeMissing(f"{home} cannot be a folder.", "Choose another home with --home.")
    if error.errno == errno.EIO:
        return home_damaged(home, "the disk cannot be read")
    return None

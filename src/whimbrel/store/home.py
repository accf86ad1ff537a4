"""A home: the folder of one account, open in one program at a time.

    home.json    what kind of home this is and where its key is; in clear, nothing of the account in it
    store.db     everything else, encrypted
    key          the key, only when there was neither a passphrase nor a keyring
    lock         held while a program has the home open; names its process

The folder is made for its owner only (0700, files 0600). Other parts of the program may keep folders of their own in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

from whimbrel.store import erasing, keys
from whimbrel.store.database import Database, no_fault
from whimbrel.store.disk import destroy, sync_folder, write_whole, write_whole_over_a_secret
from whimbrel.store.errors import (
    HomeKeyMissing,
    HomeKeyWrong,
    HomeLocked,
    HomeMissing,
    home_damaged,
    home_gone,
    home_newer,
    home_read_only,
    told_plainly,
)
from whimbrel.store.keys import Argon2Cost, KeyPlace

# Of home.json and of the files in the folder; what is inside store.db has its own number.
VERSION: Final = 1

_WHERE_THE_KEY_IS: Final[dict[KeyPlace, str]] = {
    "passphrase": "The home is encrypted with your passphrase. Nobody can open it without: keep it safe.",
    "keyring": "The home is encrypted. Its key is in the keyring of this system.",
    "file": "The home is encrypted, but its key lies beside it in the file `key`, readable by you only: who gets the"
    " whole folder can read it. Set WHIMBREL_PASSPHRASE before making a home to have it otherwise.",
}


class Home:
    """An open home. Close it, or use it in a `with` statement; while it is open no other program gets in."""

    def __init__(
        self,
        path: Path,
        id: str,
        key_place: KeyPlace,
        database: Database,
        lock: int,
        interactive: bool = False,
        find_keyring: Callable[[bool], keys.Keyring | None] = keys.find_keyring,
    ) -> None:
        self.path = path
        self.id = id
        self.key_place = key_place
        self.database = database
        self.left: list[str] = []
        """After an erased home was closed: what lies in its folder and is not ours."""
        self._lock = lock
        self._interactive = interactive
        self._find_keyring = find_keyring
        self._erased = False
        self._store = _identity_of(path / "store.db")

    @property
    def where_the_key_is(self) -> str:
        """One sentence or two for the person whose home it is."""
        return _WHERE_THE_KEY_IS[self.key_place]

    def check(self) -> None:
        """Raises HomeGone when the home is not in its place any more. The disk would go on taking what is written to it."""
        if _identity_of(self.path / "store.db") != self._store:
            raise home_gone(self.path)

    def folder(self, name: str) -> Path:
        """A folder of this name in the home, made if it is not there."""
        path = self.path / name
        with told_plainly(self.path):
            path.mkdir(mode=0o700, exist_ok=True)
        return path

    def close(self) -> None:
        """Close the database and let other programs in. Doing it again changes nothing."""
        lock, self._lock = self._lock, -1
        if lock < 0:
            return
        try:
            self.database.close()
            if self._erased:
                with told_plainly(self.path):
                    self.left = _take_away(self.path)
        finally:
            os.close(lock)

    # -------------------------------------------------------------------------------- passphrase, and the end

    def check_passphrase(self, passphrase: str) -> None:
        """Raises HomeKeyWrong when it is not the one that opens this home. Takes as long as opening with it."""
        with told_plainly(self.path):
            description = self._description()
            if description.place != "passphrase":
                raise HomeKeyWrong("This home has no passphrase.", "")
            _key(self.path, description, passphrase, self._interactive, self._find_keyring)

    def set_passphrase(self, old: str | None, new: str) -> None:
        """From now on the home opens with `new` and nothing else. `old`: the passphrase until now, if there was one.

        The key of the database stays the same, and is wrapped anew. Whatever comes in between, one of the two places
        opens the home; what is left of the old one is removed by the next start. Raises HomeKeyWrong, HomeKeyMissing.
        """
        with told_plainly(self.path):
            before = self._description()
            key = _key(self.path, before, old or "", self._interactive, self._find_keyring)
            salt, cost = secrets.token_bytes(16), keys.RECOMMENDED_COST
            sealed = keys.seal_with_passphrase(key, new, self.id, salt, cost)
            leaving = before.place if before.place != "passphrase" else before.leaving
            after = _Description(
                self.id, "passphrase", before.check, True, salt, cost, sealed, leaving=leaving
            )
            _write_description(self.path, after, over_a_secret=True)
            self.key_place = "passphrase"
            _leave_old_place(self.path, after, self._interactive, self._find_keyring)

    @property
    def old_key_is_left(self) -> bool:
        """Whether the place where the key was before the passphrase could not be emptied yet: the next start tries again."""
        return self._description().leaving is not None

    def erase(self) -> None:
        """Destroy the key at once, so that nothing here can be read any more; `close` takes the rest away.

        What cannot be done at once (a crash in between, a keyring that does not answer) the next start goes on with.
        """
        with told_plainly(self.path):
            before = self._description()
            if "keyring" in (before.place, before.leaving):
                keys.remove_from_keyring(self._find_keyring(self._interactive), self.id, self._interactive)
            gone = _Description(self.id, "file", "", False, erasing=True)
            _write_description(self.path, gone, over_a_secret=True)
            destroy(self.path / "key")
            self._erased = True

    def _description(self) -> _Description:
        description = _read_description(self.path)
        if description is None:
            raise home_damaged(self.path, "home.json is missing")
        return description

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _identity_of(path: Path) -> tuple[int, int] | None:
    """Which file it is, by disk and number; None when there is none."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def home_exists(path: Path) -> bool:
    """Whether a home was made in this folder; says nothing of whether it can be opened, or whether a part is missing."""
    return (path / "home.json").exists() or (path / "store.db").exists()


def open_home(
    path: Path,
    *,
    create: bool,
    passphrase: str | None = None,
    interactive: bool = False,
    find_keyring: Callable[[bool], keys.Keyring | None] = keys.find_keyring,
    fault: Callable[[str], None] = no_fault,
) -> Home:
    """Open the home in this folder, or with `create` make it if there is none.

    `passphrase` is what WHIMBREL_PASSPHRASE says. `interactive` is whether a person is there who could unlock a keyring.
    Raises a StoreError: HomeMissing, HomeLocked, HomeNewer, HomeDamaged, HomeKeyWrong, HomeKeyMissing, HomeFull or
    HomeReadOnly.
    """
    path = path.absolute()
    with told_plainly(path):
        if not create and not home_exists(path):
            raise _no_home(path)  # and nothing is made in a folder that was named by mistake
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if path.stat().st_mode & 0o077:
            path.chmod(0o700)
        lock = _take_lock(path)
        try:
            description = _read_description(path)
            if description is not None and description.erasing:
                # The program ended while it took a home away.
                erasing.erase(path)
                description = None
            if description is None and (path / "store.db").exists():
                raise home_damaged(path, "home.json is missing, and without it the database cannot be opened")
            if description is None or not description.ready:
                if not create:
                    raise _no_home(path)
                description, key = _make(path, passphrase or None, interactive, find_keyring)
            else:
                key = _key(path, description, passphrase or None, interactive, find_keyring)
                if description.leaving is not None:
                    _leave_old_place(path, description, interactive, find_keyring)
            database = Database(path / "store.db", key, fault=fault)
            return Home(path, description.id, description.place, database, lock, interactive, find_keyring)
        except BaseException:
            os.close(lock)
            raise


@dataclass(frozen=True, slots=True)
class _Description:
    """What home.json says. `salt`, `cost` and `sealed` are there for a home with a passphrase only.

    `ready` is false until the home was made as a whole. `leaving`: where the key was before there was a passphrase, until
    it is gone from there. `erasing`: the home is being taken away, and its key is gone.
    """

    id: str
    place: KeyPlace
    check: str
    ready: bool
    salt: bytes = b""
    cost: Argon2Cost = keys.RECOMMENDED_COST
    sealed: bytes = b""
    leaving: KeyPlace | None = None
    erasing: bool = False


def _take_away(path: Path) -> list[str]:
    """All that is ours; the folder, too, when nothing else is in it. What is left."""
    left = erasing.erase(path)
    (path / "lock").unlink(missing_ok=True)
    if not left:
        with contextlib.suppress(OSError):  # the home may be a link, or a disk of its own
            path.rmdir()
    return left


def _leave_old_place(
    path: Path,
    description: _Description,
    interactive: bool,
    find_keyring: Callable[[bool], keys.Keyring | None],
) -> None:
    """Remove the key from where it was before there was a passphrase; on a keyring that does not answer, later."""
    match description.leaving:
        case "file":
            destroy(path / "key")
        case "keyring":
            if not keys.remove_from_keyring(find_keyring(interactive), description.id, interactive):
                return
    if description.leaving is not None:
        _write_description(path, replace(description, leaving=None))


def _make(
    path: Path,
    passphrase: str | None,
    interactive: bool,
    find_keyring: Callable[[bool], keys.Keyring | None],
) -> tuple[_Description, bytes]:
    """Make a home, or make one again whose making was cut short: nothing was ever written into such a one."""
    for name in ("store.db", "store.db-wal", "store.db-shm", "store.db-journal"):
        (path / name).unlink(missing_ok=True)

    id, key = secrets.token_hex(16), secrets.token_bytes(keys.KEY_BYTES)
    check = keys.check_value(key, id)
    keyring = None if passphrase else find_keyring(interactive)
    if passphrase:
        salt, cost = secrets.token_bytes(16), keys.RECOMMENDED_COST
        sealed = keys.seal_with_passphrase(key, passphrase, id, salt, cost)
        made = _Description(id, "passphrase", check, False, salt, cost, sealed)
    elif keyring is not None and keys.keep_in_keyring(keyring, id, key, interactive):
        made = _Description(id, "keyring", check, False)
    else:
        keys.write_key_file(path / "key", key)
        made = _Description(id, "file", check, False)
    _write_description(path, made)

    store = path / "store.db"
    # SQLite gives its other files the permissions of this one.
    os.close(os.open(store, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    Database(store, key, create=True).close()
    sync_folder(path)
    made = _Description(id, made.place, check, True, made.salt, made.cost, made.sealed)
    _write_description(path, made)
    return made, key


def _key(
    path: Path,
    description: _Description,
    passphrase: str | None,
    interactive: bool,
    find_keyring: Callable[[bool], keys.Keyring | None],
) -> bytes:
    if not (path / "store.db").exists():
        raise home_damaged(path, "the database store.db is missing")
    match description.place:
        case "passphrase":
            if passphrase is None:
                raise HomeKeyMissing(
                    "This home is encrypted with a passphrase, and none was given.",
                    "Set WHIMBREL_PASSPHRASE to the passphrase that the home was made with.",
                )
            key = keys.open_with_passphrase(
                description.sealed, passphrase, description.id, description.salt, description.cost
            )
        case "keyring":
            key = keys.take_from_keyring(find_keyring(interactive), description.id, interactive)
        case "file":
            key = keys.read_key_file(path / "key")
    if keys.check_value(key, description.id) != description.check:
        raise HomeKeyWrong(
            f"The key from the {description.place} is not the key of this home.",
            "Put back the key that belongs to this home; another home's key cannot open it.",
        )
    return key


def _take_lock(path: Path) -> int:
    """The open, locked file. The lock belongs to the process: it ends with it, however that ends."""
    try:
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except PermissionError:
        raise home_read_only(path) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _identity_of(path / "lock") != (os.fstat(lock).st_dev, os.fstat(lock).st_ino):
            os.close(lock)  # of a home that was erased in this moment
            return _take_lock(path)
    except BlockingIOError:
        holder = os.read(lock, 20).strip()
        os.close(lock)
        pid = int(holder) if holder.isdigit() else None
        raise HomeLocked(
            f"Another program has {path} open{f' (process {pid})' if pid else ''}.",
            "Use that one, or end it and try again. One program at a time can have a home open.",
            pid,
        ) from None
    try:
        # Always as long as before, so that it also works on a full disk.
        os.pwrite(lock, b"%-19d\n" % os.getpid(), 0)
    except BaseException:
        os.close(lock)
        raise
    return lock


def _no_home(path: Path) -> HomeMissing:
    return HomeMissing(f"There is no home in {path}.", "Make one: whimbrel init --name NAME")


def _write_description(path: Path, description: _Description, over_a_secret: bool = False) -> None:
    key: dict[str, Any] = {"place": description.place, "check": description.check}
    if description.place == "passphrase":
        cost = description.cost
        key["argon2id"] = {"passes": cost.passes, "memory_kib": cost.memory_kib, "lanes": cost.lanes}
        key["salt"] = description.salt.hex()
        key["sealed"] = description.sealed.hex()
    told = {"version": VERSION, "id": description.id, "key": key, "ready": description.ready}
    if description.leaving is not None:
        told["leaving"] = description.leaving
    if description.erasing:
        told["erasing"] = True
    write = write_whole_over_a_secret if over_a_secret else write_whole
    write(path / "home.json", json.dumps(told, indent=1).encode() + b"\n")


def _read_description(path: Path) -> _Description | None:
    """None when there is no home.json. Raises HomeNewer or HomeDamaged."""
    try:
        text = (path / "home.json").read_bytes()
    except FileNotFoundError:
        return None
    try:
        told = json.loads(text)
        if isinstance(told["version"], int) and told["version"] > VERSION:
            raise home_newer(path)
        return _description_of(told)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise home_damaged(path, "home.json does not say what it should") from None


def _description_of(told: dict[str, Any]) -> _Description:
    key = told["key"]
    place, id, check, ready = key["place"], told["id"], key["check"], told["ready"]
    if told["version"] != VERSION or place not in ("passphrase", "keyring", "file"):
        raise ValueError("no such version or place")
    if not (isinstance(id, str) and isinstance(check, str) and isinstance(ready, bool)):
        raise TypeError("id and check are texts, ready is a truth value")
    if not (id.isascii() and check.isascii()):
        raise ValueError("id and check are hexadecimal digits")
    leaving, is_erasing = told.get("leaving"), told.get("erasing", False)
    if leaving not in (None, "keyring", "file") or not isinstance(is_erasing, bool):
        raise ValueError("no such place to leave")
    if place != "passphrase":
        return _Description(id, place, check, ready, erasing=is_erasing)
    argon = key["argon2id"]
    cost = Argon2Cost(argon["passes"], argon["memory_kib"], argon["lanes"])
    highest = keys.HIGHEST_COST
    if not all(type(part) is int for part in (cost.passes, cost.memory_kib, cost.lanes)):
        raise TypeError("a cost is three whole numbers")
    if not (1 <= cost.passes <= highest.passes and 1 <= cost.lanes <= highest.lanes):
        raise ValueError("no such cost")
    # Argon2 wants 8 KiB for each lane at least.
    if not 8 * cost.lanes <= cost.memory_kib <= highest.memory_kib:
        raise ValueError("no such cost")
    salt, sealed = bytes.fromhex(key["salt"]), bytes.fromhex(key["sealed"])
    if len(salt) != 16:
        raise ValueError("a salt has 16 bytes")
    return _Description(id, place, check, ready, salt, cost, sealed, leaving, is_erasing)

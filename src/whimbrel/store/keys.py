"""The key of a home, and the three places where it can be.

    passphrase   sealed in home.json with a key that Argon2id makes from the passphrase
    keyring      in the keyring of the operating system
    file         in the file `key` of the home, readable by its owner only

A new home takes the first of them that it can have. Afterwards the place stands in home.json, and no other is tried.
"""

from __future__ import annotations

import hmac
import os
import stat
import threading
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeVar

from whimbrel.store.disk import write_whole
from whimbrel.store.errors import HomeKeyMissing, HomeKeyWrong

KeyPlace = Literal["passphrase", "keyring", "file"]

KEY_BYTES: Final = 32
KEYRING_SERVICE: Final = "whimbrel"

# A keyring that is locked may show a dialog. Who sits at a terminal gets the time to answer it; a program that
# was started by another one must not hang.
KEYRING_SECONDS: Final = 5.0
KEYRING_SECONDS_INTERACTIVE: Final = 60.0

_Answer = TypeVar("_Answer")


class Keyring(Protocol):
    """What is used of a backend of the `keyring` package."""

    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...

    def delete_password(self, service: str, username: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Argon2Cost:
    """What a guess at the passphrase costs, beside a salt of 128 bits and a tag of 256."""

    passes: int
    memory_kib: int
    lanes: int


# The second recommended option of RFC 9106 §4.
RECOMMENDED_COST: Final = Argon2Cost(passes=3, memory_kib=64 * 1024, lanes=4)

# What a home.json may ask for, so that a damaged one does not take the machine down.
HIGHEST_COST: Final = Argon2Cost(passes=64, memory_kib=2 * 1024 * 1024, lanes=64)


def seal_with_passphrase(key: bytes, passphrase: str, home_id: str, salt: bytes, cost: Argon2Cost) -> bytes:
    """The key, sealed; `salt` are 16 fresh random bytes and serve no other passphrase."""
    sealed: bytes = _passphrase_cipher(passphrase, salt, cost).encrypt(_NONCE, key, home_id.encode())
    return sealed


def open_with_passphrase(
    sealed: bytes, passphrase: str, home_id: str, salt: bytes, cost: Argon2Cost
) -> bytes:
    from cryptography.exceptions import InvalidTag

    try:
        key: bytes = _passphrase_cipher(passphrase, salt, cost).decrypt(_NONCE, sealed, home_id.encode())
    except InvalidTag:
        raise HomeKeyWrong(
            "The passphrase does not open this home.",
            "Set WHIMBREL_PASSPHRASE to the passphrase that the home was made with.",
        ) from None
    return key


# The key of the cipher comes from a salt that is used once, so the nonce can stay the same.
_NONCE: Final = bytes(12)


def _passphrase_cipher(passphrase: str, salt: bytes, cost: Argon2Cost) -> Any:
    # Loaded here, because a home without a passphrase starts faster without them.
    from argon2.low_level import Type, hash_secret_raw
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

    # The same letters can be typed as different code points; NFC makes them one.
    secret = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    return ChaCha20Poly1305(
        hash_secret_raw(secret, salt, cost.passes, cost.memory_kib, cost.lanes, KEY_BYTES, Type.ID)
    )


def find_keyring(interactive: bool) -> Keyring | None:
    """The keyring of this system if it has a real one.

    The `keyring` package calls a backend recommended from priority 1 on; below are those that fail, store nothing,
    store in clear or ask on the terminal.
    """

    def find() -> Keyring | None:
        import keyring
        from keyring.core import recommended

        backend: Keyring = keyring.get_keyring()
        return backend if recommended(backend) else None

    return _in_time(find, interactive)


def keep_in_keyring(keyring: Keyring, home_id: str, key: bytes, interactive: bool) -> bool:
    """True once the key is in the keyring and came out of it again."""

    def keep() -> str | None:
        keyring.set_password(KEYRING_SERVICE, home_id, key.hex())
        return keyring.get_password(KEYRING_SERVICE, home_id)

    return _in_time(keep, interactive) == key.hex()


def take_from_keyring(keyring: Keyring | None, home_id: str, interactive: bool) -> bytes:
    kept = None
    if keyring is not None:
        kept = _in_time(lambda: keyring.get_password(KEYRING_SERVICE, home_id), interactive)
    if (key := _key_of_hex(kept or "")) is None:
        raise HomeKeyMissing(
            "The key of this home is in the keyring of the system, and the keyring does not give it.",
            "Log in to the desktop session in which the home was made, unlock its keyring, and try again.",
        )
    return key


def remove_from_keyring(keyring: Keyring | None, home_id: str, interactive: bool) -> bool:
    """True once the keyring does not give the key any more."""
    if keyring is None:
        return False

    def remove() -> bool:
        if keyring.get_password(KEYRING_SERVICE, home_id) is not None:
            keyring.delete_password(KEYRING_SERVICE, home_id)
        return keyring.get_password(KEYRING_SERVICE, home_id) is None

    return _in_time(remove, interactive) is True


def write_key_file(path: Path, key: bytes) -> None:
    """Write the file anew, whole or not at all."""
    write_whole(path, key.hex().encode() + b"\n")


def read_key_file(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        text = path.read_text("ascii", "replace")
    except FileNotFoundError:
        raise HomeKeyMissing(
            f"The key of this home is not there: the file {path} is missing.",
            "Put the file back from where the home was copied or backed up; without it nobody can open the home.",
        ) from None
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise HomeKeyMissing(
            f"The key file {path} can be read by others on this machine, so it is not used.",
            f"If nobody else has read it, make it yours alone: chmod 600 {path}",
        )
    if (key := _key_of_hex(text.strip())) is None:
        raise HomeKeyMissing(
            f"The key file {path} does not hold a key.",
            "Put the file back from where the home was copied or backed up; without it nobody can open the home.",
        )
    return key


def check_value(key: bytes, home_id: str) -> str:
    """Stands in home.json, to tell a wrong key from a damaged database. Says nothing of the key."""
    return hmac.digest(key, b"whimbrel/1 check of a home's key" + home_id.encode(), "sha256")[:16].hex()


def _key_of_hex(text: str) -> bytes | None:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        return None
    return key if len(key) == KEY_BYTES else None


def _in_time(ask: Callable[[], _Answer], interactive: bool) -> _Answer | None:
    """What `ask` answers, or None when it fails or does not come back in time.

    A keyring talks to another process, which may never answer. The thread is then left behind: it ends with the program.
    """
    answers: list[_Answer] = []

    def run() -> None:
        try:
            answers.append(ask())
        except Exception:  # whatever a backend raises means that there is no keyring to rely on
            return

    thread = threading.Thread(target=run, name="keyring", daemon=True)
    thread.start()
    thread.join(KEYRING_SECONDS_INTERACTIVE if interactive else KEYRING_SECONDS)
    return answers[0] if answers else None

"""The relay's secrets in its data folder: identity, path, root of admissions, port, and the keys of letters by the week.

All are files readable by the owner only. The identity is what routes and invites pin: who loses it has another relay. The
private keys of letters are destroyed after two weeks, so that recorded letters cannot be opened with a relay that is
seized later.
"""

from __future__ import annotations

import secrets
from base64 import b32encode
from dataclasses import dataclass
from pathlib import Path

from whimbrel.serving.folder import DataFolderDamaged, destroy, keep, write_whole
from whimbrel.wire import keydoc
from whimbrel.wire.admission import Admission, mint
from whimbrel.wire.admission import Limits as NoLimits
from whimbrel.wire.cbor import decode, encode_ordered
from whimbrel.wire.errors import Malformed, WireError
from whimbrel.wire.fields import array, exactly, number
from whimbrel.wire.keydoc import Feature, KeyDocument, Limit
from whimbrel.wire.letters import RelayKeys
from whimbrel.wire.purpose import prf, public_of

from .engine import Identity
from .settings import DAY, Limits

WEEK = 7 * DAY
KEY_LIFE = 2 * WEEK
"""Seconds after which a private key is destroyed, counted from its first day."""
KEY_FILE_MAX = 8192
FEATURES = {int(feature): 1 for feature in Feature}
"""What this version can do: all that it knows."""

_PATH_SIGNS = frozenset(b"abcdefghijklmnopqrstuvwxyz234567")


@dataclass(frozen=True, slots=True)
class Secrets:
    """What stays the same for the life of a relay."""

    identity: Identity
    path: str
    """The way in, with its slash: 80 random bits in small letters and digits."""
    root: bytes

    @property
    def admission(self) -> Admission:
        """The one that is in the relay's address: without limits of its own, always the same."""
        return mint(self.root, prf(self.root, "address")[:8], NoLimits())


def open_secrets(folder: Path) -> Secrets:
    """Read the relay's secrets, or make them at the first start."""
    identity = keep(folder / "identity", lambda: secrets.token_bytes(32), 32)
    path = keep(folder / "path", lambda: b32encode(secrets.token_bytes(10)).lower(), 16)
    if not _PATH_SIGNS.issuperset(path):
        raise DataFolderDamaged("path in the data folder is damaged")
    root = keep(folder / "root", lambda: secrets.token_bytes(32), 32)
    return Secrets(Identity(identity, public_of(identity)), "/" + path.decode("ascii"), root)


class LetterKeys:
    """The keys of letters: this week's, last week's, and none that is older."""

    def __init__(self, folder: Path, identity: Identity, limits: Limits, now: int) -> None:
        self._folder = folder
        self._identity = identity
        self._limits = limits
        folder.mkdir(mode=0o700, exist_ok=True)
        self._held = dict(self._read(path) for path in folder.glob("*.key"))
        self._destroy_old(now)
        if not self._held:
            self._add(now)
        self.current = self._current()
        self.rotate(now)

    def rotate(self, now: int) -> bool:
        """Make this week's key when it is due and destroy those whose time is over. Whether anything changed."""
        newest = self._held[max(self._held)][1]
        # A clock that was ahead, once, is no reason to keep one key for a year. And apps go by what the document says:
        # after an update it has to say what this version can do.
        due = newest.start + WEEK <= now or newest.start > now + WEEK or newest.features != FEATURES
        if due:
            self._add(now)
        destroyed = self._destroy_old(now)
        if due or destroyed:
            self.current = self._current()
        return due or destroyed

    def _current(self) -> RelayKeys:
        newest = max(self._held)
        return RelayKeys(self._held[newest][1], {n: private for n, (private, _) in self._held.items()})

    def _add(self, now: int) -> None:
        # Counted in weeks of Unix time, so that a relay restored from an old copy does not fall behind what apps know.
        number_now = max(max(self._held, default=0) + 1, now // WEEK)
        private = secrets.token_bytes(keydoc.KEM_PRIVATE)
        document = keydoc.make(
            self._identity.private,
            number_now,
            now,
            now + KEY_LIFE,
            keydoc.public_kem_key(private),
            features=FEATURES,
            limits=_stated(self._limits),
        )
        write_whole(
            self._folder / f"{number_now}.key", encode_ordered((number_now, private, document.encoded))
        )
        self._held[number_now] = (private, document)

    def _destroy_old(self, now: int) -> bool:
        newest = max(self._held, default=0)
        old = [
            n
            for n, (_, document) in self._held.items()
            if document.start + KEY_LIFE <= now or (document.start > now + WEEK and n != newest)
        ]
        for n in old:
            del self._held[n]
            destroy(self._folder / f"{n}.key")
        return bool(old)

    def _read(self, path: Path) -> tuple[int, tuple[bytes, KeyDocument]]:
        try:
            n, private, encoded = array(decode(path.read_bytes(), KEY_FILE_MAX), 3)
            document = keydoc.decode(encoded, self._identity.public)
            if number(n) != document.number or keydoc.public_kem_key(exactly(private)) != document.public:
                raise Malformed("a document of another key")
        except (WireError, TypeError):
            raise DataFolderDamaged(f"keys/{path.name} in the data folder is damaged") from None
        return document.number, (private, document)


def _stated(limits: Limits) -> dict[int, int]:
    """What the key document says of the limits: only what is not as usual."""
    ours = {
        Limit.ENTRY_DAYS: limits.entry_life // DAY,
        Limit.ADVANCE_DAYS: limits.advance_life // DAY,
        Limit.ID_DAYS: limits.id_life // DAY,
        Limit.BLOB_BYTES: limits.blob_bytes,
        Limit.SET_DAYS: limits.watch_set_life // DAY,
    }
    return {int(limit): value for limit, value in ours.items() if keydoc.USUAL_LIMITS[limit] != value}

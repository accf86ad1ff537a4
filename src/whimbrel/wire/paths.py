"""Secret paths that can be handed on: whoever holds one makes another from it for each friend, and asks nobody.

    / base32( place (5) ‖ name (5)… ‖ tag (10) )

Base32 is that of RFC 4648 §6 in lower case; there is never padding. The place is the same in all paths of a bridge, so that a front can tell
them from pages by how they begin. The path that the bridge itself gives out has no name in it. One that is handed on has one name more, drawn
or derived by who hands it on, and

    tag = the first 10 bytes of prf(tag before, "path handed on", name)

as macaroons are attenuated (Birgisson et al., "Macaroons", NDSS 2014, §II). The tag before cannot be found from the one after it, so a
friend's path opens what one's own opens and does not give that away. The bridge keeps one secret and no list: it finds the tag
again from the names. What was handed on is cut by its names, with all that was made from it.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from .errors import Malformed
from .purpose import prf

PLACE, NAME, TAG = 5, 5, 10
"""Bytes."""
NAMES_MAX = 4
"""How often a path is handed on at most; then it is of friends of friends of friends, and nobody knows them."""

_TEXT = re.compile(rb"/[a-z2-7]{24}(?:[a-z2-7]{8}){0,4}\Z")

Names = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SecretPath:
    """`place`: 5 bytes. `names`: 5 bytes for each time it was handed on, the first one first. `tag`: 10 bytes."""

    place: bytes
    names: Names
    tag: bytes

    @property
    def text(self) -> str:
        """As it stands in a route."""
        return "/" + base64.b32encode(self.place + b"".join(self.names) + self.tag).decode("ascii").lower()

    def handed_on(self, name: bytes) -> SecretPath:
        """The path of somebody to whom this one is handed on. Raises ValueError: it was handed on too often."""
        if len(name) != NAME:
            raise ValueError(f"a name has {NAME} bytes")
        if len(self.names) >= NAMES_MAX:
            raise ValueError("it was handed on too often")
        return SecretPath(self.place, (*self.names, name), _next(self.tag, name))


def parse_path(text: str) -> SecretPath:
    """A path as it stands in a route. Raises Malformed when it is no secret path of this kind."""
    data = _decoded(text.encode("utf-8", "surrogatepass"))
    if data is None:
        raise Malformed("This path is none that can be handed on.")
    return _split(data)


def names_of(target: bytes, own: SecretPath) -> Names | None:
    """By which names a path comes from a bridge's own; None when it does not. Whether it does takes the same time."""
    data = _decoded(target)
    if data is None:
        return None
    path = _split(data)
    tag = own.tag
    for name in path.names:
        tag = _next(tag, name)
    return path.names if hmac.compare_digest(own.place + tag, path.place + path.tag) else None


def is_cut(names: Names, cut: Iterable[Names]) -> bool:
    """Whether a path with these names was cut, itself or one that it was made from."""
    return any(names[: len(one)] == one for one in cut)


def _next(tag: bytes, name: bytes) -> bytes:
    return prf(tag, "path handed on", name)[:TAG]


def _decoded(target: bytes) -> bytes | None:
    return base64.b32decode(target[1:].upper()) if _TEXT.match(target) else None


def _split(data: bytes) -> SecretPath:
    names = data[PLACE:-TAG]
    each = tuple(names[n : n + NAME] for n in range(0, len(names), NAME))
    return SecretPath(data[:PLACE], each, data[-TAG:])

"""What people hand to each other: an address (a relay that one may use), and an invite (a person who can be reached).

Both are one text each (`base32`), of these bytes:

    address  relay's identity (32) ‖ number of ways (1) ‖ ways ‖ length (1) and bytes of an admission, 0: none
    invite   secret ‖ relay's identity ‖ ways ‖ admission as above ‖ name (UTF-8, to the end)
             secret, one use: a seed (32); open: card (32) ‖ key of the card (32) ‖ inbox (32) ‖ token (32)

Ways are described in `routes`. The name comes last, so that nothing else can be mistaken for it.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from .admission import Admission, decode_admission, encode_admission
from .base32 import read_text, write_text
from .errors import Malformed, TextAltered
from .operations import ID
from .routes import Route, parse_route, read_routes, write_routes

NAME_MAX = 64
"""Characters of a name to show."""
WAYS_MAX = 16

_ADDRESS, _INVITE, _OPEN_INVITE = 1, 2, 3
_KINDS = {_ADDRESS: "the address of a relay", _INVITE: "an invite", _OPEN_INVITE: "an invite"}


@dataclass(frozen=True, slots=True)
class Address:
    """A relay, and perhaps the right to make logs there."""

    relay: bytes
    routes: tuple[Route, ...]
    admission: Admission | None = field(default=None, repr=False)

    @property
    def text(self) -> str:
        """The one text of this address. Raises ValueError when it is too long for one."""
        return write_text(_ADDRESS, _place(self.relay, self.routes, self.admission))


@dataclass(frozen=True, slots=True)
class OneUse:
    """The secret of an invite that works once: everything comes from the seed (32 bytes)."""

    seed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Open:
    """The secrets of an invite that many may open: a card (blob id and key), an inbox and a token to write there."""

    card: bytes
    card_key: bytes = field(repr=False)
    inbox: bytes
    token: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Invite:
    """A person who can be reached through a relay. `name`: to show, claimed by nobody but the text; `place`: an admission
    for an opener who has no relay yet."""

    relay: bytes
    routes: tuple[Route, ...]
    name: str
    secret: OneUse | Open
    place: Admission | None = field(default=None, repr=False)

    @property
    def open(self) -> bool:
        """Whether many may use it."""
        return isinstance(self.secret, Open)

    @property
    def text(self) -> str:
        """The one text of this invite. Raises ValueError for a name that cannot stand in one, or when it is too long."""
        if not name_is_fit(self.name):
            raise ValueError(f"a name has at most {NAME_MAX} characters, none of them invisible")
        if isinstance(self.secret, OneUse):
            kind, secret = _INVITE, self.secret.seed
        else:
            kind = _OPEN_INVITE
            secret = self.secret.card + self.secret.card_key + self.secret.inbox + self.secret.token
        if len(secret) != (ID if kind == _INVITE else 4 * ID):
            raise ValueError("ids, keys and tokens have 32 bytes")
        payload = secret + _place(self.relay, self.routes, self.place) + self.name.encode()
        return write_text(kind, payload)


def parse_address(text: str) -> Address:
    """The address in a pasted text. Raises a TextError that says what is wrong and what to do."""
    _, payload = read_text(text, _KINDS, (_ADDRESS,))
    try:
        relay, routes, admission, end = _read_place(payload, 0)
        if end != len(payload):
            raise Malformed("more than an address")
    except Malformed:
        raise _strange("address") from None
    return Address(relay, routes, admission)


def parse_invite(text: str) -> Invite:
    """The invite in a pasted text. Raises a TextError that says what is wrong and what to do."""
    kind, payload = read_text(text, _KINDS, (_INVITE, _OPEN_INVITE))
    start = ID if kind == _INVITE else 4 * ID
    try:
        if len(payload) < start:
            raise Malformed("an invite without its secret")
        relay, routes, place, end = _read_place(payload, start)
        name = payload[end:].decode()
        if not name_is_fit(name):
            raise Malformed("a name that cannot be shown")
    except (Malformed, UnicodeDecodeError):
        raise _strange("invite") from None
    if kind == _INVITE:
        return Invite(relay, routes, name, OneUse(payload[:ID]), place)
    card, card_key, inbox, token = (payload[i : i + ID] for i in range(0, 4 * ID, ID))
    return Invite(relay, routes, name, Open(card, card_key, inbox, token), place)


def name_is_fit(name: str) -> bool:
    """Whether a name can stand in an invite: not too long, nothing invisible, nothing that turns the line around."""
    return len(name) <= NAME_MAX and all(unicodedata.category(character)[0] != "C" for character in name)


def _strange(what: str) -> TextAltered:
    return TextAltered(f"This {what} is whole, but nothing that works is in it. Ask for another one.")


def _place(relay: bytes, routes: tuple[Route, ...], admission: Admission | None) -> bytes:
    if len(relay) != ID or len(routes) > WAYS_MAX:
        raise ValueError(f"a relay's identity has {ID} bytes, and a text at most {WAYS_MAX} ways")
    encoded = b"" if admission is None else encode_admission(admission)
    return relay + bytes((len(routes),)) + write_routes(routes) + bytes((len(encoded),)) + encoded


def _read_place(payload: bytes, start: int) -> tuple[bytes, tuple[Route, ...], Admission | None, int]:
    at = start + ID
    if len(payload) <= at or payload[at] > WAYS_MAX:
        raise Malformed("a text without ways")
    routes, end = read_routes(payload, payload[at], at + 1)
    if end >= len(payload):
        raise Malformed("a text that ends too early")
    size, end = payload[end], end + 1
    encoded = payload[end : end + size]
    if len(encoded) != size:
        raise Malformed("a text that ends too early")
    return payload[start:at], routes, decode_admission(encoded) if size else None, end + size


__all__ = ["Address", "Invite", "OneUse", "Open", "Route", "parse_address", "parse_invite", "parse_route"]

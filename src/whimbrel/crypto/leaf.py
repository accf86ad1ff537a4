"""What Whimbrel adds to MLS: the leaf extension (how to reach a member) and the roles of a group.

Both are bytes inside MLS extensions of the private range (`mls.LEAF_EXTENSION`, `mls.ROLES_EXTENSION`).
Bytes: docs/protocol/people.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from whimbrel.crypto.errors import Malformed, Newer, reading
from whimbrel.crypto.names import check_name
from whimbrel.wire.cbor import decode, encode
from whimbrel.wire.fields import array, exactly, listing, number, some

LEAF_MAX = 24 * 1024
ROLES_MAX = 40 * 1024
REACH_MAX = 4
"""Inboxes in a leaf or a card; one or two are used."""
ROUTES_MAX = 8
"""Ways to one relay."""
ROUTE_MAX = 512
"""Bytes of one way's text."""
ADMINS_MAX = 1024
TIMER_LEAST = 300
TIMER_MOST = 90 * 24 * 3600
"""Seconds after reading until messages vanish; 0 means that they stay."""
PICTURE_MAX = 256 * 1024
"""Bytes of a group's picture."""
RULES = 1
"""Version of the rules of validity."""

ADMINS = 0
"""A right that only admins have."""
EVERYBODY = 1
"""A right that every member has."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where a person can be written to: an inbox on a relay, a write token granted for it, and the person's card."""

    relay: bytes
    routes: tuple[str, ...]
    inbox: bytes
    token: bytes
    card: bytes
    card_key: bytes


@dataclass(frozen=True, slots=True)
class LeafExtension:
    """A device's key for the relay's log, where its person is reached, and when it was made (Unix seconds)."""

    log_key: bytes
    reach: tuple[Reach, ...]
    made_at: int


@dataclass(frozen=True, slots=True)
class Picture:
    """Where a group's picture lies: a blob on a relay, sealed as a file of this size, SHA-256 and key."""

    relay: bytes
    blob: bytes
    size: int
    hash: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Roles:
    """Who may do what in a group, what it is called and looks like, and how long messages stay.

    Rights are ADMINS or EVERYBODY. Admins are accounts, always sorted, each once. `timer`: seconds after reading
    until new messages vanish; 0: they stay.
    """

    admins: tuple[bytes, ...]
    may_post: int = EVERYBODY
    may_add: int = ADMINS
    may_change: int = ADMINS
    name: str = ""
    timer: int = 0
    picture: Picture | None = None
    version: int = RULES

    def __post_init__(self) -> None:
        object.__setattr__(self, "admins", tuple(sorted(set(self.admins))))


def encode_leaf(leaf: LeafExtension) -> bytes:
    """`[log key, [reach…], made at]`"""
    data = encode([leaf.log_key, pack_reach(leaf.reach), leaf.made_at])
    _check_own(decode_leaf, data, leaf)
    return data


def decode_leaf(data: bytes) -> LeafExtension:
    """Raises Malformed."""
    with reading("a leaf"):
        log_key, reach, made_at = array(decode(data, LEAF_MAX), 3)
        return LeafExtension(exactly(log_key), unpack_reach(reach), number(made_at))


def encode_roles(roles: Roles) -> bytes:
    """`[rules version, [admin accounts, ascending], who may post, add, change, name, timer, picture]`"""
    picture = roles.picture
    data = encode(
        [
            roles.version,
            list(roles.admins),
            roles.may_post,
            roles.may_add,
            roles.may_change,
            roles.name,
            roles.timer,
            picture and [picture.relay, picture.blob, picture.size, picture.hash, picture.key],
        ]
    )
    _check_own(decode_roles, data, roles)
    return data


def decode_roles(data: bytes) -> Roles:
    """Raises Malformed, or Newer for rules of a later version."""
    with reading("roles"):
        fields = listing(decode(data, ROLES_MAX), 64, 1)
        version = number(fields[0])
        if version > RULES:
            raise Newer("rules of a group that this version does not know")
        version, admins, may_post, may_add, may_change, name, timer, picture = array(fields, 8)
        keys = [exactly(admin) for admin in listing(admins, ADMINS_MAX, 1)]
        if version != RULES or keys != sorted(set(keys)):
            raise Malformed("roles whose admins are out of order, or of no version")
        return Roles(
            tuple(keys),
            number(may_post, EVERYBODY),
            number(may_add, EVERYBODY),
            number(may_change, EVERYBODY),
            check_name(name),
            check_timer(number(timer)),
            _unpack_picture(picture),
        )


def check_timer(seconds: int) -> int:
    """A time after which messages vanish. ValueError, with words, if it is none."""
    if seconds and not TIMER_LEAST <= seconds <= TIMER_MOST:
        raise ValueError("a time that is neither 0 nor from 5 minutes to 90 days")
    return seconds


def _unpack_picture(value: Any) -> Picture | None:
    if value is None:
        return None
    relay, blob, size, content_hash, key = array(value, 5)
    return Picture(
        exactly(relay), exactly(blob), some(size, PICTURE_MAX), exactly(content_hash), exactly(key)
    )


def pack_reach(reach: Iterable[Reach]) -> list[list[Any]]:
    """`[[relay, [route…], inbox, token, card, card key]…]`, to be encoded."""
    return [[r.relay, list(r.routes), r.inbox, r.token, r.card, r.card_key] for r in reach]


def unpack_reach(value: Any) -> tuple[Reach, ...]:
    """Raises wire's Malformed: called inside `reading`."""
    found = []
    for item in listing(value, REACH_MAX):
        relay, routes, inbox, token, card, card_key = array(item, 6)
        found.append(
            Reach(
                exactly(relay),
                unpack_routes(routes),
                exactly(inbox),
                exactly(token),
                exactly(card),
                exactly(card_key),
            )
        )
    return tuple(found)


def unpack_routes(value: Any) -> tuple[str, ...]:
    """Texts of ways to a relay. What they say is checked where they are used; here only their number and size."""
    routes = listing(value, ROUTES_MAX)
    for route in routes:
        if type(route) is not str or not 0 < len(route.encode("utf-8")) <= ROUTE_MAX:
            raise ValueError("a way that is no text, or too long")
    return tuple(routes)


def _check_own(decoder: Any, data: bytes, value: Any) -> None:
    """What we make must be what others read; anything else is a fault of ours."""
    try:
        again = decoder(data)
    except (Malformed, Newer) as error:
        raise ValueError(f"cannot be encoded: {error}") from None
    if again != value:
        raise ValueError("cannot be encoded: another value comes back")

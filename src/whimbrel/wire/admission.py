"""Admissions: a relay's secret for the people whom it serves, of which every holder can cut a smaller one for a guest.

A chain of links, each with limits of its own, under one tag (a MAC chain in the manner of macaroons, Birgisson and others,
NDSS 2014):

    tag(0) = HMAC-SHA256(root, link 0)        tag(n) = HMAC-SHA256(tag(n-1), link n)        each cut to 16 bytes

The relay knows the root and so can check any chain; who holds a chain can add links and take none away. A relay counts
for every link what was used under it and under all that were cut from it: so a guest uses up the host's share.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from hmac import compare_digest

from .asking import ADMISSION_MAX
from .cbor import decode, encode_ordered
from .fields import array, exactly, listing, number
from .purpose import labelled, prf

LINK_ID = 8
"""Bytes of a link's id: told apart only among links of the same parent."""
TAG = 16
LINKS_MAX = 8

_PURPOSE = "admission"


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be used in all: inboxes, logs (of the other kinds), megabytes (10^6 bytes), until when (Unix seconds).
    None: no limit of this link's own."""

    inboxes: int | None = None
    logs: int | None = None
    megabytes: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """One step of the chain: an id (8 random bytes) and limits."""

    id: bytes
    limits: Limits


@dataclass(frozen=True, slots=True)
class Admission:
    """A chain and its last tag: whoever has it may use it."""

    links: tuple[Link, ...]
    tag: bytes


@dataclass(frozen=True, slots=True)
class Counted:
    """A link of a chain that was found true: `account` (32 bytes) is what to count under, `limits` how much."""

    account: bytes
    limits: Limits


@dataclass(frozen=True, slots=True)
class Granted:
    """A true chain. `counted` from the root down: each link's use has to stay within its limits. `limits`: the narrowest
    of each kind."""

    counted: tuple[Counted, ...]
    limits: Limits


@dataclass(frozen=True, slots=True)
class Denied:
    """Not a chain of this relay, or one whose time is over; `why` may be logged."""

    why: str


def mint(root: bytes, link_id: bytes, limits: Limits) -> Admission:
    """The first link, by the relay. `root`: 32 secret bytes; `link_id`: 8 random ones."""
    link = Link(link_id, limits)
    return Admission((link,), _tag(root, link))


def narrow(admission: Admission, link_id: bytes, limits: Limits) -> Admission:
    """One for a guest, cut from a chain: what it allows is at most what the chain allows, whatever `limits` says.

    Raises ValueError when the chain is as long as chains may be.
    """
    if len(admission.links) == LINKS_MAX:
        raise ValueError(f"an admission has at most {LINKS_MAX} links")
    link = Link(link_id, limits)
    return Admission((*admission.links, link), _tag(admission.tag, link))


def verify(root: bytes, admission: Admission, now: float) -> Granted | Denied:
    """Whether this relay's root stands behind the chain, and what it allows. `now`: Unix seconds."""
    tag = root
    for link in admission.links:
        tag = _tag(tag, link)
    if not admission.links or not compare_digest(tag, admission.tag):
        return Denied("not an admission of this relay")
    limits = narrowest(admission)
    if limits.until is not None and now >= limits.until:
        return Denied("an admission whose time is over")
    counted = []
    for length, link in enumerate(admission.links, 1):
        path = encode_ordered([_value(one) for one in admission.links[:length]])
        account = hashlib.sha256(labelled("account") + b"\x00" + path).digest()
        counted.append(Counted(account, link.limits))
    return Granted(tuple(counted), limits)


def narrowest(admission: Admission) -> Limits:
    """The smallest limit of each kind in the chain: what its holder can hope for."""
    found: list[int | None] = [None, None, None, None]
    for link in admission.links:
        limits = link.limits
        for i, limit in enumerate((limits.inboxes, limits.logs, limits.megabytes, limits.until)):
            if limit is not None:
                known = found[i]
                found[i] = limit if known is None else min(known, limit)
    return Limits(*found)


def encode_admission(admission: Admission) -> bytes:
    """`[[[id, inboxes, logs, megabytes, until]…], tag]`; null where a link sets no limit."""
    return encode_ordered(([_value(link) for link in admission.links], admission.tag))


def decode_admission(data: bytes) -> Admission:
    """Raises Malformed or TooLarge; says nothing about who made it (`verify`)."""
    links, tag = array(decode(data, ADMISSION_MAX), 2)
    found = []
    for value in listing(links, LINKS_MAX, 1):
        link_id, *limits = array(value, 5)
        found.append(Link(exactly(link_id, LINK_ID), Limits(*map(_limit, limits))))
    return Admission(tuple(found), exactly(tag, TAG))


def _limit(value: object) -> int | None:
    return None if value is None else number(value)


def _value(link: Link) -> tuple[bytes, int | None, int | None, int | None, int | None]:
    limits = link.limits
    return (link.id, limits.inboxes, limits.logs, limits.megabytes, limits.until)


def _tag(key: bytes, link: Link) -> bytes:
    return prf(key, _PURPOSE, encode_ordered(_value(link)))[:TAG]

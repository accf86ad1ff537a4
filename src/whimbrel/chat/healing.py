"""Healing: when a device makes its own keys in a group anew, so that what was stolen once is worth nothing later.

An update commit gives a leaf, and all nodes above it, new keys (RFC 9420 §7.4, §16.6). Pure, with the numbers of
docs/protocol/conversation.md, "Healing".
"""

from __future__ import annotations

from collections.abc import Sequence

from whimbrel.chat.line_state import Healing
from whimbrel.chat.outbox import has_come

POSTS_MAX = 500
"""Own posts after which the keys are made anew."""
AGE_MAX = 7 * 24 * 3600 * 1000
"""Milliseconds after which whoever writes makes them anew."""
MANY = 32
"""Leaves of a group from which on coming in counts as a mass add, and how many of the joiners update by themselves."""
STEP = 30_000
"""Milliseconds between two of them."""


def on_joining(own: int, leaves: Sequence[int], last_resort: bool, now: int) -> Healing:
    """What is due for who has just come in at leaf `own` of a group with these leaves (their indexes).

    In a large group nobody knows a key of the nodes between the joiners, and each commit costs as many bytes as there
    are members until some have updated. If those go first whose leaves lie far apart, every update shortens the commits
    of all: hence the order by bit-reversed index.
    """
    healing = Healing(at=0 if last_resort or len(leaves) >= MANY else now)
    if len(leaves) >= MANY:
        place = place_among(own, leaves)
        if place < MANY:
            healing.planned = now + (place + 1) * STEP
    return healing


def place_among(own: int, leaves: Sequence[int]) -> int:
    """The place (from 0) of a leaf when all are ordered by their index with its bits reversed."""
    width = max(leaves).bit_length()
    order = sorted(leaves, key=lambda index: int(f"{index:0{max(width, 1)}b}"[::-1], 2))
    return order.index(own)


def is_due(healing: Healing, now: int, writes: bool) -> bool:
    """Whether to update now. `writes`: this device has just written."""
    if healing.planned and has_come(healing.planned, now, (MANY + 1) * STEP):
        return True
    return writes and (healing.posts >= POSTS_MAX or abs(now - healing.at) > AGE_MAX)

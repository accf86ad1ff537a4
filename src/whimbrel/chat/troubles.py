"""What can be wrong with a conversation, in words for people. The codes are what lines keep and what `status` shows."""

from __future__ import annotations

DAMAGE = frozenset(("chain", "shown", "behind", "denied", "blob", "locked"))
"""The relay lost or altered something: the conversation moves to another log, by whichever admin comes first."""
ON_THEIR_WAY = frozenset(("moved", "replaced"))
"""A letter that lets this device in is on its way: nothing is wrong unless it does not come."""

_TEXTS = {
    "chain": "The relay shows another history than before.",
    "shown": "The relay has lost what it said was on its disk.",
    "behind": "The relay has lost entries of this conversation.",
    "denied": "The relay does not know this conversation any more.",
    "blob": "The relay has lost a part of this conversation.",
    "locked": "The relay does not take what this device writes here.",
    "expired": "This device was away for longer than the relay keeps entries.",
    "split": "This device did not follow a change that others followed.",
    "copied": "This home was copied or restored: another copy of it writes, too.",
    "retired": "This home was copied or restored, and the copy goes on as this account's device. This one has stopped.",
    "replaced": "This device was let in again, and the letter that brings it in has not come yet.",
    "moved": "The conversation moved, and the letter that lets you in has not come yet.",
    "fork": "A member says that the relay shows them another history.",
    "change": "The log's locks are not those that the group derives: an admin changed them without the group.",
}


def text_of(code: str) -> str:
    """What a code says. One that is not known is an answer of the relay."""
    return _TEXTS.get(code) or f"The relay answers: {code}."


def way_back(code: str, is_admin: bool) -> str:
    """What happens next, for a conversation that is lost."""
    if code in DAMAGE and is_admin:
        return "It moves to a new log by itself; nothing that you have is lost."
    if code in ON_THEIR_WAY:
        return "An admin is asked for another one; nothing that you have is lost."
    return "An admin is asked to let this device in again; nothing that you have is lost."

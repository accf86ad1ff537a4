"""Changes of a group that people in a soak draw, and what may come of them."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from _crowd import Client, Told

POINTLESS = frozenset(("not-found", "not-an-admin", "not-a-member", "last-admin", "no-key-package"))
"""Answers that a change may have when somebody else was faster."""
CHANGES = ("group_add", "group_remove", "update", "group_set", "group_promote", "group_demote")


async def change(
    client: Client, group: str, draw: random.Random, guest: str, member: str, made: Counter[str]
) -> None:
    """A guest comes or goes, a member becomes an admin or one no more, another name, new own keys; counted when answered."""
    what = draw.choice(CHANGES)
    params: dict[str, Any] = {}
    if what in ("group_add", "group_remove"):
        params["person"] = guest
    elif what in ("group_promote", "group_demote"):
        params["person"] = member
    elif what == "group_set":
        params["name"] = f"Rowing {draw.randrange(1000)}"
    await ask_for(client, group, what, params, made)


async def ask_for(client: Client, group: str, what: str, params: dict[str, Any], made: Counter[str]) -> None:
    """Ask for one change; that it has become pointless meanwhile is an answer."""
    try:
        await client.ask(what, group=group, **params)
    except Told as told:
        if told.code not in POINTLESS:
            raise
        made["pointless by then"] += 1
    else:
        made[what.removeprefix("group_")] += 1

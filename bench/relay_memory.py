"""How much memory does an idle session cost that watches three logs?

Sessions are opened one after the other, each a sealed stream that makes three logs of its own, appends one entry to each
and watches them; then all are silent. What counts is how much the relay's process has grown, divided by the sessions.
Sockets in the kernel come on top (4 to 5 KB each, the same for every server), TLS too (47 KB each, if the relay does it).
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from pathlib import Path

import uvloop

from _record import Figure, tell
from _relay import Client, Clients, LogOf, RelayProcess, relay_on_first_core
from whimbrel.wire.answers import Fetched
from whimbrel.wire.codec import encode_entry
from whimbrel.wire.operations import Append, Create, Entry, EntryKind, Watch, WatchItem

LOGS = 3
ENTRY = 200
SETTLED = 2
WARM = 300
"""Sessions that come and go before anything is measured, so that what every relay needs after its first minute (code,
caches of its database) is not counted as theirs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=4000)
    sessions: int = parser.parse_args().sessions
    with tempfile.TemporaryDirectory() as folder, relay_on_first_core(Path(folder)) as relay:
        started = relay.rss()
        warm, half, full = uvloop.run(grow(relay, sessions))
    tell(
        "relay_memory",
        [
            Figure("an idle watching session", (full - warm) / sessions / 1000, "KB", at_most=8),
            Figure("the same, of the second half only", (full - half) / (sessions / 2) / 1000, "KB"),
            Figure("the relay just started", started / 1e6, "MB"),
            Figure(f"after {WARM} sessions that are gone", warm / 1e6, "MB"),
            Figure(f"with {sessions:,} sessions", full / 1e6, "MB"),
        ],
        sessions=sessions,
        logs=LOGS,
    )


async def grow(relay: RelayProcess, sessions: int) -> tuple[int, int, int]:
    """Bytes of the relay after the warm-up, with half of the sessions, and with all."""
    clients = Clients(relay.address)
    gone = await opened(clients, 0, WARM)
    for client in gone:
        client.wire.transport.close()
    found = []
    kept: list[Client] = []
    for until in (0, sessions // 2, sessions):
        kept += await opened(clients, WARM + len(kept), until - len(kept))
        await asyncio.sleep(SETTLED)
        found.append(relay.rss())
    return found[0], found[1], found[2]


async def opened(clients: Clients, first: int, count: int) -> list[Client]:
    """So many sessions, twenty at a time; the very first one asks for the relay's key."""
    sessions = [await session(clients, first)] if count else []
    while len(sessions) < count:
        some = min(20, count - len(sessions))
        sessions += await asyncio.gather(*[session(clients, first + len(sessions) + i) for i in range(some)])
    return sessions


async def session(clients: Clients, number: int) -> Client:
    logs = [LogOf(number * LOGS + i) for i in range(LOGS)]
    client, answers = await clients.open(
        [
            *[Create(log.body, clients.admission) for log in logs],
            *[Append(log.id, log.write, 0, (entry(),)) for log in logs],
            Watch(items=tuple(WatchItem(i, log.id, log.read, 0) for i, log in enumerate(logs))),
        ]
    )
    assert all(isinstance(fetched, Fetched) and fetched.records for _, fetched in answers[-1].results)
    return client


def entry() -> bytes:
    return encode_entry(Entry(EntryKind.MLS, os.urandom(16), os.urandom(ENTRY - 21)))


if __name__ == "__main__":
    main()

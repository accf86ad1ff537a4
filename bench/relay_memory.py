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
import time
from pathlib import Path

import uvloop

from _record import Figure, tell
from _relay import Client, Clients, LogOf, RelayProcess, relay_on_first_core
from whimbrel.wire.answers import Fetched
from whimbrel.wire.codec import encode_entry
from whimbrel.wire.operations import Append, Create, Entry, EntryKind, Watch, WatchItem

LOGS = 3
ENTRY = 200
SETTLED = 12
"""Seconds after which the relay has looked after every session once, and let go of what a silent one does not need."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=4000)
    sessions: int = parser.parse_args().sessions
    with tempfile.TemporaryDirectory() as folder, relay_on_first_core(Path(folder)) as relay:
        empty = relay.rss()
        started = time.perf_counter()
        half, full = uvloop.run(open_all(relay, sessions))
        took = time.perf_counter() - started - 2 * SETTLED
    tell(
        "relay_memory",
        [
            Figure("an idle watching session", (full - empty) / sessions / 1000, "KB", at_most=8),
            Figure("the same, of the second half only", (full - half) / (sessions / 2) / 1000, "KB"),
            Figure("the relay with no session", empty / 1e6, "MB"),
            Figure(f"the relay with {sessions:,} sessions", full / 1e6, "MB"),
            Figure("sessions opened", sessions / took, "1/s"),
        ],
        sessions=sessions,
        logs=LOGS,
    )


async def open_all(relay: RelayProcess, sessions: int) -> tuple[int, int]:
    """Bytes of the relay with half of the sessions, and with all."""
    clients = Clients(relay.address)
    kept: list[Client] = []
    half = 0
    # The first one asks for the relay's key, the others know it.
    kept.append(await session(clients, 0))
    while len(kept) < sessions:
        kept += await asyncio.gather(*[session(clients, len(kept) + i) for i in range(20)])
        if half == 0 and len(kept) >= sessions // 2:
            await asyncio.sleep(SETTLED)
            half = relay.rss()
    await asyncio.sleep(SETTLED)
    return half, relay.rss()


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

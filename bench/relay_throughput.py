"""How many durable messages does one relay carry in a second, on one core?

50 senders, each in its own conversation, and 50 receivers that watch them, all on sealed streams. A sender appends an entry
of 200 bytes, waits for the answer (it is on disk then), and appends the next. A message counts when its receiver has
it. The frames are sealed before and opened after the time is taken, so that the generator on the other core is not what is
measured; afterwards every message is opened and compared: all there, once, in order, and every append answered.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

import uvloop

from _record import Figure, tell
from _relay import Client, Clients, LogOf, RelayProcess, frame_of, relay_on_first_core
from whimbrel.wire.answers import Appended, Fetched, Pushed
from whimbrel.wire.codec import encode_entry
from whimbrel.wire.operations import Append, Create, Entry, EntryKind, Watch, WatchItem
from whimbrel.wire.streams import Answered

ENTRY = 200
"""Bytes of an entry, everything included."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--messages", type=int, default=1600, help="by each sender")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    rounds = []
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory() as folder, relay_on_first_core(Path(folder)) as relay:
            rounds.append(uvloop.run(Run(relay, args.pairs, args.messages).measure()))
    rounds.sort(key=lambda one: one["rate"])
    middle = rounds[len(rounds) // 2]
    figures = [
        Figure("durable messages, delivered", middle["rate"], "1/s", at_least=17_000),
        Figure("the same, per second of the relay's processor", middle["per_cpu"], "1/s"),
        Figure("slowest round", rounds[0]["rate"], "1/s"),
        Figure("fastest round", rounds[-1]["rate"], "1/s"),
        Figure("append answered, half of all within", middle["ack50"], "ms"),
        Figure("append answered, 99 of 100 within", middle["ack99"], "ms"),
        Figure("delivered, half of all within", middle["delivery50"], "ms"),
        Figure("delivered, 99 of 100 within", middle["delivery99"], "ms"),
    ]
    tell("relay_throughput", figures, pairs=args.pairs, messages=args.messages, entry_bytes=ENTRY)


class Run:
    """One round against a fresh relay."""

    def __init__(self, relay: RelayProcess, pairs: int, messages: int) -> None:
        self.relay = relay
        self.clients = Clients(relay.address)
        self.pairs = pairs
        self.messages = messages

    async def measure(self) -> dict[str, float]:
        lanes = [await self.lane(i) for i in range(self.pairs)]
        cpu = self.relay.cpu()
        started = time.perf_counter()
        for lane in lanes:
            lane.send_next()
        # As long as all are sending: who is done first ends the time that counts.
        await asyncio.wait([lane.done for lane in lanes], return_when=asyncio.FIRST_COMPLETED)
        ended = time.perf_counter()
        cpu = self.relay.cpu() - cpu
        delivered = sum(len(lane.delivered) for lane in lanes)
        async with asyncio.timeout(60):
            await asyncio.gather(*[lane.done for lane in lanes])
        for lane in lanes:
            lane.check()
        acks = [(b - a) * 1000 for lane in lanes for a, b in zip(lane.sent_at, lane.acked_at, strict=True)]
        ways = [
            (b - a) * 1000 for lane in lanes for a, b in zip(lane.sent_at, lane.delivered_at, strict=True)
        ]
        return {
            "rate": delivered / (ended - started),
            "per_cpu": delivered / cpu,
            "ack50": statistics.median(acks),
            "ack99": statistics.quantiles(acks, n=100)[98],
            "delivery50": statistics.median(ways),
            "delivery99": statistics.quantiles(ways, n=100)[98],
        }

    async def lane(self, number: int) -> Lane:
        log = LogOf(number)
        sender, _ = await self.clients.open([Create(log.body, self.clients.admission)])
        receiver, _ = await self.clients.open([Watch(items=(WatchItem(1, log.id, log.read, 0),))])
        return Lane(log, sender, receiver, self.messages)


class Lane:
    """A sender, a log, a receiver."""

    def __init__(self, log: LogOf, sender: Client, receiver: Client, messages: int) -> None:
        self.sender, self.receiver = sender, receiver
        self.entries = [
            encode_entry(Entry(EntryKind.MLS, os.urandom(16), os.urandom(ENTRY - 21)))
            for _ in range(messages)
        ]
        assert all(len(entry) == ENTRY for entry in self.entries)
        self.frames = [
            frame_of(sender.stream.request(n, [Append(log.id, log.write, 0, (entry,))]))
            for n, entry in enumerate(self.entries, 1)
        ]
        self.acked: list[bytes] = []
        self.delivered: list[bytes] = []
        self.sent_at: list[float] = []
        self.acked_at: list[float] = []
        self.delivered_at: list[float] = []
        self.done = asyncio.get_running_loop().create_future()
        sender.wire.on_message = self.on_ack
        receiver.wire.on_message = self.on_delivery

    def send_next(self) -> None:
        at = len(self.sent_at)
        if at < len(self.frames):
            self.sent_at.append(time.perf_counter())
            self.sender.wire.transport.write(self.frames[at])

    def on_ack(self, message: bytes) -> None:
        self.acked_at.append(time.perf_counter())
        self.acked.append(message)
        self.send_next()
        self.look_whether_done()

    def on_delivery(self, message: bytes) -> None:
        self.delivered_at.append(time.perf_counter())
        self.delivered.append(message)
        self.look_whether_done()

    def look_whether_done(self) -> None:
        if len(self.acked) == len(self.delivered) == len(self.frames) and not self.done.done():
            self.done.set_result(None)

    def check(self) -> None:
        """Everything that was counted is what it should be."""
        for n, message in enumerate(self.acked, 1):
            [answered] = self.sender.stream.receive(message)
            assert isinstance(answered, Answered)
            [appended] = answered.answers
            assert isinstance(appended, Appended)
            assert (answered.n, appended.last) == (n, n)
        for n, (message, entry) in enumerate(zip(self.delivered, self.entries, strict=True), 1):
            [pushed] = self.receiver.stream.receive(message)
            assert isinstance(pushed, Pushed)
            assert isinstance(pushed.what, Fetched)
            [record] = pushed.what.records
            assert (record.seq, record.entry) == (n, entry)


if __name__ == "__main__":
    main()

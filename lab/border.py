"""The border: a router between the providers and the foreign world that takes its time, and asks a censor about each packet.

One process, one thread. It holds a TUN in each provider's gateway namespace and one in the foreign gateway's, adds 30 ms to each
packet either way, has lines of 50 Mbit/s with queues that can be full, and lets each provider's `Policy` decide. Commands come
on a Unix socket as lines of JSON, `{"do": …}`, each answered by one line:

    prepare   measure, scale, seed: load the measure and make its policies, so that the strike itself takes no time
    strike    measure, scale, seed, cut: the policies are in force from now on. With `cut` every flow to relay, bridges, CDN and peers
              that is open at this moment is dropped for ever, both ways, silently. Answers `at` (monotonic) and the number of cuts
    lift      no policies any more; what was cut stays cut
    flows     since: the flows that something passed of since then
    learnt    for each provider, what its censor listed by itself
    capture   file: write all packets from now on, as they come to the border; without a file: no more
    counters  packets, bytes, losses, what each filter did
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import heapq
import json
import os
import select
import socket
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lab import measures, world
from lab.line import Line
from lab.namespaces import LabError, enter, inside
from lab.pcap import RAW, Writer
from lab.policy import Measure, Out, Policy, Probe, Seen, Side, World
from lab.prober import look
from lab.traffic import Traffic, key_of
from lab.wires import open_tun

ONE_WAY_S = 0.030
"""So that a round trip takes 60 ms: between a European city and a server some 2,000 km away (S0 says 40 to 80)."""
RATE = 50e6
"""Bits a second, for each provider in each direction."""
QUEUE_S = 0.1
"""Of waiting in a line: 625 KB, an ordinary buffer at this rate."""
TUN = "border"
"""What the devices are called in the gateways' namespaces."""

_AT_ONCE = 64
"""Packets read from one device before the others have their turn."""
_PACKET_MAX = 2048
_MOST_WAIT_S = 0.5


class Border:
    """The router."""

    def __init__(
        self, the_world: World, homes: Sequence[int], abroad: int, probing_from: str, rate: float = RATE
    ) -> None:
        """`homes`: a TUN for each provider; `abroad`: the foreign one; `probing_from`: the namespace of the active prober."""
        self.world = the_world
        self._homes = homes
        self._abroad = abroad
        self._probing_from = probing_from
        self._providers = {
            socket.inet_aton(world.provider_net(number).partition("/")[0])[:3]: number
            for number in range(len(homes))
        }
        self._people = {address: name for name, (_, address) in world.PEOPLE.items()}
        self._lines = [{side: Line(rate, ONE_WAY_S, QUEUE_S) for side in Side} for _ in homes]
        self._policies: list[Policy] = [Policy() for _ in homes]
        self._prepared: tuple[Any, list[Policy]] | None = None
        self._wakes: list[float | None] = [None for _ in homes]
        self._quiet = True
        self._fault: str | None = None
        self._waiting: list[tuple[float, int, int, bytes]] = []
        self._count = 0
        self._traffic = Traffic()
        self._passed = 0
        self._bytes = 0
        self._dropped = 0
        self._unsent = 0
        self._capture: Writer | None = None
        self._probing: deque[tuple[int, Policy, Probe, Seen]] = deque()

    # -- packets ---------------------------------------------------------------------------------------------------

    def run(self, commands: socket.socket) -> None:
        """Until the process is ended."""
        asking: dict[int, tuple[socket.socket, bytearray]] = {}
        devices = {tun: (Side.HOME, number) for number, tun in enumerate(self._homes)}
        devices[self._abroad] = (Side.WORLD, -1)
        while True:
            readable, _, _ = select.select([*devices, commands.fileno(), *asking], [], [], self._patience())
            for one in readable:
                if one == commands.fileno():
                    connection, _ = commands.accept()
                    asking[connection.fileno()] = (connection, bytearray())
                elif one in devices:
                    self._take(one, *devices[one])
                elif not self._hear(*asking[one]):
                    asking.pop(one)[0].close()
            now = time.monotonic()
            if not self._quiet:
                try:
                    self._consult(now)
                except Exception as error:
                    self._give_up(error)
            elif self._probing:
                self._probing.clear()  # what was looked at for a censor that is gone
            self._deliver(now)

    def _patience(self) -> float:
        due = self._waiting[0][0] if self._waiting else None
        for wake in self._wakes:
            if wake is not None and (due is None or wake < due):
                due = wake
        if self._probing:
            return 0.0
        if due is None:
            return _MOST_WAIT_S
        return min(_MOST_WAIT_S, max(0.0, due - time.monotonic()))

    def _take(self, tun: int, side: Side, provider: int) -> None:
        for _ in range(_AT_ONCE):
            try:
                data = os.read(tun, _PACKET_MAX)
            except BlockingIOError:
                return
            now = time.monotonic()
            if self._capture is not None:
                self._capture.write(time.time(), data)
            if side is Side.WORLD:
                found = self._providers.get(data[16:19])
                if found is None:
                    continue  # to nobody who lives here
                provider = found
            self._passed += 1
            self._bytes += len(data)
            if not self._traffic.passes(now, side, data):
                continue
            if self._quiet:
                self._send(now, provider, side.other, data, 0.0)
            else:
                try:
                    outs = self._policies[provider].packet(now, side, data)
                except Exception as error:
                    self._give_up(error)
                    continue
                if not outs:
                    self._dropped += 1
                self._send_all(now, provider, outs)

    def _send_all(self, now: float, provider: int, outs: Sequence[Out]) -> None:
        for out in outs:
            self._send(now, provider, out.side, out.data, out.delay)

    def _send(self, now: float, provider: int, side: Side, data: bytes, delay: float) -> None:
        due = self._lines[provider][side].arrival(now, len(data))
        if due is not None:
            self._count += 1
            to = self._homes[provider] if side is Side.HOME else self._abroad
            heapq.heappush(self._waiting, (due + delay, self._count, to, data))

    def _deliver(self, now: float) -> None:
        waiting = self._waiting
        while waiting and waiting[0][0] <= now:
            _, _, to, data = heapq.heappop(waiting)
            try:
                os.write(to, data)
            except OSError:
                self._unsent += 1  # the device is full or gone: a lost packet, as anywhere

    def _consult(self, now: float) -> None:
        """What the policies have to say by themselves: packets that were held, and addresses to look at."""
        while self._probing:
            provider, policy, probe, seen = self._probing.popleft()
            if self._policies[provider] is policy:
                policy.probed(now, probe, seen)
        for provider, policy in enumerate(self._policies):
            outs, self._wakes[provider] = policy.timer(now)
            self._send_all(now, provider, outs)
            for probe in policy.probes():
                threading.Thread(target=self._probe, args=(provider, policy, probe), daemon=True).start()

    def _probe(self, provider: int, policy: Policy, probe: Probe) -> None:
        enter(self._probing_from)
        self._probing.append((provider, policy, probe, look(probe)))

    def _give_up(self, error: Exception) -> None:
        """A measure failed: the network is open, and whoever asks what the censor did is told so. Such a run is void."""
        where = traceback.extract_tb(error.__traceback__)[-1]
        self._fault = f"the measure failed: {type(error).__name__}: {error} ({where.filename}:{where.lineno})"
        self._open_up()

    # -- commands --------------------------------------------------------------------------------------------------

    def _hear(self, connection: socket.socket, heard: bytearray) -> bool:
        """Answer what was asked in whole lines; whether the asker is still there."""
        try:
            more = connection.recv(65536)
            heard += more
            while (end := heard.find(b"\n")) >= 0:
                line = bytes(heard[:end])
                del heard[: end + 1]
                connection.sendall(json.dumps(self._answer(line)).encode() + b"\n")
        except ConnectionError:
            return False
        return bool(more)

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            asked = json.loads(line)
            return _DEEDS[asked.pop("do")](self, **asked)
        except Exception as error:  # whatever a measure of somebody else does: the border stands, and says it
            return {"error": f"{type(error).__name__}: {error}"}

    def prepare(self, measure: str, scale: float = 1.0, seed: int = 0) -> dict[str, Any]:
        loaded: Measure = measures.load(measure)
        made = [loaded.policy(self.world, number, scale, seed) for number in range(len(self._homes))]
        self._prepared = ((measure, scale, seed), made)
        return {}

    def strike(self, measure: str, scale: float = 1.0, seed: int = 0, cut: bool = False) -> dict[str, Any]:
        if self._prepared is None or self._prepared[0] != (measure, scale, seed):
            self.prepare(measure, scale, seed)
        assert self._prepared is not None
        self._fault = None
        self._policies, self._prepared = self._prepared[1], None
        self._quiet = all(type(policy) is Policy for policy in self._policies)
        self._wakes = [None for _ in self._homes]
        now = time.monotonic()
        return {"at": now, "cut": self._cut() if cut else 0}

    def _cut(self) -> int:
        cut = self._traffic.cut_open((*self.world.service_addresses, self.world.cdn_address))
        # What is on its way has not arrived: it is dropped with the rest.
        left = []
        for entry in self._waiting:
            side = Side.WORLD if entry[2] in self._homes else Side.HOME
            if key_of(entry[3], side) not in cut:
                left.append(entry)
        heapq.heapify(left)
        self._waiting = left
        return len(cut)

    def lift(self) -> dict[str, Any]:
        now = time.monotonic()
        self._fault = None
        self._open_up()
        return {"at": now}

    def _open_up(self) -> None:
        self._policies = [Policy() for _ in self._homes]
        self._wakes = [None for _ in self._homes]
        self._quiet = True

    def flows(self, since: float = 0.0) -> dict[str, Any]:
        return {"flows": self._traffic.report(since, lambda address: self._people.get(address, address))}

    def learnt(self) -> dict[str, Any]:
        self._check()
        return {"learnt": [list(policy.learnt()) for policy in self._policies]}

    def capture(self, file: str | None = None) -> dict[str, Any]:
        if self._capture is not None:
            self._capture.close()
        self._capture = Writer(Path(file), RAW) if file is not None else None
        return {}

    def counters(self) -> dict[str, Any]:
        self._check()
        return {
            "packets": self._passed,
            "bytes": self._bytes,
            "dropped": self._dropped,
            "cut": self._traffic.lost_to_cut,
            "queue_full": sum(line.dropped for lines in self._lines for line in lines.values()),
            "unsent": self._unsent,
            "policies": [policy.counts() for policy in self._policies],
        }

    def _check(self) -> None:
        if self._fault is not None:
            raise LabError(self._fault)


_DEEDS: dict[str, Callable[..., dict[str, Any]]] = {
    "prepare": Border.prepare,
    "strike": Border.strike,
    "lift": Border.lift,
    "flows": Border.flows,
    "learnt": Border.learnt,
    "capture": Border.capture,
    "counters": Border.counters,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--ca", required=True)
    parser.add_argument("--socket", required=True)
    parser.add_argument("--rate", type=float, default=RATE)
    args = parser.parse_args()
    homes = [
        inside(f"{args.prefix}-{world.provider_name(number)}", lambda: open_tun(TUN))
        for number in range(world.PROVIDERS)
    ]
    abroad = inside(f"{args.prefix}-{world.WORLD_GATEWAY}", lambda: open_tun(TUN))
    prober = f"{args.prefix}-{world.PROBER.name}"
    border = Border(world.the_world(args.ca), homes, abroad, prober, args.rate)
    commands = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(args.socket)
    commands.bind(args.socket)
    commands.listen(16)
    # The packet path leaves nothing for the collector, which would stop it for milliseconds.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    sys.setswitchinterval(0.001)  # a prober's thread has its turn, and gives it back
    sys.stdout.write(json.dumps({"event": "ready"}) + "\n")
    sys.stdout.flush()
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)  # a late border would be a longer way
    border.run(commands)


if __name__ == "__main__":
    main()

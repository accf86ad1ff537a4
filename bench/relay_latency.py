"""How long is a message on its way from sender to watcher at 1,000 messages a second?

50 senders share the rate; each message leaves at its time whatever came back, and its way is counted from that time
to its arrival at the receiver. The generator spins on the last core (sleeps are late by up to a millisecond in a virtual machine),
the server with its database has the first one. Our relay pushes what is on disk; sealed streams without TLS.
"""

from __future__ import annotations

import argparse
import statistics
from collections import defaultdict

from _contest import ALL, PAIRS, PAYLOAD, TROUBLE, OfXmpp, Ours, started
from _record import Figure, middle, tell

RATE = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5, help="of each server in a round")
    parser.add_argument("--only", nargs="*", help="names of servers, as printed, or how they begin")
    args = parser.parse_args()
    found: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    absent: dict[str, str] = {}
    versions: dict[str, str | None] = {}
    for make in ALL:
        if args.only and not make.name.startswith(tuple(args.only)):
            continue
        try:
            with started(make) as one:
                versions |= one.versions()
                if isinstance(one, OfXmpp):
                    one.answers = True
                one.load(1, RATE)
                for _ in range(args.rounds):
                    cpu = one.cpu()
                    findings, ways = one.load(args.seconds, RATE)
                    cpu = (one.cpu() - cpu) / findings.seconds
                    p50, p99 = statistics.median(ways) * 1000, statistics.quantiles(ways, n=100)[98] * 1000
                    found[one.name].append((p50, p99, cpu))
                    print(
                        f"  {one.name:<34} half within {p50:.2f} ms, 99 of 100 within {p99:.2f} ms",
                        flush=True,
                    )
        except TROUBLE as error:
            if make is Ours:
                raise
            # Also a server that cannot keep up with the rate: that is a finding.
            absent[make.name] = f"{type(error).__name__}: {error}"
            print(f"  {make.name}: left out: {absent[make.name]}", flush=True)
    figures: list[Figure] = []
    for name, rounds in found.items():
        ours = name == Ours.name
        half, most, share = zip(*rounds, strict=True)
        figures.append(middle(f"{name}: half of all within", half, "ms", at_most=1 if ours else None))
        figures.append(middle(f"{name}: 99 of 100 within", most, "ms", at_most=10 if ours else None))
        figures.append(middle("  share of its core", [100 * one for one in share], "%"))
    tell(
        "relay_latency",
        figures,
        rate=RATE,
        pairs=PAIRS,
        payload_bytes=PAYLOAD,
        rounds=args.rounds,
        seconds=args.seconds,
        xmpp="with stream management and carbons",
        peers=versions,
        absent=absent,
    )


if __name__ == "__main__":
    main()

"""How many durable messages does one relay carry in a second, on one core, beside the servers that people run today?

50 senders, each with one message of 200 bytes under way to a receiver of its own. The next one leaves when the one before has
been answered by the server (where the protocol answers) and has reached its receiver. Our relay answers and pushes what
is on disk; sealed streams without TLS, frames sealed before and opened after the clock. It runs on the Python that runs this, and on the one of the distribution, from where the
peers come too. Each server has the first core for
itself and its database, the generator (peers/pairs.c) the last one; rounds go around all servers, each started anew.

XMPP servers run in two forms: bare (nobody answers the sender), and answered, as clients of today use them, with stream
management (XEP-0198) and carbons. Beside that, for all: every message acknowledged by one back from its receiver.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import product

from _contest import ALL, PAIRS, PAYLOAD, TROUBLE, Contestant, OfXmpp, Ours, OursPackaged, started
from _record import Figure, middle, tell

WARM = 0.5
"""Seconds of load before the first form of a server that counts."""
ARCHIVE, ALONE = "ejabberd + mod_mam on PostgreSQL", "ejabberd"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.5, help="of each form of each server in a round")
    parser.add_argument("--only", nargs="*", help="names of servers, as printed, or how they begin")
    args = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    absent: dict[str, str] = {}
    versions: dict[str, str | None] = {}
    keeps: dict[str, str] = {}
    makes = [make for make in ALL if not args.only or make.name.startswith(tuple(args.only))]
    for n in range(args.rounds):
        for make in makes:
            if make.name in absent:
                continue
            try:
                with started(make) as one:
                    versions |= one.versions()
                    keeps[one.name] = one.keeps
                    one.load(WARM)
                    for form, back in forms(one):
                        name = f"{one.name}{form}"
                        found[name].append(measured(one, args.seconds, back))
                        last = found[name][-1]
                        print(
                            f"  round {n + 1}: {name:<64} {last['rate']:>9,.0f}/s, generator at"
                            f" {last['generator']:.0%} of its core",
                            flush=True,
                        )
            except TROUBLE as error:
                if make is Ours:
                    raise
                absent[make.name] = f"{type(error).__name__}: {error}"
                print(f"  {make.name}: left out: {absent[make.name]}", flush=True)
    tell(
        "relay_throughput",
        [*ratios(found), *rates(found)],
        pairs=PAIRS,
        payload_bytes=PAYLOAD,
        rounds=args.rounds,
        seconds=args.seconds,
        keeps=keeps,
        peers=versions,
        absent=absent,
    )


def forms(one: Contestant) -> Iterator[tuple[str, bool]]:
    """Each form in which a server is measured: what is added to its name, and whether receivers acknowledge."""
    if isinstance(one, OfXmpp):
        one.answers = False
        yield ", bare", False
        one.answers = True
        yield ", answered", False
        yield ", answered; acknowledged back", True
    else:
        yield "", False
        yield "; acknowledged back", True


def measured(one: Contestant, seconds: float, back: bool) -> dict[str, float]:
    before, began = one.cpu(), time.perf_counter()
    findings, ways = one.load(seconds, None, back)
    cpu = one.cpu() - before
    return {
        "rate": findings.delivered() / findings.seconds,
        "per_cpu": len(ways) / cpu,
        "p50": statistics.median(ways) * 1000,
        "p99": statistics.quantiles(ways, n=100)[98] * 1000,
        "generator": findings.generator / findings.seconds,
        "took": time.perf_counter() - began,
    }


def ratios(found: dict[str, list[dict[str, float]]]) -> list[Figure]:
    """Ours by theirs, in the same round."""
    figures = []
    for ours, back, form in product(
        (Ours, OursPackaged), ("", "; acknowledged back"), (", bare", ", answered")
    ):
        for peer, aim in ((ARCHIVE, 10), (ALONE, 2)):
            own, theirs = found.get(f"{ours.name}{back}", []), found.get(f"{peer}{form}{back}", [])
            both = [a["rate"] / b["rate"] for a, b in zip(own, theirs, strict=False)]
            if both:
                what = f"{ours.name} as a multiple of {peer}{form}{back}"
                figures.append(middle(what, both, "times", at_least=None if back else aim))
    return figures


def rates(found: dict[str, list[dict[str, float]]]) -> list[Figure]:
    figures = []
    for name, rounds in found.items():
        figures.append(middle(name, [one["rate"] for one in rounds], "1/s"))
        figures.append(middle("  per second of its processor", [one["per_cpu"] for one in rounds], "1/s"))
        shares = [100 * one["rate"] / one["per_cpu"] for one in rounds]
        figures.append(middle("  share of its core", shares, "%"))
        figures.append(middle("  delivered, half of all within", [one["p50"] for one in rounds], "ms"))
        figures.append(middle("  delivered, 99 of 100 within", [one["p99"] for one in rounds], "ms"))
        share = max(one["generator"] for one in rounds)
        figures.append(Figure("  the generator's share of its core, at most", share * 100, "%"))
    return figures


if __name__ == "__main__":
    main()

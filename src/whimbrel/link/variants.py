"""What can be made of a route when it does not get through as it is: another address, no name, a cut hello, letters.

A filter looks at the name in the hello, at the shape of the hello, at the address, at how many connections are made and at
how much one carries. Each variant takes one of these away. Another machine (a bridge) comes before tricks at the same one,
and tricks in the order in which they are plainer. Which of them this program can do, the caller knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from whimbrel.link.ways import Candidate, neighbourhood
from whimbrel.wire.errors import Malformed
from whimbrel.wire.routes import Route

PLAIN, UNNAMED, CUT, SYSTEM = "plain", "unnamed", "frag", "system"
"""What a filter sees of the handshake: the name in a browser's hello; no name; the name in two pieces; another program's hello."""
ELSEWHERE, BY_NAME, LETTERS = 1, 2, 10
"""Costs beside the route's own: another machine than the first; a name to be resolved where addresses are known; letters in
place of a stream."""
COSTS = {PLAIN: 0, UNNAMED: 20, CUT: 30, SYSTEM: 40}
SHORT = 60
ADDRESSES_MAX = 4
"""Subnets of one route that are told apart."""

Known = Callable[[Route], Candidate | None]
"""The route as the dialer sees it; None when this program cannot use it."""


def variants(routes: Iterable[Route], known: Known) -> dict[str, tuple[Route, Candidate]]:
    """All that can be dialled, by the text of the way: the routes as they are, and what was made of them."""
    found: dict[str, tuple[Route, Candidate]] = {}
    hosts: list[str] = []
    routes = tuple(routes)
    addresses = {route.host: route.addresses for route in routes if route.addresses}
    for route in routes:
        plain = known(route)
        if plain is None:
            continue
        if route.host not in hosts:
            hosts.append(route.host)
        if plain.near or route.transport not in ("wss", "https"):
            found.setdefault(route.text, (route, plain))
            continue
        elsewhere = ELSEWHERE if hosts.index(route.host) else 0
        for pinned in _by_subnet(route):
            for made, kind, cost, short in _tricks(pinned):
                candidate = known(made)
                if candidate is None or made.text in found:
                    continue
                if not made.addresses and route.host in addresses:  # by name it leads where its addresses are
                    _, subnet = neighbourhood(route.host, addresses[route.host])
                    candidate, cost = replace(candidate, subnet=subnet), cost + BY_NAME
                found[made.text] = (
                    made,
                    replace(
                        candidate,
                        cost=plain.cost + elsewhere + cost,
                        host=route.host,
                        kind=kind,
                        short=short,
                        origin=route.text,
                    ),
                )
    return found


def _by_subnet(route: Route) -> list[Route]:
    """One for each subnet of the addresses that are known, so that each can be tried, and counted, for itself."""
    firsts: dict[str, Route] = {}
    for address in route.addresses:
        _, subnet = neighbourhood(address)
        firsts.setdefault(subnet, replace(route, addresses=(address,)))
    return list(firsts.values())[:ADDRESSES_MAX] if len(firsts) > 1 else [route]


def _tricks(route: Route) -> Iterable[tuple[Route, str, int, bool]]:
    """(way, what its handshake looks like, what it costs more, whether it is short) for one address."""
    kind = _kind(route)
    yield route, kind, 0, "short" in route.wrappers
    if kind != PLAIN or (route.wrappers and "short" in route.wrappers):
        return
    letters = replace(route, transport="https", port=route.port)
    if route.transport == "wss":
        yield letters, PLAIN, LETTERS, False
    if not route.host_is_address and route.sni is None:
        yield replace(route, sni=""), UNNAMED, COSTS[UNNAMED], False
    for word in (CUT, SYSTEM):
        wrapped = _wrapped(route, word)
        if wrapped is not None:
            yield wrapped, word, COSTS[word], False
    short = _wrapped(letters, "short")
    if short is not None:
        yield short, PLAIN, SHORT, True
        if not route.host_is_address and route.sni is None:
            yield replace(short, sni=""), UNNAMED, SHORT + COSTS[UNNAMED], True


def _kind(route: Route) -> str:
    for word in (CUT, SYSTEM):
        if word in route.wrappers:
            return word
    return UNNAMED if route.sni == "" else PLAIN


def _wrapped(route: Route, word: str) -> Route | None:
    """With one more wrapper, next to the transport; None when the text would be too long for a way."""
    try:
        return replace(route, wrappers=(*route.wrappers, word))
    except Malformed:
        return None

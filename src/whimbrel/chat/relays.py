"""The relays that an account knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from whimbrel.crypto.leaf import ROUTES_MAX
from whimbrel.wire.errors import Malformed
from whimbrel.wire.paths import SecretPath, parse_path
from whimbrel.wire.routes import KEY, Route, parse_route

_RELAYS_OWN = re.compile(r"/[a-z2-7]{16}\Z")
"""The secret path that a relay makes (docs/protocol/relay.md)."""
_FROM_OTHERS = ("public", "short", "system")
"""Wrappers that may stand around a way that others name, beside a server's key."""


@dataclass(frozen=True, slots=True)
class Relay:
    """A relay that this account uses or has met."""

    identity: bytes
    routes: tuple[str, ...]
    admission: bytes | None
    embedded: bool = False


def fitting(routes: Iterable[str]) -> tuple[str, ...]:
    """As many ways as are kept of one relay, each once, the first ones first. Where they are too many, those for single
    letters go that stand beside a stream at the same place: apps find them from it."""
    kept = list(dict.fromkeys(routes))
    for route in reversed(kept.copy()):
        if len(kept) > ROUTES_MAX and stream_beside(route) in kept:
            kept.remove(route)
    return tuple(kept[:ROUTES_MAX])


def streams(routes: Iterable[str]) -> tuple[str, ...]:
    """Ways as others are told them: without those for single letters by TLS that stand beside a stream at the same place. Apps find them
    from it (`link.variants`), and each takes room in every key package, card and Welcome."""
    told = tuple(routes)
    return tuple(r for r in told if "https://" not in r or stream_beside(r) not in told)


def from_others(routes: Iterable[str]) -> Iterator[str]:
    """Those of these ways, named by others or by a relay itself, that are taken. Nobody is to have this app speak by a proxy, start a program, or
    send a request of their making into the network that it stands in: where no certificate for a name on the internet has to be shown first, a
    way needs the path of a relay or a bridge. What cannot be understood is not taken."""
    for text in routes:
        try:
            route = parse_route(text)
        except Malformed:
            continue
        if not (_shows_itself(route) or _RELAYS_OWN.match(route.path) or bridges_path(route)):
            continue
        if all(one in _FROM_OTHERS or one.startswith(f"{KEY}:") for one in route.wrappers):
            yield text


def _shows_itself(route: Route) -> bool:
    """Whether the server shows a certificate for its name before anything is said, and is not plainly one of a private network."""
    named = route.transport in ("wss", "https") and route.sni != "" and not route.host_is_address
    keyed = any(one.startswith(f"{KEY}:") for one in route.wrappers)  # whose key it is, many may know
    return (
        named
        and not keyed
        and route.host != "localhost"
        and all(ip_address(one).is_global for one in route.addresses)
    )


def stream_beside(route: str) -> str | None:
    """The stream at the place to which this way takes single letters."""
    *wrappers, inner = route.split("|")
    for letters, stream in (("https://", "wss://"), ("http://", "ws://")):
        if inner.startswith(letters):
            return "|".join([*wrappers, stream + inner.removeprefix(letters)])
    return None


def bridges_path(route: Route) -> SecretPath | None:
    """The path of a bridge; None when the way leads to the relay itself."""
    try:
        return parse_path(route.path)
    except Malformed:
        return None

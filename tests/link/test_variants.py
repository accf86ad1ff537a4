"""What is made of the routes that are known: in which order, and for whom."""

from __future__ import annotations

from simulated_network import BRIDGES, RELAY, known

from whimbrel.link.variants import variants
from whimbrel.link.ways import Candidate
from whimbrel.wire.routes import Route, parse_route


def made_of(*texts: str) -> list[Candidate]:
    found = variants([parse_route(t) for t in texts], known)
    assert all(text == route.text == c.text for text, (route, c) in found.items())
    return sorted((c for _, c in found.values()), key=lambda c: (c.cost, c.text))


def test_from_plain_to_tricks() -> None:
    ways = made_of("wss://relay.example/x")
    assert [(c.text, c.kind, c.short) for c in ways] == [
        ("wss://relay.example/x", "plain", False),
        ("https://relay.example/x", "plain", False),
        ("wss://relay.example/x?sni=", "unnamed", False),
        ("frag|wss://relay.example/x", "frag", False),
        ("system|wss://relay.example/x", "system", False),
        ("short|https://relay.example/x", "plain", True),
        ("short|https://relay.example/x?sni=", "unnamed", True),
    ]
    assert {c.origin for c in ways} == {"wss://relay.example/x"}
    assert {c.host for c in ways} == {"relay.example"}


def test_another_machine_comes_before_a_trick_at_the_same_one() -> None:
    ways = made_of("wss://relay.example/x", "wss://bridge.example/y")
    order = [c.text for c in ways]
    assert order.index("wss://bridge.example/y") == 1
    assert order.index("https://bridge.example/y") < order.index("wss://relay.example/x?sni=")


def test_a_route_with_addresses_in_two_subnets_is_two_ways() -> None:
    streams = [c for c in made_of(RELAY) if c.kind == "plain" and c.cost == 0]
    assert [(c.text, c.subnet) for c in streams] == [
        ("wss://relay.example/x?ip=198.51.100.7", "198.51.100.0/24"),
        ("wss://relay.example/x?ip=203.0.113.7", "203.0.113.0/24"),
    ]
    together = made_of("wss://relay.example/x?ip=203.0.113.7&ip=203.0.113.8")
    assert together[0].text == "wss://relay.example/x?ip=203.0.113.7&ip=203.0.113.8"


def test_ways_on_this_machine_and_unencrypted_ones_are_used_as_they_are() -> None:
    assert [c.text for c in made_of("ws://127.0.0.1:7/x", "wss://127.0.0.1:7/x", "ws://10.0.0.1/x")] == [
        "ws://10.0.0.1/x",
        "ws://127.0.0.1:7/x",
        "wss://127.0.0.1:7/x",
    ]


def test_only_what_this_program_can_do() -> None:
    def plain_only(route: Route) -> Candidate | None:
        return None if route.wrappers else known(route)

    found = variants([parse_route("wss://relay.example/x")], plain_only)
    assert list(found) == ["wss://relay.example/x", "https://relay.example/x", "wss://relay.example/x?sni="]


def test_what_somebody_wrote_with_a_trick_stays_one() -> None:
    ways = made_of("frag|wss://relay.example/x")
    assert [(c.text, c.kind) for c in ways] == [("frag|wss://relay.example/x", "frag")]
    proxied = made_of("socks5://127.0.0.1:9050|wss://relay.example/x")
    assert proxied[0].text == "socks5://127.0.0.1:9050|wss://relay.example/x"
    assert "socks5://127.0.0.1:9050|frag|wss://relay.example/x" in [c.text for c in proxied]


def test_none_is_there_twice() -> None:
    found = variants([parse_route(t) for t in (RELAY, RELAY.replace("wss", "https"), *BRIDGES)], known)
    assert len({c.text for _, c in found.values()}) == len(found)


def test_a_route_by_name_counts_where_its_addresses_are_known_to_be() -> None:
    ways = made_of("wss://relay.example/x?ip=203.0.113.7", "https://relay.example/x")
    assert {c.subnet for c in ways} == {"203.0.113.0/24"}
    order = [c.text for c in ways]
    assert order.index("https://relay.example/x?ip=203.0.113.7") < order.index("https://relay.example/x")

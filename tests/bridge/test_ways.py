"""Ways to a relay that a person adds, and that a relay hands out."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from support.bridges import cut, gets_through
from support.homes import BridgeProcess, Home, RelayProcess, befriend
from whimbrel.chat.relays import fitting, streams
from whimbrel.crypto.leaf import ROUTES_MAX
from whimbrel.wire.paths import parse_path
from whimbrel.wire.routes import Route, parse_route
from whimbrel.wire.texts import Address, parse_address, parse_invite


def test_letters_beside_a_stream_make_room_first() -> None:
    own = [f"{kind}://own{n}.example/p" for n in range(3) for kind in ("wss", "https")]
    bridges = [f"{kind}://bridge{n}.example/p" for n in range(3) for kind in ("wss", "https")]
    kept = fitting((*own, *bridges, *own))
    assert len(kept) == ROUTES_MAX
    assert set(kept) >= {route for route in (*own, *bridges) if route.startswith("wss")}
    assert kept[:2] == ("wss://own0.example/p", "https://own0.example/p")
    assert fitting(own) == tuple(own)
    assert fitting(f"https://only{n}.example/p" for n in range(20)) == tuple(
        f"https://only{n}.example/p" for n in range(ROUTES_MAX)
    )


def blocked(relay: RelayProcess) -> str:
    """The relay's address when nobody can go there any more."""
    address = parse_address(relay.address)
    return replace(address, routes=(Route("ws", "127.0.0.1", 1, "/gone"),)).text


@pytest.mark.processes
def test_who_adds_a_bridge_is_up_by_it_at_once_and_after_a_restart(tmp_path: Path) -> None:
    with (
        RelayProcess(tmp_path / "relay") as relay,
        BridgeProcess(tmp_path / "bridge", relay.address) as bridge,
    ):
        ada = Home(tmp_path / "ada")
        ada.run("init", "--name", "Ada", "--relay", blocked(relay)).ok()
        with ada.app("--no-relay"):
            [way] = ada.run("ways").all
            assert (way["route"], way["up"]) == ("ws://127.0.0.1:1/gone", False)
            told = ada.run("ways", "add", bridge.address).all
            wanted = [route.text for route in parse_address(bridge.address).routes]
            assert [item["route"] for item in told] == ["ws://127.0.0.1:1/gone", *wanted]
            ada.wait_for(
                lambda: [item["route"] for item in ada.run("ways").all if item["up"]],
                lambda up: up == wanted[:1],
            )
        # Without the app, and in a run of its own.
        listed = {item["route"]: item for item in ada.run("ways").all}
        assert listed[wanted[0]]["came_up"] >= 1
        assert listed["ws://127.0.0.1:1/gone"]["failed_since"] >= 1
        assert "worked last" in ada.say("ways")

        # An invite carries them on: a friend who can reach the bridge alone is let in by it.
        invite = ada.run("invite").one["invite"]
        given, carried = parse_address(bridge.address).routes, parse_invite(invite).routes[1:]
        for own, friends in zip(given, carried, strict=True):
            [name] = parse_path(friends.path).names
            assert friends == replace(own, path=parse_path(own.path).handed_on(name).text)
        bo = Home(tmp_path / "bo")
        bo.run("init", "--name", "Bo", "--relay", blocked(relay)).ok()
        bo.run("ways", "add", bridge.address).ok()
        befriend(ada, bo)
        ada.run("send", "Bo", "by the bridge").ok()
        bo.wait_for_text("Ada", "by the bridge")


@pytest.mark.processes
def test_a_way_is_taken_away_with_its_twin_and_the_last_one_stays(tmp_path: Path) -> None:
    with (
        RelayProcess(tmp_path / "relay") as relay,
        BridgeProcess(tmp_path / "bridge", relay.address) as bridge,
    ):
        ada = Home(tmp_path / "ada")
        ada.make_account("Ada", relay.address)
        own = [route.text for route in parse_address(relay.address).routes]
        by_bridge = [route.text for route in parse_address(bridge.address).routes]
        ada.run("ways", "add", bridge.address).ok()
        left = ada.run("ways", "remove", own[1]).all
        assert [item["route"] for item in left if not item["up"]] == by_bridge
        assert [item["route"] for item in ada.run("ways").all if not item["derived"]] == by_bridge
        ada.run("ways", "remove", own[0]).failed(3)
        assert ada.run("ways", "remove", by_bridge[0]).failed(1)["error"] == "last"


@pytest.mark.processes
def test_a_bridge_to_a_relay_that_nobody_here_uses_is_not_taken(tmp_path: Path) -> None:
    with (
        RelayProcess(tmp_path / "relay") as relay,
        RelayProcess(tmp_path / "other") as other,
        BridgeProcess(tmp_path / "bridge", other.address) as bridge,
    ):
        ada = Home(tmp_path / "ada")
        ada.make_account("Ada", relay.address)
        ada.run("ways", "add", bridge.address).failed(3)
        ada.run("ways", "add", "whimbrel:nonsense").failed(2)


@pytest.mark.processes
def test_a_relay_hands_out_bridges_behind_its_own_ways_and_invites_carry_them(tmp_path: Path) -> None:
    with RelayProcess(tmp_path / "relay", "127.0.0.1:0") as relay:
        own = [route.text for route in parse_address(relay.address).routes]
        with BridgeProcess(tmp_path / "bridge", relay.address) as bridge:
            by_bridge = [route.text for route in parse_address(bridge.address).routes]
            relay.end()
            with RelayProcess(tmp_path / "relay", "127.0.0.1:0", words=("--way", bridge.address)) as again:
                routes = [route.text for route in parse_address(again.address).routes]
                assert routes == [*own, *by_bridge]
                ada = Home(tmp_path / "ada")
                ada.make_account("Ada", again.address)
                one, other = (parse_invite(ada.run("invite").one["invite"]) for _ in range(2))
                for_all, again_for_all = (
                    parse_invite(ada.run("invite", "--open").one["invite"]) for _ in range(2)
                )
                assert for_all == again_for_all, "it is the same each time"
                ways_in = [invite.routes[len(own) :] for invite in (one, other, for_all)]
                for invite in (one, other, for_all):
                    assert [route.text for route in invite.routes[: len(own)]] == own
                names = [{parse_path(route.path).names for route in routes} for routes in ways_in]
                assert all(len(each) == 1 and len(min(each)) == 1 for each in names)
                assert len({min(each) for each in names}) == 3, "each has a path of its own"
                # One gets into the wrong hands.
                leaked, kept = (Address(one.relay, routes).text for routes in ways_in[:2])
                assert asyncio.run(gets_through(leaked))
                assert cut(tmp_path / "bridge", one.text) == (0, {"event": "cut", "texts": 1})
                bridge.restart()
                assert not asyncio.run(gets_through(leaked))
                assert asyncio.run(gets_through(kept))
                assert asyncio.run(gets_through(bridge.address))


@pytest.mark.processes
def test_a_relay_hands_out_no_bridge_that_leads_elsewhere(tmp_path: Path) -> None:
    with RelayProcess(tmp_path / "other") as other:
        nobody = Home(tmp_path / "x")
        there = replace(
            parse_address(other.address), routes=(parse_route("wss://a.example/b"),), admission=None
        )
        ran = nobody.run("relay", "--data", str(tmp_path / "new"), "--way", there.text)
        assert ran.failed(2)["error"] == "wrong-use"


def test_others_are_told_of_letters_only_where_no_stream_says_it() -> None:
    told = (
        "wss://a.example/p",
        "https://a.example/p",
        "https://b.example/p",
        "ws://10.0.0.1/p",
        "http://10.0.0.1/p",
        "wss://a.example/q",
    )
    assert streams(told) == tuple(route for route in told if route != "https://a.example/p")

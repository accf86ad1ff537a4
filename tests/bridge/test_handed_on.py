"""Paths that were handed on lead to the relay like the bridge's own; one that leaked is cut, and the others go on."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from support.bridges import bridging, cut, gets_through
from support.homes import BridgeProcess, RelayProcess
from support.relay_client import Place
from whimbrel.bridge.cuts import FILE, Cuts, refuse
from whimbrel.bridge.settings import BridgeSettings, Limits
from whimbrel.relay.server import Relay
from whimbrel.serving.folder import DataFolderDamaged
from whimbrel.wire.operations import Stat
from whimbrel.wire.paths import NAME, parse_path
from whimbrel.wire.texts import parse_address

BO, CLEO = b"to bo", b"to cl"


def settings(tmp_path: Path, relay: Relay) -> BridgeSettings:
    return BridgeSettings(tmp_path / "bridge", (relay.address,), host="127.0.0.1", limits=Limits(drain=1))


def handed_on(text: str, *names: bytes) -> str:
    """A bridge's text as a friend has it to whom it was handed on, or a friend's friend."""
    address = parse_address(text)
    path = parse_path(address.routes[0].path)
    for name in names:
        path = path.handed_on(name)
    return replace(address, routes=tuple(replace(route, path=path.text) for route in address.routes)).text


async def test_a_friend_and_a_friends_friend_get_through(relay: Relay, tmp_path: Path) -> None:
    async with bridging(settings(tmp_path, relay)) as (_, info):
        own = info.addresses[0]
        for names in ((), (BO,), (BO, CLEO), (BO, CLEO, BO, CLEO)):
            assert await gets_through(handed_on(own, *names))
        strange = replace(parse_address(own), routes=parse_address(own).routes[:1])
        path = parse_path(strange.routes[0].path)
        forged = replace(path, names=(BO,)).text
        assert not await gets_through(
            replace(strange, routes=(replace(strange.routes[0], path=forged),)).text
        )


async def test_what_was_cut_ends_with_all_that_came_of_it_and_the_rest_goes_on(
    relay: Relay, tmp_path: Path
) -> None:
    async with bridging(settings(tmp_path, relay)) as (bridge, info):
        own = info.addresses[0]
        leaked, passed_on, other = (handed_on(own, *names) for names in ((BO,), (BO, CLEO), (CLEO,)))
        place, beside = Place(passed_on), Place(other)
        await asyncio.to_thread(place.keys)
        await asyncio.to_thread(beside.keys)
        async with place.stream(Stat(os.urandom(32))) as stream, beside.stream(Stat(os.urandom(32))) as kept:
            Cuts(tmp_path / "bridge").add((BO,))
            for _ in range(200):
                if all(session.names != (BO, CLEO) for session in bridge._sessions):
                    break
                await asyncio.sleep(0.05)
            with pytest.raises(Exception):  # noqa: B017 - however a stream tells that it was cut
                await stream.ask(Stat(os.urandom(32)))
            assert await kept.ask(Stat(os.urandom(32)))
        assert not await gets_through(leaked)
        assert not await gets_through(passed_on)
        assert await gets_through(other)
        assert await gets_through(own)


async def test_to_who_holds_a_cut_path_the_bridge_is_a_web_site(relay: Relay, tmp_path: Path) -> None:
    (tmp_path / "bridge").mkdir()
    Cuts(tmp_path / "bridge").add((BO,))
    async with bridging(settings(tmp_path, relay)) as (bridge, info):

        async def page(path: str) -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
            said = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"
            writer.write(said.encode())
            heard = await reader.read()
            writer.close()
            return heard.partition(b"\r\n")[0] + heard.partition(b"\r\n\r\n")[2]

        cut = parse_address(handed_on(info.addresses[0], BO)).routes[0].path
        assert await page(cut) == await page("/" + "q" * 32)


async def test_a_list_that_cannot_be_read_is_told_and_what_was_cut_stays_cut(
    relay: Relay, tmp_path: Path
) -> None:
    async with bridging(settings(tmp_path, relay)) as (bridge, info):
        leaked = handed_on(info.addresses[0], BO)
        Cuts(tmp_path / "bridge").add((BO,))
        bridge._look_at_cuts()
        (tmp_path / "bridge" / FILE).write_text("this is none\n")
        bridge._look_at_cuts()
        assert not await gets_through(leaked)
    with pytest.raises(DataFolderDamaged, match="cut in the data folder"):
        Cuts(tmp_path / "bridge")


@pytest.mark.parametrize("line", ["a", "aaaaaaaa" * 5, "11111111", "aaaa", "ä"])
def test_lines_that_no_bridge_wrote_are_damage(tmp_path: Path, line: str) -> None:
    (tmp_path / FILE).write_text(line + "\n")
    with pytest.raises(DataFolderDamaged):
        Cuts(tmp_path)


def test_what_was_cut_is_kept_and_can_be_taken_back(tmp_path: Path) -> None:
    cuts = Cuts(tmp_path)
    cuts.add((BO, CLEO))
    cuts.add((CLEO,))
    assert cuts.look()
    assert not cuts.look()
    assert (BO, CLEO, bytes(NAME)) in cuts
    assert (CLEO,) in cuts
    assert (BO,) not in cuts
    assert () not in cuts
    (tmp_path / FILE).unlink()
    assert cuts.look()
    assert (CLEO,) not in cuts


@pytest.mark.processes
def test_the_operator_cuts_a_text_while_the_bridge_runs(tmp_path: Path) -> None:
    with (
        RelayProcess(tmp_path / "relay") as relay,
        BridgeProcess(tmp_path / "bridge", relay.address) as bridge,
    ):
        leaked = handed_on(bridge.address, BO)
        assert asyncio.run(gets_through(leaked))
        done = cut(tmp_path / "bridge", leaked)
        assert done == (0, {"event": "cut", "texts": 1})
        for _ in range(100):
            if not asyncio.run(gets_through(leaked)):
                break
            time.sleep(0.1)
        else:
            pytest.fail("it leads there still")
        assert asyncio.run(gets_through(bridge.address))
        bridge.restart()
        assert not asyncio.run(gets_through(leaked)), "also after a restart"
        for text, what in (
            (bridge.address, "gives out"),
            (relay.address, "does not lead"),
            ("whimbrel:aeaqc", "--cut"),
        ):
            code, told = cut(tmp_path / "bridge", text)
            assert (code, told["error"]) == (2, "wrong-use")
            assert what in told["message"]
        code, told = cut(tmp_path / "nowhere", leaked)
        assert (code, told["error"]) == (2, "wrong-use")
        assert not (tmp_path / "nowhere").exists()


def test_an_app_takes_back_what_it_refused_and_nothing_that_was_cut_by_hand(tmp_path: Path) -> None:
    cuts = Cuts(tmp_path)
    cuts.add((CLEO,))
    refuse(tmp_path, frozenset({(BO,), (CLEO,)}))
    assert cuts.look()
    assert (BO, CLEO) in cuts
    refuse(tmp_path, frozenset())
    assert cuts.look()
    assert (BO,) not in cuts
    assert (CLEO,) in cuts

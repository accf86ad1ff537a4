"""From where an account is reached: its own relay opens to the network when somebody there is invited, and not before."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.neighbours import ask, until
from whimbrel.chat.relays import Relay as KnownRelay
from whimbrel.client import embedded
from whimbrel.client.embedded import reach_of
from whimbrel.client.errors import ServiceError
from whimbrel.client.network import neighbourly
from whimbrel.client.service import Service
from whimbrel.relay.server import Relay
from whimbrel.relay.settings import RelaySettings
from whimbrel.wire.texts import parse_invite

# Of loopback, but not 127.0.0.1: what listens there alone is not reached by it, as by the network.
NEIGHBOUR = "127.0.0.77"


@asynccontextmanager
async def home(
    path: Path, addresses: Sequence[str], name: str = "", **more: object
) -> AsyncIterator[Service]:
    opened = Service.open(path, wait=0, **more)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded.Embedded.__init__, "__defaults__", (False, lambda: addresses))
        service = await opened.__aenter__()
    try:
        if name:
            await ask(service, "init", name=name)
        yield service
    finally:
        await opened.__aexit__(None, None, None)


def answers(host: str, port: int) -> bool:
    with socket.socket() as trying:
        trying.settimeout(1)
        return trying.connect_ex((host, port)) == 0


async def test_it_listens_on_loopback_until_somebody_on_the_network_is_invited(tmp_path: Path) -> None:
    async with home(tmp_path / "ada", [NEIGHBOUR], "Ada") as ada:
        [item] = await ask(ada, "invite")
        invite = parse_invite(item["invite"])
        port = invite.routes[0].port
        assert (item["reach"], {route.host for route in invite.routes}) == ("this-computer", {"127.0.0.1"})
        assert (answers("127.0.0.1", port), answers(NEIGHBOUR, port)) == (True, False)
        assert (await ask(ada, "status"))[0]["relay"] == "this-computer"

        [item] = await ask(ada, "invite", where="network")
        invite = parse_invite(item["invite"])
        assert {route.host for route in invite.routes} == {NEIGHBOUR, "127.0.0.1"}
        assert {route.port for route in invite.routes} == {port}
        assert answers(NEIGHBOUR, port)
        await until(lambda: all(connection.state.up for connection in ada.shell.connections.values()))
        assert "network" in item["note"] or "computer" in item["note"]


async def test_somebody_comes_in_by_the_network_and_it_stays_open_over_a_restart(tmp_path: Path) -> None:
    async with home(tmp_path / "ada", [NEIGHBOUR], "Ada") as ada, home(tmp_path / "bo", [], "Bo") as bo:
        [item] = await ask(ada, "invite", where="network")
        # Bo is on another computer: loopback would lead to nothing of Ada's.
        text = _without_loopback(item["invite"])
        [accepted] = await ask(bo, "accept", invite=text)
        assert accepted["name"] == "Ada"
        await ask(bo, "send", chat="Ada", text="by the network")
        await until(lambda: any(row.text == "by the network" for row in ada.shell.home.database.messages()))
    async with home(tmp_path / "ada", [NEIGHBOUR]) as ada, home(tmp_path / "bo", []) as bo:
        await ask(bo, "send", chat="Ada", text="after a restart")
        await until(lambda: any(row.text == "after a restart" for row in ada.shell.home.database.messages()))


def _without_loopback(text: str) -> str:
    from dataclasses import replace

    invite = parse_invite(text)
    return replace(invite, routes=tuple(r for r in invite.routes if r.host != "127.0.0.1")).text


async def test_another_network_means_other_addresses_in_later_invites(tmp_path: Path) -> None:
    async with home(tmp_path / "ada", ["127.0.0.77"], "Ada") as ada:
        [item] = await ask(ada, "invite", where="network", open=True)
        assert {route.host for route in parse_invite(item["invite"]).routes} == {"127.0.0.77", "127.0.0.1"}
        first = parse_invite(item["invite"])
    async with home(tmp_path / "ada", ["127.0.0.88"]) as ada:
        [item] = await ask(ada, "invite", open=True)
        again = parse_invite(item["invite"])
        assert {route.host for route in again.routes} == {"127.0.0.88", "127.0.0.1"}
        assert again.secret == first.secret, "the open invite is the same door"


async def test_on_no_network_and_where_somebody_said_where_it_listens_it_stays_as_it_is(
    tmp_path: Path,
) -> None:
    async with home(tmp_path / "ada", [], "Ada") as ada:
        with pytest.raises(ServiceError) as raised:
            await ask(ada, "open_to_network")
        assert raised.value.code == "no-network"
    async with home(tmp_path / "ada", [NEIGHBOUR], listen_port="127.0.0.1:0") as ada:
        with pytest.raises(ServiceError) as raised:
            await ask(ada, "invite", where="network")
        assert raised.value.code == "relay-listen"


async def test_who_lives_on_a_relay_elsewhere_needs_nothing_opened(tmp_path: Path) -> None:
    relay = Relay(RelaySettings(tmp_path / "relay", "127.0.0.1", 0))
    await relay.start()
    async with home(tmp_path / "ada", [NEIGHBOUR]) as ada:
        await ask(ada, "init", name="Ada", relay=relay.address)
        [item] = await ask(ada, "invite", where="network")
        assert "note" not in item
        assert (await ask(ada, "status"))[0]["relay"] == "elsewhere"
    await relay.close()


@pytest.mark.parametrize(
    ("ways", "reach"),
    [
        (["ws://127.0.0.1:7001/x"], "this-computer"),
        (["ws://[::1]:7001/x", "ws://localhost:7001/x"], "this-computer"),
        (["ws://192.168.1.5:7001/x", "ws://127.0.0.1:7001/x"], "this-network"),
        (["ws://[fd00::5]:7001/x"], "this-network"),
        (["wss://relay.example/x"], "anywhere"),
        (["wss://203.0.113.5/x", "ws://127.0.0.1:7001/x"], "anywhere"),
    ],
)
def test_from_where_a_relay_is_reached(ways: list[str], reach: str) -> None:
    assert reach_of(KnownRelay(b"r" * 32, tuple(ways), None)) == reach


def test_only_addresses_of_private_networks_are_given_out() -> None:
    seen = [
        "127.0.0.1",
        "::1",
        "fe80::1%eth0",
        "203.0.113.9",
        "fd00::2",
        "192.168.1.5",
        "169.254.7.7",
        "10.0.0.9",
    ]
    assert neighbourly(seen) == ("10.0.0.9", "192.168.1.5", "fd00::2", "169.254.7.7")

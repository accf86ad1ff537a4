"""Helping contacts: whether a bridge runs, where it leads, at which address it is told, and when no more."""

from __future__ import annotations

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.neighbours import Neighbours, ask, neighbours, until
from whimbrel.bridge.cuts import Cuts
from whimbrel.chat.records import PutFact
from whimbrel.chat.relays import Relay
from whimbrel.client import helping
from whimbrel.client.errors import ServiceError
from whimbrel.client.helping import (
    FACT,
    Choice,
    NoSuchChoice,
    check,
    choice_of,
    keeping,
    leads,
    outside,
    told_ways,
)
from whimbrel.client.router import Opened, Outcome, Why
from whimbrel.client.service import Service
from whimbrel.crypto.payload import decode_ways
from whimbrel.store.erasing import erase
from whimbrel.wire.paths import SecretPath, parse_path
from whimbrel.wire.routes import parse_route
from whimbrel.wire.texts import Address, parse_address

IDENTITY = b"r" * 32
BRIDGES = SecretPath(b"place", (), b"the own tag"[:10]).text
RELAYS = "wss://198.51.100.9/k3jq7zp2mf5x4c6w"


def relay(*routes: str, embedded: bool = False) -> Relay:
    return Relay(IDENTITY, routes, None, embedded)


def led_to(*routes: str, own: tuple[str, ...] = ()) -> list[str]:
    return [
        route.text for text in leads([relay(*routes)], frozenset(own)) for route in parse_address(text).routes
    ]


# ------------------------------------------------------------------------------------------------ where it leads


def test_it_leads_to_the_relay_by_its_own_ways() -> None:
    assert led_to(RELAYS, "https://relay.example/x") == [RELAYS, "https://relay.example/x"]


@pytest.mark.parametrize(
    "route",
    [
        f"wss://203.0.113.5{BRIDGES}",  # another bridge
        f"public|wss://203.0.113.5{BRIDGES}",
        f"public|{RELAYS}",
        "frag|wss://relay.example/x",
        "socks5://192.0.2.1|wss://relay.example/x",
        "key:" + "a" * 52 + "|wss://203.0.113.5/x",
        "ws://198.51.100.9/x",
        "wss://127.0.0.1:7000/x",
        "wss://localhost/x",
        "wss://[::1]/x",
        "wss://192.168.1.1/x",
        "wss://100.64.0.1/x",
        "wss://169.254.169.254/x",
        "wss://relay.example/x?ip=192.168.1.1",
        "wss://relay.example/x?ip=198.51.100.9&ip=10.0.0.1",
        "something of a later version",
    ],
)
def test_it_leads_to_no_bridge_and_into_no_private_network(route: str) -> None:
    assert led_to(route) == []
    assert led_to(route, RELAYS) == [RELAYS]


def test_it_never_leads_to_itself_or_to_a_relay_inside_a_home() -> None:
    assert led_to(RELAYS, own=("198.51.100.9:443",)) == []
    assert led_to(RELAYS, own=("198.51.100.9:8443",)) == [RELAYS]
    assert leads([relay(RELAYS, embedded=True)]) == ()


def test_no_place_on_the_relay_is_handed_out() -> None:
    [text] = leads([replace(relay(RELAYS), admission=b"an admission")])
    assert parse_address(text).admission is None


def test_contacts_are_told_the_bridges_way_at_the_address_outside() -> None:
    inside = Address(
        IDENTITY,
        (
            parse_route(f"key:{'a' * 52}|wss://192.168.1.2:40000{BRIDGES}"),
            parse_route(f"key:{'a' * 52}|https://192.168.1.2:40000{BRIDGES}"),
        ),
    )
    assert told_ways([inside.text, "no address"], "203.0.113.7", 443) == {
        IDENTITY: f"key:{'a' * 52}|wss://203.0.113.7{BRIDGES}"
    }


# ------------------------------------------------------------------------------------------------ what is chosen


@pytest.mark.parametrize(
    "choice",
    [
        Choice(megabytes=9),
        Choice(megabytes=1_000_001),
        Choice(people=0),
        Choice(people=1_001),
        Choice(port=65_536),
        Choice(port=-1),
        Choice(people=True),
        Choice(at="no host"),
        Choice(at="wss://x"),
        Choice(at="home.example:0"),
        Choice(at="home.example:70000"),
        Choice(at="home.example/path"),
        Choice(at="home.example?sni=x"),
        Choice(at="a|home.example"),
        Choice(at="192.168.1.2:443"),
        Choice(at="100.64.1.2"),
        Choice(at="localhost"),
        Choice(at="[fe80::1]:443"),
        Choice(at="home.example", cert="/x"),
        Choice(cert="/x", key="/y"),
        Choice(at="203.0.113.7", cert="/x", key="/y"),
    ],
)
def test_what_cannot_be_chosen_is_refused(choice: Choice) -> None:
    with pytest.raises(NoSuchChoice):
        check(choice)


@pytest.mark.parametrize(
    ("at", "host", "port"),
    [
        ("home.example", "home.example", 4711),
        ("home.example:443", "home.example", 443),
        ("203.0.113.7:8443", "203.0.113.7", 8443),
        ("[2001:db8::7]", "2001:db8::7", 4711),
        ("[2001:db8::7]:443", "2001:db8::7", 443),
    ],
)
def test_where_people_come_in_is_a_host_and_perhaps_a_port(at: str, host: str, port: int) -> None:
    check(Choice(at=at))
    route = outside(at, 4711)
    assert (route.host, route.port) == (host, port)


# ----------------------------------------------------------------------------------------------------- an app


class GivenRouter:
    """Opens what the test says."""

    def __init__(self) -> None:
        self.outcome: Outcome = Opened("203.0.113.7", 443, by_router=True)
        self.asked: list[int] = []
        self.closed = 0

    async def open(self, port: int) -> Outcome:
        self.asked.append(port)
        return self.outcome

    async def close(self) -> None:
        self.closed += 1


class AtHome:
    """A street where Ada's relay is said to be on the internet, and her router and network are the test's."""

    def __init__(self, street: Neighbours) -> None:
        self.street = street
        self.router = GivenRouter()
        self.network = "192.168.1.0/24"
        self.ada, self.bo = street.ada, street.bo
        self.ada.helper._router = self.router
        self.ada.helper._network = lambda: self.network

    async def item(self) -> dict[str, Any]:
        [item] = await ask(self.ada, "help_status")
        return item

    async def is_in(self, state: str) -> dict[str, Any]:
        await until(lambda: self.ada.helper.item()["state"] == state, 60)
        return await self.item()

    def told(self) -> list[str]:
        """What Bo is told."""
        handing_on = self.ada.person().handing_on
        account = self.bo.person().identity.account
        body = handing_on.told(account)
        return [route for routes in decode_ways(body).values() for route in routes] if body else []

    async def knows_the_relay_at(self, *routes: str) -> None:
        person = self.ada.person()
        here = person.inbox.here().relay
        own = person.relays[here].routes
        await self.ada.shell.do(lambda person, now, fx: person.set_ways(here, (*own, *routes), fx))


@pytest.fixture
async def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AtHome]:
    monkeypatch.setattr(helping, "LOOK_EVERY", 0.1)
    monkeypatch.setattr(helping, "ROUTER_EVERY", 0.2)
    async with neighbours(tmp_path) as street:
        yield AtHome(street)


async def test_it_is_off_at_first_and_nothing_listens(at_home: AtHome) -> None:
    item = await at_home.item()
    assert (item["on"], item["state"], item["port"], item["told_at"]) == (False, "off", 0, "")
    assert at_home.router.asked == []
    assert not (at_home.ada.shell.home.path / "bridge").exists()


async def test_without_a_relay_on_the_internet_there_is_nowhere_to_lead(at_home: AtHome) -> None:
    with pytest.raises(ServiceError, match="nowhere to lead") as raised:
        await ask(at_home.ada, "set_help", on=True)
    assert raised.value.code == "no-relay"
    assert (await at_home.item())["on"] is False


async def test_switched_on_contacts_are_told_it_and_switched_off_they_are_told_so(at_home: AtHome) -> None:
    await at_home.knows_the_relay_at(RELAYS)
    await ask(at_home.ada, "set_help", on=True, people=3)
    item = await at_home.is_in("open")
    await until(lambda: at_home.ada.helper.item()["told_at"])
    item = await at_home.item()
    assert (item["told_at"], item["told"], item["by_router"], item["people"]) == (
        "203.0.113.7:443",
        1,
        True,
        3,
    )
    assert at_home.router.asked[0] == item["port"] > 0
    [way] = at_home.told()
    route = parse_route(way)
    assert (route.transport, route.host, route.port) == ("wss", "203.0.113.7", 443)
    assert route.wrappers[0].startswith("key:")
    assert len(parse_path(route.path).names) == 1
    _, writer = await asyncio.open_connection("127.0.0.1", item["port"])
    writer.close()
    # Its address is another now.
    at_home.router.outcome = Opened("198.51.100.77", 8443, by_router=True)
    await until(lambda: at_home.ada.helper.item()["told_at"] == "198.51.100.77:8443", 60)
    assert parse_route(at_home.told()[0]).host == "198.51.100.77"
    closed = at_home.router.closed
    await ask(at_home.ada, "set_help", on=False)
    await until(lambda: at_home.told() == [], 60)
    await until(lambda: at_home.router.closed > closed, 60)
    await until(lambda: not _listens(item["port"]), 60)
    assert (await at_home.item())["state"] == "off"


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


async def test_nobody_is_told_anything_while_nobody_can_come_in(at_home: AtHome) -> None:
    await at_home.knows_the_relay_at(RELAYS)
    for why in (Why.NO_ROUTER, Why.REFUSED, Why.NOT_PUBLIC):
        at_home.router.outcome = why
        await ask(at_home.ada, "set_help", on=True)
        item = await at_home.is_in(why.value)
        assert item["port"] > 0, "it says which port is to be let in by hand"
        assert item["told_at"] == ""
        assert at_home.told() == []


async def test_what_a_person_says_of_the_address_counts_before_what_the_router_says(at_home: AtHome) -> None:
    await at_home.knows_the_relay_at(RELAYS)
    at_home.router.outcome = Why.NO_ROUTER
    await ask(at_home.ada, "set_help", on=True, at="home.example:8443")
    await at_home.is_in("open")
    await until(lambda: at_home.ada.helper.item()["told_at"] == "home.example:8443")
    assert parse_route(at_home.told()[0]).host == "home.example"


async def test_on_another_network_it_waits_and_opens_nothing(at_home: AtHome) -> None:
    await at_home.knows_the_relay_at(RELAYS)
    await ask(at_home.ada, "set_help", on=True)
    item = await at_home.is_in("open")
    at_home.network = "10.7.0.0/24"
    await at_home.is_in("elsewhere")
    await until(lambda: not _listens(item["port"]), 60)
    asked = len(at_home.router.asked)
    await asyncio.sleep(0.5)
    assert len(at_home.router.asked) == asked
    at_home.network = ""  # for a moment without any
    await ask(at_home.ada, "set_help", people=5)
    at_home.network = "192.168.1.0/24"
    await at_home.is_in("open")


async def test_a_way_in_that_is_gone_for_long_is_taken_back(
    at_home: AtHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    await at_home.knows_the_relay_at(RELAYS)
    await ask(at_home.ada, "set_help", on=True)
    await at_home.is_in("open")
    await until(at_home.told)
    at_home.router.outcome = Why.REFUSED
    await at_home.is_in("refused")
    assert at_home.told(), "a router that starts again is no reason to tell everybody"
    monkeypatch.setattr(helping, "WITHDRAWN_AFTER", 0.0)
    await until(lambda: at_home.told() == [], 60)


async def test_who_is_blocked_is_refused_by_the_running_bridge_and_unblocked_let_in_again(
    at_home: AtHome,
) -> None:
    await at_home.knows_the_relay_at(RELAYS)
    await ask(at_home.ada, "set_help", on=True)
    await at_home.is_in("open")
    await until(at_home.told)
    names = parse_path(parse_route(at_home.told()[0]).path).names
    folder = at_home.ada.shell.home.path / "bridge"
    await ask(at_home.ada, "block", person="Bo")
    await until(lambda: names in Cuts(folder), 60)
    assert () not in Cuts(folder), "nobody else is refused"
    await ask(at_home.ada, "unblock", person="Bo")
    await until(lambda: names not in Cuts(folder), 60)


async def test_a_bridge_that_ends_is_said_and_started_again(
    at_home: AtHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(helping, "AGAIN_AFTER", (0.5, 0.5))
    await at_home.knows_the_relay_at(RELAYS)
    folder = at_home.ada.shell.home.path / "bridge"
    folder.mkdir()
    (folder / "seed").write_bytes(b"too short")
    await ask(at_home.ada, "set_help", on=True)
    item = await at_home.is_in("trouble")
    assert "seed in the data folder is damaged" in item["trouble"]
    assert at_home.told() == []
    (folder / "seed").unlink()
    await at_home.is_in("open")
    assert (await at_home.item())["trouble"] == ""


async def test_what_is_not_given_stays_over_a_restart(at_home: AtHome) -> None:
    await ask(at_home.ada, "set_help", megabytes=50, port=0)
    kept = choice_of(at_home.ada.shell.home.database.reading)
    assert (kept.megabytes, kept.people, kept.on) == (50, 20, False)
    with pytest.raises(ServiceError, match="Megabytes is a whole number"):
        await ask(at_home.ada, "set_help", megabytes=1)
    with pytest.raises(ServiceError, match="certificate"):
        await ask(at_home.ada, "set_help", at="home.example", cert="/nowhere", key="/nowhere")


@pytest.mark.parametrize(
    "kept", [b"[]", b"{", b'{"megabytes": "many"}', b'{"at": 7}', b'{"on": true, "people": 0}']
)
async def test_what_was_kept_by_another_version_is_as_at_first(at_home: AtHome, kept: bytes) -> None:
    await at_home.ada.shell.keep(PutFact(FACT, kept))
    assert choice_of(at_home.ada.shell.home.database.reading) == Choice()


async def test_a_command_without_an_app_says_that_it_runs_with_the_app(tmp_path: Path) -> None:
    async with Service.open(tmp_path / "home", embedded=False, wait=1.0) as service:
        await service.shell.keep(keeping(Choice(on=True, network="internet")))
        service.helper.choice = choice_of(service.shell.home.database.reading)
        [item] = await ask(service, "help_status")
        assert item["state"] == "no-app"


async def test_the_bridge_is_told_no_secret_of_this_home_and_no_address_on_its_command_line(
    at_home: AtHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHIMBREL_PASSPHRASE", "a passphrase of words")
    await at_home.knows_the_relay_at(RELAYS)
    await ask(at_home.ada, "set_help", on=True)
    await at_home.is_in("open")
    folder = str(at_home.ada.shell.home.path / "bridge")
    found = [
        path.parent
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if folder.encode() in _read(path) and b"whimbrel.bridge" in _read(path)
    ]
    assert len(found) == 1
    assert b"198.51.100.9" not in _read(found[0] / "cmdline")
    assert b"whimbrel:" not in _read(found[0] / "cmdline")
    assert b"a passphrase of words" not in _read(found[0] / "environ")


async def test_a_file_that_lies_where_the_app_was_started_is_no_part_of_the_bridge(
    at_home: AtHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    for name in ("argparse", "asyncio", "json", "whimbrel"):
        (downloads / f"{name}.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    monkeypatch.chdir(downloads)
    await at_home.knows_the_relay_at(RELAYS)
    await ask(at_home.ada, "set_help", on=True)
    await at_home.is_in("open")
    assert not (downloads / "ran").exists()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


async def test_with_everything_erased_the_bridge_ends_and_leaves_nothing(
    at_home: AtHome, tmp_path: Path
) -> None:
    await at_home.knows_the_relay_at(RELAYS)
    await ask(at_home.ada, "set_help", on=True)
    port = (await at_home.is_in("open"))["port"]
    home = at_home.ada.shell.home.path
    [erased] = await ask(at_home.ada, "erase_everything", confirm="Ada")
    assert erased["stays"] == []
    assert not _listens(port)
    # The home itself goes when it is closed; what is done then, on a copy.
    shutil.copytree(home, tmp_path / "copy", ignore=lambda folder, names: [n for n in names if n == "socket"])
    assert (tmp_path / "copy" / "bridge" / "seed").exists()
    assert erase(tmp_path / "copy") == []
    assert not (tmp_path / "copy" / "bridge").exists()

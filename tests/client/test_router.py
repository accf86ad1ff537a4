"""A router is asked to let people in: true SSDP and SOAP, over loopback, to a device that notes what it is asked."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from support.igd import Igd
from whimbrel.client import router as routers
from whimbrel.client import upnp
from whimbrel.client.router import Opened, Router, Why, router_of
from whimbrel.client.upnp import NAMED

OWN, PORT = "192.168.1.20", 40123
OTHERS = {
    "NewInternalPort": "443",
    "NewInternalClient": "192.168.1.9",
    "NewEnabled": "1",
    "NewPortMappingDescription": "camera",
    "NewLeaseDuration": "0",
}


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routers, "own_address", lambda: OWN)
    monkeypatch.setattr(upnp, "SEARCH", 0.3)


def router_for(igd: Igd) -> Router:
    return Router(("127.0.0.1", igd.search_port))


async def test_the_port_is_opened_for_an_hour_under_a_plain_name_and_closed_again() -> None:
    async with Igd().running() as igd:
        router = router_for(igd)
        assert await router.open(PORT) == Opened("203.0.113.7", 443, by_router=True)
        assert igd.mappings == {
            443: {
                "NewInternalPort": str(PORT),
                "NewInternalClient": OWN,
                "NewEnabled": "1",
                "NewPortMappingDescription": NAMED,
                "NewLeaseDuration": "3600",
            }
        }
        assert {"whimbrel"} & {word for _, given in igd.asked for word in str(given).lower().split()} == set()
        assert await router.open(PORT) == Opened("203.0.113.7", 443, by_router=True), "renewed"
        assert [name for name, _ in igd.asked].count("AddPortMapping") == 2
        await router.close()
        assert igd.mappings == {}
        asked = len(igd.asked)
        await router.close()
        assert len(igd.asked) == asked


async def test_a_port_that_leads_to_somebody_else_stays_theirs() -> None:
    async with Igd(mappings={443: dict(OTHERS)}).running() as igd:
        router = router_for(igd)
        assert await router.open(PORT) == Opened("203.0.113.7", 8443, by_router=True)
        igd.mappings[8443] = dict(OTHERS)
        assert await router.open(PORT) == Opened("203.0.113.7", PORT, by_router=True)
        await router.close()
        assert igd.mappings == {443: OTHERS, 8443: OTHERS}


async def test_the_port_outside_stays_the_same_while_it_can() -> None:
    async with Igd(mappings={443: dict(OTHERS)}).running() as igd:
        router = router_for(igd)
        await router.open(PORT)
        del igd.mappings[443]
        assert await router.open(PORT) == Opened("203.0.113.7", 8443, by_router=True)


async def test_a_router_that_lets_in_for_ever_or_not_at_all() -> None:
    async with Igd(permanent_only=True).running() as igd:
        router = router_for(igd)
        assert isinstance(await router.open(PORT), Opened)
        assert igd.mappings[443]["NewLeaseDuration"] == "0"
        await router.close()
        assert igd.mappings == {}


async def test_what_was_left_open_by_a_sudden_end_is_closed_by_who_comes_next(tmp_path: Path) -> None:
    async with Igd(permanent_only=True).running() as igd:
        await Router(("127.0.0.1", igd.search_port), folder=tmp_path).open(PORT)
        assert 443 in igd.mappings
        after = Router(("127.0.0.1", igd.search_port), folder=tmp_path)
        await after.close()
        assert igd.mappings == {}
        assert list(tmp_path.iterdir()) == []


async def test_what_cannot_be_closed_now_is_closed_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Igd().running() as igd:
        router = Router(("127.0.0.1", igd.search_port), folder=tmp_path)
        await router.open(PORT)
        igd.refuses["GetSpecificPortMappingEntry"] = 501
        await router.close()
        assert 443 in igd.mappings
        del igd.refuses["GetSpecificPortMappingEntry"]
        await router.close()
        assert 443 in igd.mappings, "not at every look"
        monkeypatch.setattr(router, "_again_at", 0.0)
        await router.close()
        assert igd.mappings == {}


async def test_with_another_address_of_ones_own_nothing_is_left_that_leads_to_the_old_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with Igd().running() as igd:
        router = router_for(igd)
        await router.open(PORT)
        monkeypatch.setattr(routers, "own_address", lambda: "192.168.1.21")
        assert await router.open(PORT) == Opened("203.0.113.7", 443, by_router=True)
        assert [one["NewInternalClient"] for one in igd.mappings.values()] == ["192.168.1.21"]


async def test_an_entry_that_is_somebody_elses_by_now_is_not_closed() -> None:
    async with Igd().running() as igd:
        router = router_for(igd)
        await router.open(PORT)
        igd.mappings[443] = dict(OTHERS)
        await router.close()
        assert igd.mappings == {443: OTHERS}


async def test_a_file_that_cannot_be_read_is_as_none(tmp_path: Path) -> None:
    (tmp_path / routers.FILE).write_text('{"place": 1}')
    async with Igd().running() as igd:
        router = Router(("127.0.0.1", igd.search_port), folder=tmp_path)
        await router.close()
        assert igd.asked == []
        assert isinstance(await router.open(PORT), Opened)


@pytest.mark.parametrize("code", [501, 606, 718])
async def test_a_router_that_refuses_says_so(code: int) -> None:
    async with Igd(refuses={"AddPortMapping": code}).running() as igd:
        assert await router_for(igd).open(PORT) is Why.REFUSED


@pytest.mark.parametrize("external", ["100.64.3.4", "192.168.0.2", "10.1.2.3"])
async def test_an_address_that_is_none_of_the_internet_is_nothing_to_hand_on(external: str) -> None:
    async with Igd(external=external).running() as igd:
        assert await router_for(igd).open(PORT) is Why.NOT_PUBLIC
        assert igd.mappings == {}


@pytest.mark.parametrize("external", ["", "0.0.0.0", "router.example", "<b>", "224.0.0.1"])
async def test_a_router_without_an_address_is_of_no_use(external: str) -> None:
    async with Igd(external=external).running() as igd:
        assert await router_for(igd).open(PORT) is Why.REFUSED
        assert igd.mappings == {}


@pytest.mark.parametrize(
    "elsewhere",
    [
        "http://198.51.100.1/root.xml",
        "http://127.0.0.2/root.xml",
        "https://127.0.0.1/",
        "file:///x",
        "http://[",
        "",
    ],
)
async def test_who_answers_for_another_place_is_not_believed(elsewhere: str) -> None:
    """A neighbour must not have this computer ask anybody else."""
    igd = Igd(elsewhere=elsewhere or "no address")
    async with igd.running():
        assert await router_for(igd).open(PORT) is Why.NO_ROUTER
        assert igd.asked == []


async def test_nobody_is_followed_elsewhere_and_long_answers_are_not_read() -> None:
    async with (
        Igd().running() as other,
        Igd(redirect=f"http://127.0.0.1:{other.port}/root.xml").running() as igd,
    ):
        assert await router_for(igd).open(PORT) is Why.REFUSED
        assert other.asked == []
    async with Igd(padding=upnp.ANSWER_MAX).running() as igd:
        assert await router_for(igd).open(PORT) is Why.REFUSED


@pytest.mark.parametrize("seed", range(40))
async def test_no_answer_of_a_router_breaks_anything(seed: int) -> None:
    """Bytes of what it says are changed, left out or said again, at a few places of each answer."""
    chance = random.Random(seed)

    def spoilt(text: str) -> str:
        for _ in range(chance.randrange(1, 6)):
            at, size = chance.randrange(len(text)), chance.randrange(1, 60)
            text = (
                text[:at]
                + chance.choice(("", "<", "&x;", text[at : at + size] * 2, "9" * 30))
                + text[at + size :]
            )
        return text

    class Odd(Igd):
        def description(self) -> str:
            return spoilt(super().description()) if chance.random() < 0.5 else super().description()

        def service(self) -> str:
            return spoilt(super().service()) if chance.random() < 0.5 else super().service()

        def act(self, action: str, given: dict[str, str]) -> dict[str, str] | int:
            said = super().act(action, given)
            if isinstance(said, int) or chance.random() < 0.5:
                return said
            return {name: spoilt(value + "x") for name, value in said.items() if chance.random() < 0.8}

    async with Odd().running() as igd:
        router = router_for(igd)
        assert isinstance(await router.open(PORT), Opened | Why)
        await router.close()


async def test_without_a_router_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Igd().running() as igd:
        gone = router_for(igd)
    assert await gone.open(PORT) is Why.NO_ROUTER
    monkeypatch.setattr(routers, "own_address", lambda: None)
    assert await gone.open(PORT) is Why.NO_ROUTER


async def test_the_router_by_which_one_goes_out_is_asked_before_others_that_call_themselves_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "route").write_text(
        "Iface\tDestination\tGateway\tFlags\nw\t0001A8C0\t00000000\t1\nw\t00000000\t0200007F\t3\n"
    )
    out = routers.gateway(tmp_path / "route")
    assert out == "127.0.0.2"
    assert routers.gateway(tmp_path / "nothing") is None
    monkeypatch.setattr(routers, "gateway", lambda: out)
    async with Igd(external="198.51.100.66").running() as liar, Igd().running("127.0.0.2") as true:

        async def search(target: object) -> list[str]:
            return [f"http://127.0.0.1:{liar.port}/root.xml", f"http://127.0.0.2:{true.port}/root.xml"]

        monkeypatch.setattr(upnp, "search", search)
        assert await Router().open(PORT) == Opened("203.0.113.7", 443, by_router=True)
        assert liar.asked == []


async def test_what_the_environment_wishes_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Igd().running() as igd:
        wished = router_of({"WHIMBREL_ROUTER": f"127.0.0.1:{igd.search_port}"})
        assert isinstance(await wished.open(PORT), Opened)
        monkeypatch.setattr(routers, "own_address", lambda: "198.51.100.20")
        assert await router_of({"WHIMBREL_ROUTER": ""}).open(PORT) is Why.NO_ROUTER


async def test_a_computer_with_an_address_of_the_internet_asks_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(routers, "own_address", lambda: "198.51.100.20")
    async with Igd().running() as igd:
        assert await router_for(igd).open(PORT) == Opened("198.51.100.20", PORT, by_router=False)
        assert igd.searched == []

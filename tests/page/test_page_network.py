"""The panel *Network*: the ways to a relay, one that is added by pasting, and one that a friend handed on and is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from page.test_page_people import panel
from support.browser import Chromium, another
from support.browser_camera import film_of_code
from support.browser_people import Person, at_their_pages
from support.homes import RelayProcess
from whimbrel.wire.paths import SecretPath
from whimbrel.wire.routes import parse_route
from whimbrel.wire.texts import Address, parse_address

pytestmark = pytest.mark.processes

HOST = "192.0.2.7"
"""For documentation (RFC 5737). Nobody dials it: the relay on this machine is the better way, and it is up."""
TOLD_WITHIN_MS = 90_000
"""A friend is told half a minute later, behind all that people write."""


@pytest.fixture
def two(browser: Chromium, relay: RelayProcess, tmp_path: Path) -> Iterator[Sequence[Person]]:
    with at_their_pages(browser, tmp_path, relay, "Ada", "Bo") as people:
        yield people


def bridge_to(relay: RelayProcess) -> str:
    """The text that a bridge would print, which stands on a machine that there is not."""
    path = SecretPath(b"place", (), b"and a tag.").text
    return Address(parse_address(relay.address).relay, (parse_route(f"wss://{HOST}{path}"),)).text


def way(person: Person, host: str) -> Locator:
    return person.dialog.last.get_by_role("listitem").filter(has_text=host)


def alert(person: Person) -> Locator:
    """What could not be done with ways."""
    return person.dialog.last.get_by_role("region", name="Ways").get_by_role("alert")


def test_a_bridge_is_added_handed_on_and_refused(two: Sequence[Person], relay: RelayProcess) -> None:
    ada, bo = two
    panel(bo.page, "network")
    expect(way(bo, "127.0.0.1").first).to_contain_text("Goes by this way now")
    expect(way(bo, HOST)).to_have_count(0)

    text = bridge_to(relay)
    bo.box("Text of a bridge").fill(f"{text[:30]}\n  {text[30:]}")
    bo.button("Add bridge").click()
    expect(way(bo, HOST)).to_contain_text("Not tried yet")
    expect(bo.box("Text of a bridge")).to_have_value("")

    bo.box("Text of a bridge").fill("a bridge over the river")
    bo.button("Add bridge").click()
    expect(alert(bo)).to_contain_text("bridge")
    expect(bo.box("Text of a bridge")).to_have_value("a bridge over the river")

    panel(ada.page, "network")
    ada.page.reload()
    expect(way(ada, HOST)).to_contain_text("From Bo", timeout=TOLD_WITHIN_MS)
    ada.button(f"Refuse the way by {HOST}").click()
    expect(way(ada, HOST)).to_have_count(0)
    assert not any(HOST in one["route"] for one in ada.ask("ways"))

    bo.button(f"Remove the way by {HOST}").click()
    expect(way(bo, HOST)).to_have_count(0)


def test_the_last_way_stays(two: Sequence[Person], relay: RelayProcess) -> None:
    ada, _ = two
    panel(ada.page, "network")
    hosts = {parse_route(one["route"]).host for one in ada.ask("ways") if not one["derived"]}
    assert hosts == {"127.0.0.1"}
    ada.button("Remove the way by 127.0.0.1").first.click()
    expect(alert(ada)).to_contain_text("only way")
    assert ada.ask("ways")


def test_a_bridge_to_another_relay_is_told(two: Sequence[Person], relay: RelayProcess) -> None:
    ada, _ = two
    panel(ada.page, "network")
    ada.box("Text of a bridge").fill(replace(parse_address(bridge_to(relay)), relay=bytes(32)).text)
    ada.button("Add bridge").click()
    expect(alert(ada)).to_contain_text("relay that nobody here uses")
    expect(way(ada, HOST)).to_have_count(0)


def test_the_network_is_looked_at_and_a_report_is_saved_that_names_nobody(
    two: Sequence[Person], relay: RelayProcess, tmp_path: Path
) -> None:
    """A relay on this computer is reached through no network, so there is nothing to find; in the blocked networks of the lab there is."""
    ada, _ = two
    panel(ada.page, "network")
    expect(ada.dialog.last).to_contain_text("Nothing is known of this network yet.")
    expect(ada.dialog.last).to_contain_text("sees nothing of Whimbrel now")
    ada.button("Look closer").click()
    expect(ada.dialog.last).to_contain_text("Looked closer")
    with ada.page.expect_download() as coming:
        ada.button("Save a report").click()
    coming.value.save_as(tmp_path / "report.txt")
    text = (tmp_path / "report.txt").read_text()
    assert text == ada.ask("network_report")[0]["text"]
    assert "found:" in text
    for named in ("Ada", "Bo", "127.0.0.1", parse_address(relay.address).relay.hex()):
        assert named not in text


def test_a_bridge_is_added_by_its_code(
    two: Sequence[Person], relay: RelayProcess, browser: Chromium, tmp_path: Path
) -> None:
    """Codes are in upper case, for which they need fewer modules."""
    ada, _ = two
    film = film_of_code(bridge_to(relay).upper(), tmp_path / "seen.y4m")
    with another(browser, f"--use-file-for-fake-video-capture={film}") as seeing:
        context = seeing.person("Ada")
        page = ada.open(context.new_page())
        expect(page.get_by_role("list", name="Chats", exact=True)).to_be_visible()
        panel(page, "network")
        page.get_by_role("button", name="Scan a code").click()
        expect(page.get_by_role("listitem").filter(has_text=HOST)).to_contain_text("Not tried yet")
        context.close()

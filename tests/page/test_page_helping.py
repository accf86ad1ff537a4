"""Settings, *Help my contacts*: off at first, said what it costs, switched on with a real bridge behind it, and off again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from page.test_page_safety import settings
from support.browser import Chromium
from support.browser_people import Person, at_their_pages
from support.homes import RelayProcess
from whimbrel.wire.routes import parse_route
from whimbrel.wire.texts import Address, parse_address

pytestmark = pytest.mark.processes

RELAY, HOME = "198.51.100.9", "203.0.113.7:8443"
"""For documentation (RFC 5737): nobody is there."""


@pytest.fixture
def two(browser: Chromium, relay: RelayProcess, tmp_path: Path) -> Iterator[Sequence[Person]]:
    with at_their_pages(browser, tmp_path, relay, "Ada", "Bo") as people:
        yield people


def switch(person: Person) -> Locator:
    return person.dialog.last.get_by_role("switch", name="Help my contacts")


def test_contacts_are_helped_and_no_more(two: Sequence[Person], relay: RelayProcess) -> None:
    ada, _ = two
    settings(ada, "Help my contacts")
    expect(switch(ada)).not_to_be_checked()
    shown = ada.dialog.last
    expect(shown.get_by_text("Each of your contacts is told the address of this network.")).to_be_visible()
    expect(shown.get_by_text("You could find out which of your contacts come")).to_be_visible()

    # Her relay is on this computer alone, so there is nowhere to lead anybody.
    switch(ada).click()
    expect(shown.get_by_role("alert")).to_contain_text("nowhere to lead")
    expect(switch(ada)).not_to_be_checked()
    assert ada.ask("help_status")[0]["on"] is False

    known = parse_address(relay.address).relay
    text = Address(known, (parse_route(f"wss://{RELAY}/k3jq7zp2mf5x4c6w"),)).text
    ada.ask("ways_add", text=text)
    switch(ada).click()
    expect(switch(ada)).to_be_checked()
    expect(shown).to_contain_text("No router here opens a port by itself")
    [item] = ada.ask("help_status")
    assert item["told_at"] == ""
    expect(shown.get_by_text(f"TCP port {item['port']}")).to_be_visible()

    ada.box("Address of your network outside").fill("192.168.1.5:443")
    ada.button("Save the address").click()
    expect(shown.get_by_role("alert")).to_contain_text("do not reach that address")
    ada.box("Address of your network outside").fill(HOME)
    ada.button("Save the address").click()
    expect(shown).to_contain_text("Your contacts can come through this computer.")
    expect(shown).to_contain_text(f"1 contact is told the address {HOME}")
    expect(shown).to_contain_text("0 people today")

    shown.get_by_role("radio", name="500 MB").click()
    expect(shown.get_by_role("radio", name="500 MB")).to_be_checked()
    shown.get_by_role("radio", name="3 people").click()
    expect(shown.get_by_role("radio", name="3 people")).to_be_checked()
    expect(shown).to_contain_text("Your contacts can come through this computer.")
    [item] = ada.ask("help_status")
    assert (item["megabytes"], item["people"], item["told_at"]) == (500, 3, HOME)
    ada.page.reload()
    expect(switch(ada)).to_be_checked()

    switch(ada).click()
    expect(switch(ada)).not_to_be_checked()
    expect(shown.get_by_text(f"told the address {HOME}")).to_have_count(0)
    assert ada.ask("help_status")[0]["state"] == "off"

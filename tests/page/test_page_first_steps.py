"""Two people from nothing to a conversation, at two real windows: a name, an invite, words; the relay and an app restarted."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from support.browser import Chromium
from support.browser_people import Person
from support.homes import RelayProcess

pytestmark = pytest.mark.processes


@pytest.fixture
def ada(browser: Chromium, tmp_path: Path) -> Iterator[Person]:
    yield from newcomer("Ada", browser, tmp_path)


@pytest.fixture
def bo(browser: Chromium, tmp_path: Path) -> Iterator[Person]:
    yield from newcomer("Bo", browser, tmp_path)


def newcomer(name: str, browser: Chromium, folder: Path) -> Iterator[Person]:
    """Somebody who has just started Whimbrel: no account, the page open."""
    person = Person(name, folder, browser, own_relay=True)
    person.start()
    person.open()
    yield person
    person.context.close()
    if person.app is not None and person.app.process.poll() is None:
        person.kill()


@pytest.mark.complaints(
    "ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED", "ERR_EMPTY_RESPONSE", "ERR_CONNECTION_RESET"
)
def test_two_people_begin_and_lose_nothing_while_relay_and_app_are_restarted(
    ada: Person, bo: Person, relay: RelayProcess
) -> None:
    ada.first_start(relay.address)
    bo.first_start()
    bo.open_invite(ada.invite())
    ada.page.keyboard.press("Escape")
    ada.open_chat("Bo")
    ada.write("is this the same tide as yesterday?")
    bo.sees("is this the same tide as yesterday?")
    bo.write("the very same")
    ada.sees("the very same")

    # The relay goes away: what is written stands there at once, waits, and arrives when it is back.
    relay.kill()
    ada.write("written while there is no relay")
    bo.write("so is this")
    relay.start()
    bo.sees("written while there is no relay")
    ada.sees("so is this")

    # One app goes away: its window says so, comes back by itself, and has what was written meanwhile.
    bo.kill()
    ada.write("written while Bo's app is away")
    bo.start()
    bo.sees("written while Bo's app is away")
    bo.write("here again")
    ada.sees("here again")

    said = [
        "is this the same tide as yesterday?",
        "the very same",
        "written while there is no relay",
        "so is this",
        "written while Bo's app is away",
        "here again",
    ]
    for person, friend in ((ada, "Bo"), (bo, "Ada")):
        assert sorted(person.texts(friend)) == sorted(said)
        person.page.reload()
        for text in said:
            expect(person.log.get_by_role("article").filter(has_text=text)).to_have_count(1)


def test_a_relay_inside_the_app_is_opened_to_the_network_when_somebody_is_invited(ada: Person) -> None:
    ada.first_start()
    [status] = ada.ask("status")
    assert status["relay"] == "this-computer"
    ada.button("New chat").first.click()
    expect(ada.page.get_by_text("Where is your friend?")).to_be_visible()
    ada.page.get_by_role("radio", name="On this network").click()
    expect(ada.page.get_by_text("This invite works on this network", exact=False)).to_be_visible()
    [status] = ada.ask("status")
    assert status["relay"] == "this-network"
    invite = ada.page.get_by_role("textbox", name="The invite as text").input_value()
    assert invite.startswith("whimbrel:")
    expect(ada.page.get_by_role("img", name="The invite as a QR code")).to_be_visible()


def test_what_is_pasted_and_is_no_invite_is_said_in_words(ada: Person, relay: RelayProcess) -> None:
    ada.first_start()
    ada.button("New chat").first.click()
    ada.box("Paste an invite").fill("have a look at this, it is an invite")
    expect(ada.page.get_by_text("This is not an invite.", exact=False)).to_be_visible()
    ada.box("Paste an invite").fill(relay.address)
    expect(ada.page.get_by_text("This is the address of a relay", exact=False)).to_be_visible()

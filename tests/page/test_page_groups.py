"""Groups at three windows: made with a name and a picture, mentions, roles and rights, people let in and removed, leaving."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import expect

from support.browser import Chromium
from support.browser_people import Person, at_their_pages
from support.browser_states import picture
from support.homes import RelayProcess

pytestmark = pytest.mark.processes

GROUP = "Sunday walk"


@pytest.fixture(scope="module")
def three(
    browser: Chromium, relay: RelayProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sequence[Person]]:
    with at_their_pages(browser, tmp_path_factory.mktemp("people"), relay, "Ada", "Bo", "Cleo") as people:
        yield people


def details(person: Person, group: str = GROUP) -> None:
    """Opens what there is to know about the group."""
    person.page.keyboard.press("Escape")
    person.open_chat(group)
    person.page.get_by_role("main").get_by_role("button", name=re.compile(f"^{group}")).first.click()
    expect(person.page.get_by_role("complementary", name="Group")).to_be_visible()


def member(person: Person, name: str, deed: str) -> None:
    person.button(f"What can be done with {name}").click()
    person.item(deed).click()


def test_a_group_from_its_making_to_its_end(three: Sequence[Person], tmp_path: Path) -> None:
    ada, bo, cleo = three
    face = tmp_path / "face.png"
    face.write_bytes(picture(200, 200, 0.4))

    # Made, with a name and a picture.
    ada.button("New group").first.click()
    with ada.page.expect_file_chooser() as chooser:
        ada.button("Choose a picture").click()
    chooser.value.set_files(face)
    ada.box("Name of the group").fill(GROUP)
    ada.page.get_by_role("checkbox", name="Bo").check()
    ada.button("Make the group").click()
    expect(ada.log).to_be_visible()
    ada.write("who comes along?")
    bo.open_chat(GROUP)
    bo.sees("who comes along?")
    expect(bo.chats.get_by_role("listitem").filter(has_text=GROUP).locator("img").first).to_be_visible()

    # Somebody is mentioned, and is told.
    bo.open_chat("Ada")
    box = ada.box("Message")
    box.click()
    ada.page.keyboard.type("bring the map, @B")
    ada.page.get_by_role("option", name=re.compile("Bo")).first.click()
    ada.button("Send").click()
    row = bo.chats.get_by_role("listitem").filter(has_text=GROUP)
    expect(row.get_by_label("You were mentioned")).to_be_visible()
    bo.open_chat(GROUP)
    expect(bo.log.get_by_role("button", name="@Bo")).to_be_visible()

    # One more is let in, and reads from then on.
    details(ada)
    ada.page.get_by_role("region", name=re.compile("members")).get_by_role(
        "button", name="Add people"
    ).click()
    ada.page.get_by_role("checkbox", name="Cleo").check()
    ada.button(re.compile("^Add 1 person")).click()
    cleo.open_chat(GROUP)
    ada.write("welcome, Cleo")
    cleo.sees("welcome, Cleo")
    expect(cleo.log.get_by_text("who comes along?")).to_have_count(0)
    bo.sees("Ada added Cleo")

    # Who may write is for admins alone now: the others see it at their composer.
    details(ada)
    ada.button(re.compile("^Write Everybody")).click()
    ada.page.get_by_role("menuitemradio", name="Admins only").click()
    expect(bo.page.get_by_text("Only admins write here.")).to_be_visible()
    ada.write("announcements only")
    bo.sees("announcements only")

    # Bo becomes an admin, and writes again.
    details(ada)
    member(ada, "Bo", "Make an admin")
    expect(bo.page.get_by_text("Only admins write here.")).to_have_count(0)
    bo.write("I may speak again")
    ada.sees("I may speak again")

    # A new name reaches everybody.
    details(bo)
    bo.button("Change the name").click()
    bo.box("Name of the group").fill("Monday walk")
    bo.page.keyboard.press("Enter")
    expect(ada.chats).to_contain_text("Monday walk")
    expect(cleo.chats).to_contain_text("Monday walk")

    # Cleo is removed, and reads nothing from then on; Ada leaves.
    details(ada, "Monday walk")
    member(ada, "Cleo", "Remove from the group")
    ada.button("Remove").click()
    cleo.open_chat("Monday walk")
    expect(cleo.page.get_by_text("You are not in this group any more", exact=False).first).to_be_visible()
    details(ada, "Monday walk")
    ada.button("Leave the group").click()
    ada.button("Leave").click()
    expect(ada.page.get_by_text("You left this group", exact=False).first).to_be_visible()
    bo.open_chat("Monday walk")
    bo.sees("Ada left")

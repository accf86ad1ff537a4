"""What people do with whole chats: pin, mute, archive, mark as unread, note to self, messages that vanish, settings."""

import re
from collections.abc import Iterator, Sequence

import pytest
from playwright.sync_api import expect

from support.browser import NARROW, Chromium
from support.browser_people import Person, at_their_pages
from support.homes import RelayProcess

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def both(
    browser: Chromium, relay: RelayProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Sequence[Person]]:
    with at_their_pages(browser, tmp_path_factory.mktemp("people"), relay, "Ada", "Bo", "Cleo") as people:
        yield people


@pytest.fixture
def ada(both: Sequence[Person]) -> Person:
    both[0].page.keyboard.press("Escape")
    return both[0]


@pytest.fixture
def bo(both: Sequence[Person]) -> Person:
    return both[1]


def rows(person: Person) -> list[str]:
    return person.chats.get_by_role("listitem").all_inner_texts()


def test_a_pinned_chat_stays_above(ada: Person, bo: Person) -> None:
    ada.chat_act("Cleo", "Pin")
    bo.open_chat("Ada")
    bo.write("newer than all others")
    expect(ada.chats.get_by_role("listitem").filter(has_text="newer than all others")).to_be_visible()
    assert "Cleo" in rows(ada)[0]
    ada.chat_act("Cleo", "Unpin")
    expect(ada.chats.get_by_role("listitem").first).to_contain_text("Bo")


def test_a_muted_chat_says_so(ada: Person) -> None:
    ada.chat_act("Bo", "Mute")
    if ada.page.get_by_role("menuitem", name="Until I turn it on").count():
        ada.item("Until I turn it on").click()
    row = ada.chats.get_by_role("listitem").filter(has_text="Bo")
    expect(row.get_by_label("Muted")).to_be_visible()
    ada.chat_act("Bo", "Unmute")
    expect(row.get_by_label("Muted")).to_have_count(0)


def test_an_archived_chat_is_put_away_and_comes_back(ada: Person) -> None:
    ada.chat_act("Cleo", "Archive")
    expect(ada.chats).not_to_contain_text("Cleo")
    ada.button("Archived").first.click()
    expect(ada.chats).to_contain_text("Cleo")
    ada.chat_act("Cleo", "Take out of the archive")
    ada.button("All chats").first.click()
    expect(ada.chats).to_contain_text("Cleo")


def test_a_chat_is_marked_as_unread_until_it_is_opened(ada: Person) -> None:
    ada.open_chat("Bo")
    ada.open_chat("Cleo")
    ada.chat_act("Bo", "Mark as unread")
    row = ada.chats.get_by_role("listitem").filter(has_text="Bo")
    expect(row.get_by_label("Marked as unread")).to_be_visible()
    ada.open_chat("Bo")
    ada.open_chat("Cleo")
    expect(row.get_by_label("Marked as unread")).to_have_count(0)


def test_a_note_to_self_is_for_one_alone(ada: Person) -> None:
    ada.page.keyboard.press("Control+k")
    expect(ada.page.get_by_role("combobox")).to_be_focused()
    ada.page.keyboard.type("note to self")
    ada.page.keyboard.press("Enter")
    expect(ada.page.get_by_role("main").get_by_text("Note to self").first).to_be_visible()
    ada.write("umbrella, stamps, bread")
    expect(ada.chats.get_by_role("listitem").filter(has_text="umbrella")).to_contain_text("Note to self")
    ada.page.reload()
    ada.sees("umbrella, stamps, bread")


def test_messages_vanish_after_the_time_that_a_chat_has(ada: Person, bo: Person) -> None:
    ada.open_chat("Bo")
    ada.page.get_by_role("main").get_by_role("button", name=re.compile("^Bo")).first.click()
    ada.button(re.compile("^Vanishing messages")).click()
    ada.page.get_by_role("menuitemradio", name="5 minutes").click()
    bo.open_chat("Ada")
    bo.sees("new messages vanish 5 minutes after they are read")
    bo.write("gone in five minutes")
    ada.sees("gone in five minutes")
    [message] = [
        item for item in ada.ask("messages", chat="Bo") if item.get("text") == "gone in five minutes"
    ]
    assert message["expires"] == 300
    expect(ada.bubble("gone in five minutes").get_by_label(re.compile("Vanishes")).first).to_be_visible()


def test_light_and_dark_and_language_are_chosen_and_all_windows_follow(ada: Person) -> None:
    other = ada.another_window()
    ada.button("Settings").click()
    ada.page.get_by_text("Appearance").click()
    ada.page.get_by_role("radio", name="Dark").click()
    for window in (ada.page, other):
        expect(window.locator("html")).to_have_attribute("data-theme", "dark")
    ada.page.get_by_role("radio", name="Русский").click()
    expect(other.locator("html")).to_have_attribute("lang", "ru")
    expect(
        other.get_by_role("textbox", name="Сообщение")
        .or_(other.get_by_role("button", name="Настройки"))
        .first
    ).to_be_visible()
    ada.page.get_by_role("radio", name="فارسی").click()
    expect(ada.page.locator("html")).to_have_attribute("dir", "rtl")
    ada.page.get_by_role("radio", name="English").click()
    expect(other.locator("html")).to_have_attribute("lang", "en")
    other.close()


def test_two_windows_of_one_home_are_in_step(ada: Person, bo: Person) -> None:
    other = ada.another_window()
    ada.open_chat("Bo")
    other.get_by_role("list", name="Chats").get_by_role("listitem").filter(has_text="Bo").click()
    ada.write("written in the first window")
    expect(other.get_by_role("log")).to_contain_text("written in the first window")
    bo.open_chat("Ada")
    bo.write("seen in both")
    for window in (ada.page, other):
        expect(window.get_by_role("log")).to_contain_text("seen in both")
        expect(
            window.get_by_role("log").get_by_role("article").filter(has_text="seen in both")
        ).to_have_count(1)
    other.close()


def test_narrow_it_shows_one_thing_at_a_time_and_the_way_back_of_the_system_works(ada: Person) -> None:
    ada.page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    ada.page.goto(ada.page.url.partition("#")[0])
    expect(ada.chats).to_be_visible()
    ada.open_chat("Bo")
    expect(ada.chats).not_to_be_visible()
    ada.page.go_back()
    expect(ada.chats).to_be_visible()
    expect(ada.log).not_to_be_visible()
    ada.page.set_viewport_size({"width": 1280, "height": 800})

"""What two people do with messages, at two real windows: reply, react, edit, delete, forward, copy, format, draft, search."""

import re
from collections.abc import Iterator, Sequence

import pytest
from playwright.sync_api import expect

from support.browser import Chromium
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
    return both[0]


@pytest.fixture
def bo(both: Sequence[Person]) -> Person:
    return both[1]


@pytest.fixture(autouse=True)
def at_the_chat(ada: Person, bo: Person) -> None:
    """Each test begins with the two looking at their chat."""
    for person, friend in ((ada, "Bo"), (bo, "Ada")):
        person.page.keyboard.press("Escape")
        person.open_chat(friend)


def test_a_text_stands_there_at_once_and_its_ticks_tell_how_far_it_came(ada: Person, bo: Person) -> None:
    ada.write("how far is it to the sea?")
    bo.sees("how far is it to the sea?")
    row = ada.bubble("how far is it to the sea?").locator("xpath=ancestor-or-self::*[.//*[@aria-label]][1]")
    expect(row.get_by_label("Read").first).to_be_visible()


def test_an_answer_quotes_what_it_answers_and_leads_there(ada: Person, bo: Person) -> None:
    bo.write("bread or rice?")
    ada.sees("bread or rice?")
    ada.act("bread or rice?", "Reply")
    expect(ada.page.get_by_text("Reply to Bo")).to_be_visible()
    ada.box("Message").fill("rice, please")
    ada.page.keyboard.press("Enter")
    expect(bo.bubble("rice, please")).to_be_visible()
    [answer] = [item for item in bo.read("Ada") if item["text"] == "rice, please"]
    [asked] = [item for item in bo.read("Ada") if item["text"] == "bread or rice?"]
    assert answer["reply_to"] == asked["id"]
    expect(bo.log.get_by_text("bread or rice?")).to_have_count(2)
    bo.log.get_by_role("button", name=re.compile("bread or rice")).last.click()
    expect(bo.log.get_by_text("bread or rice?").first).to_be_in_viewport()


def test_a_reaction_comes_and_is_taken_back(ada: Person, bo: Person) -> None:
    bo.write("we won the regatta")
    ada.sees("we won the regatta")
    ada.bubble("we won the regatta").click(button="right")
    ada.page.get_by_role("menuitemradio", name=re.compile("React with")).first.click()
    chip = bo.log.get_by_role("group", name="Reactions").get_by_role("button", name=re.compile("1 person"))
    expect(chip).to_be_visible()
    ada.log.get_by_role("group", name="Reactions").get_by_role("button", name=re.compile("1 person")).click()
    expect(chip).to_have_count(0)


def test_an_edit_is_seen_and_marked(ada: Person, bo: Person) -> None:
    ada.write("we meet at sevn")
    bo.sees("we meet at sevn")
    ada.act("we meet at sevn", "Edit")
    expect(ada.box("Message")).to_have_value("we meet at sevn")
    ada.box("Message").fill("we meet at seven")
    ada.page.keyboard.press("Enter")
    expect(bo.bubble("we meet at seven")).to_be_visible()
    expect(bo.log.get_by_text("we meet at sevn")).to_have_count(0)
    expect(bo.log.get_by_text("edited").last).to_be_visible()


def test_arrow_up_in_an_empty_composer_edits_the_last_message(ada: Person, bo: Person) -> None:
    ada.write("the last thing I wrote")
    ada.box("Message").press("ArrowUp")
    expect(ada.box("Message")).to_have_value("the last thing I wrote")
    ada.page.keyboard.press("Escape")
    expect(ada.box("Message")).to_have_value("")


def test_what_is_deleted_for_everyone_is_gone_with_a_mark(ada: Person, bo: Person) -> None:
    ada.write("nobody should read this")
    bo.sees("nobody should read this")
    ada.act("nobody should read this", "Delete")
    ada.button("Delete for everyone").click()
    expect(bo.log.get_by_text("nobody should read this")).to_have_count(0)
    expect(bo.log.get_by_text("This message was deleted").last).to_be_visible()
    expect(ada.log.get_by_text("You deleted this message").last).to_be_visible()
    assert "nobody should read this" not in bo.texts("Ada")


def test_what_is_deleted_here_stays_there(ada: Person, bo: Person) -> None:
    bo.write("keep this or not")
    ada.sees("keep this or not")
    ada.act("keep this or not", "Delete")
    ada.button("Delete here").click()
    expect(ada.log.get_by_text("keep this or not")).to_have_count(0)
    expect(bo.log.get_by_text("keep this or not")).to_have_count(1)


def test_a_message_is_forwarded_and_says_so(both: Sequence[Person]) -> None:
    ada, bo, cleo = both
    bo.write("the bakery opens at six")
    ada.sees("the bakery opens at six")
    ada.act("the bakery opens at six", "Forward")
    ada.dialog.get_by_text("Cleo").first.click()
    ada.dialog.get_by_role("button", name="Forward", exact=True).click()
    cleo.open_chat("Ada")
    cleo.sees("the bakery opens at six")
    expect(cleo.log.get_by_text("Forwarded").last).to_be_visible()


def test_a_text_is_copied_as_it_was_written(ada: Person, bo: Person) -> None:
    bo.box("Message").fill("a *bold* word and a `piece`")
    bo.button("Send").click()
    expect(ada.log.get_by_text("bold", exact=True)).to_be_visible()
    ada.log.get_by_text("bold", exact=True).last.click(button="right")
    ada.item("Copy text").click()
    copied: str = ada.page.evaluate("navigator.clipboard.readText()")
    assert copied == "a *bold* word and a `piece`"


def test_formatting_is_shown_as_it_is_typed(ada: Person, bo: Person) -> None:
    ada.box("Message").fill("*strong* _slanted_ ~struck~ `code` 2*3*4 and https://example.org/x_y_z")
    ada.button("Send").click()
    for name, text in (("strong", "strong"), ("em", "slanted"), ("s, del", "struck"), ("code", "code")):
        expect(bo.log.locator(name).get_by_text(text, exact=True).last).to_be_visible()
    link = bo.log.get_by_role("link", name="https://example.org/x_y_z")
    expect(link.last).to_have_attribute("href", "https://example.org/x_y_z")
    assert "noreferrer" in (link.last.get_attribute("rel") or "")
    assert link.last.get_attribute("target") == "_blank"


def test_an_emoji_is_found_and_put_into_the_text(ada: Person, bo: Person) -> None:
    ada.box("Message").fill("ahoy ")
    ada.button("Emoji").click()
    ada.page.get_by_role("combobox", name="Search emoji").fill("anchor")
    ada.page.get_by_role("option", name="anchor", exact=True).click()
    ada.page.keyboard.press("Escape")
    ada.button("Send").click()
    bo.sees("ahoy ⚓")


def test_a_draft_waits_in_its_chat_and_in_the_next_window(ada: Person) -> None:
    ada.box("Message").fill("not yet said")
    ada.open_chat("Cleo")
    expect(ada.box("Message")).to_have_value("")
    expect(ada.chats.get_by_role("listitem").filter(has_text="Bo")).to_contain_text("not yet said")
    ada.page.reload()
    ada.open_chat("Bo")
    expect(ada.box("Message")).to_have_value("not yet said")
    ada.box("Message").fill("")
    ada.open_chat("Cleo")
    expect(ada.chats.get_by_role("listitem").filter(has_text="Bo")).not_to_contain_text("not yet said")


def test_what_came_meanwhile_is_counted_and_one_lands_at_the_first_of_it(ada: Person, bo: Person) -> None:
    ada.open_chat("Cleo")
    for number in range(4):
        bo.write(f"while you were away {number}")
    row = ada.chats.get_by_role("listitem").filter(has_text="Bo")
    expect(row).to_contain_text("4")
    expect(ada.page).to_have_title(re.compile(r"\(?4\)?|\d"))
    ada.open_chat("Bo")
    expect(ada.log.get_by_text("New messages")).to_be_visible()
    expect(ada.log.get_by_text("while you were away 0")).to_be_in_viewport()
    ada.open_chat("Cleo")
    expect(row.get_by_text("unread")).to_have_count(0)


def test_enter_sends_and_shift_enter_makes_a_line_and_a_setting_turns_them_round(
    ada: Person, bo: Person
) -> None:
    box = ada.box("Message")
    box.fill("first line")
    box.press("Shift+Enter")
    ada.page.keyboard.type("second line")
    box.press("Enter")
    expect(bo.log.get_by_text("second line").last).to_be_visible()
    assert "first line\nsecond line" in bo.texts("Ada")
    ada.ask("set_settings", enter_sends=False)
    ada.page.wait_for_timeout(300)
    box.fill("above")
    box.press("Enter")
    ada.page.keyboard.type("below")
    expect(box).to_have_value("above\nbelow")
    box.press("Control+Enter")
    expect(bo.log.get_by_text("below").last).to_be_visible()
    ada.ask("set_settings", enter_sends=True)


def test_a_message_is_found_in_all_chats_and_in_this_one(ada: Person, bo: Person) -> None:
    bo.write("the lighthouse keeper has a parrot")
    ada.sees("parrot")
    ada.open_chat("Cleo")
    ada.button("Search").first.click()
    ada.page.get_by_label("Search chats, people and messages").fill("parr")
    ada.page.get_by_role("button", name=re.compile("lighthouse keeper")).click()
    expect(ada.bubble("the lighthouse keeper has a parrot")).to_be_in_viewport()
    ada.page.keyboard.press("Escape")
    ada.page.keyboard.press("Control+f")
    here = ada.page.get_by_role("searchbox", name="Search in this chat")
    expect(here).to_be_focused()
    here.fill("lighthouse")
    ada.page.get_by_role("button", name=re.compile("lighthouse keeper")).click()
    expect(ada.bubble("the lighthouse keeper has a parrot")).to_be_in_viewport()
    expect(here).to_have_value("lighthouse")  # what was searched for stays beside what was found
    ada.page.keyboard.press("Escape")


def test_who_has_a_message_is_told(ada: Person, bo: Person) -> None:
    ada.write("who has seen this?")
    bo.sees("who has seen this?")
    ada.page.wait_for_timeout(1000)
    ada.act("who has seen this?", "Info")
    expect(ada.dialog.get_by_text("Read by")).to_be_visible()
    expect(ada.dialog.get_by_text("Bo")).to_be_visible()
    ada.page.keyboard.press("Escape")


def test_new_messages_are_announced_once_with_the_name(ada: Person, bo: Person) -> None:
    bo.write("heard by who does not see")
    ada.sees("heard by who does not see")
    spoken = ada.page.locator("[aria-live=polite], [role=status]").all_inner_texts()
    assert sum("heard by who does not see" in text and "Bo" in text for text in spoken) <= 1
    assert ada.log.get_attribute("aria-live") in (None, "off", "polite")


def test_the_end_stays_in_sight_when_the_beginning_of_the_chat_grows(ada: Person) -> None:
    """In a chat short enough that its beginning is in the document, and long enough to scroll."""
    ada.open_chat("Cleo")
    for n in range(14):
        ada.write(f"line {n} of a short talk")
    expect(ada.bubble("line 13 of a short talk")).to_be_in_viewport()
    below = "log => log.scrollHeight - log.scrollTop - log.clientHeight"
    before = ada.log.evaluate("log => log.scrollHeight")
    assert ada.log.evaluate("log => log.scrollHeight > log.clientHeight"), "nothing to scroll"
    ada.log.evaluate("log => { log.firstElementChild.querySelector('h2').style.paddingBlock = '40px'; }")
    ada.page.wait_for_timeout(300)
    assert ada.log.evaluate("log => log.scrollHeight") > before
    assert ada.log.evaluate(below) <= 1

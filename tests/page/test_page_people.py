"""The page's panels about people, at real windows of real apps: who it is, who may come in, who is in a group, who may look."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from support.browser import Chromium, another, until
from support.browser_camera import film_of_code
from support.browser_people import Person, at_their_pages
from support.homes import RelayProcess

pytestmark = pytest.mark.processes

SECRET = "a lamp, nine gulls and tea"


@pytest.fixture
def three(browser: Chromium, relay: RelayProcess, tmp_path: Path) -> Iterator[Sequence[Person]]:
    with at_their_pages(browser, tmp_path, relay, "Ada", "Bo", "Cleo") as people:
        yield people


def panel(page: Page, *words: str) -> None:
    """Open a panel over or beside what is there: what a press on its button does to the address."""
    until(
        page,
        "() => document.querySelector('[role=dialog], dialog, aside, main') && !/^#[^/]/.test(location.hash)",
    )
    page.evaluate(
        "panel => { location.hash = (location.hash.split('/-/')[0] || '#').replace(/[/]$/, '') + '/-/' + panel }",
        "/".join(words),
    )


def account(person: Person) -> str:
    [status] = person.ask("status")
    return str(status["account"])


def test_numbers_are_the_same_on_both_sides_and_who_compared_them_is_confirmed(
    three: Sequence[Person],
) -> None:
    ada, bo, _ = three
    seen = []
    for person, friend in ((ada, bo), (bo, ada)):
        person.open_chat(friend.name)
        panel(person.page, "verify", account(friend))
        digits = person.page.get_by_role("list", name="The safety number")
        expect(digits.get_by_role("listitem")).to_have_count(12)
        seen.append(digits.inner_text().split())
    assert seen[0] == seen[1]
    assert all(len(five) == 5 and five.isdigit() for five in seen[0])

    ada.button("They are not the same").click()
    expect(ada.dialog.last).to_contain_text("Then somebody may stand between you")
    ada.button("They are the same").click()
    expect(ada.dialog.last).to_contain_text("nobody stands between you and Bo")
    assert [c["verified"] for c in ada.ask("contacts") if c["name"] == "Bo"] == [True]
    assert [c["verified"] for c in bo.ask("contacts") if c["name"] == "Ada"] == [False]


def test_a_camera_compares_and_refuses_the_code_of_another(
    three: Sequence[Person], browser: Chromium, tmp_path: Path
) -> None:
    ada, bo, cleo = three
    [true] = bo.ask("verify", name="Ada")
    [of_another] = cleo.ask("verify", name="Ada")
    for code, outcome in (
        (of_another["code"], "This is the code of another of your contacts."),
        (true["code"], "nobody stands between you and Bo"),
    ):
        film = film_of_code(code, tmp_path / "seen.y4m")
        with another(browser, f"--use-file-for-fake-video-capture={film}") as seeing:
            context = seeing.person("Ada")
            page = ada.open(context.new_page())
            expect(page.get_by_role("list", name="Chats", exact=True)).to_be_visible()
            panel(page, "verify", account(bo))
            page.get_by_role("button", name="Scan their code").click()
            expect(page.get_by_role("dialog").last).to_contain_text(outcome)
            context.close()
    assert [c["name"] for c in ada.ask("contacts") if c["verified"]] == ["Bo"]


def test_who_opens_an_open_invite_asks_and_is_let_in_or_not(
    browser: Chromium, relay: RelayProcess, tmp_path: Path
) -> None:
    with at_their_pages(browser, tmp_path, relay, "Ada", "Bo", "Cleo", friends=False) as (ada, bo, cleo):
        ada.button("New chat").first.click()
        ada.page.get_by_role("radio", name="For many").check()
        one = ada.box("The invite as text").input_value()
        expect(ada.box("The invite as text")).not_to_have_value("")
        ada.page.wait_for_timeout(500)
        invite = ada.box("The invite as text").input_value()
        assert invite.startswith("whimbrel:"), one
        for person, words in ((bo, "We met at the boat."), (cleo, "<img src=x onerror=alert(1)>")):
            person.button("New chat").first.click()
            person.box("Paste an invite").fill(invite)
            person.box("A word to them").fill(words)
            person.button("Open invite").click()
            expect(person.dialog).to_contain_text("Asked. Ada decides")
        ada.page.keyboard.press("Escape")
        panel(ada.page, "requests")
        requests = ada.dialog.get_by_role("listitem")
        expect(requests).to_have_count(2)
        expect(requests.filter(has_text="Cleo")).to_contain_text("<img src=x onerror=alert(1)>")
        requests.filter(has_text="Cleo").get_by_role("button", name="Refuse").click()
        expect(requests).to_have_count(1)
        requests.filter(has_text="Bo").get_by_role("button", name="Accept").click()
        ada.write("the boat, of course")
        bo.page.keyboard.press("Escape")
        bo.open_chat("Ada")
        bo.sees("the boat, of course")
        assert [c["name"] for c in ada.ask("contacts") if c["standing"] == "contact"] == ["Bo"]


def test_an_invite_that_cannot_be_opened_says_why(three: Sequence[Person]) -> None:
    ada, bo, cleo = three
    invite = ada.invite()
    box = ada.box("Paste an invite")
    for pasted, answer in (
        ("https://example.org/nothing-of-the-kind", "This is not an invite."),
        (invite[:-20], "A part of this invite is missing."),
        (invite[:-3] + ("aaa" if invite[-3:] != "aaa" else "bbb"), "This invite is damaged"),
        (invite, "This is an invite of your own."),
    ):
        box.fill(pasted)
        ada.button("Open invite").click()
        expect(ada.dialog.get_by_role("alert").last).to_contain_text(answer)
    bo.ask("accept", invite=invite)
    cleo.button("New chat").first.click()
    cleo.box("Paste an invite").fill(invite)
    cleo.button("Open invite").click()
    expect(cleo.dialog.get_by_role("alert").last).to_contain_text("This invite was opened already.")


def test_new_chat_asks_where_the_friend_is_and_anywhere_takes_a_relay(
    browser: Chromium, relay: RelayProcess, tmp_path: Path
) -> None:
    ada = Person("Ada", tmp_path, browser, own_relay=True)
    try:
        ada.start()
        ada.open()
        ada.first_start()
        ada.button("New chat").first.click()
        expect(ada.dialog).to_contain_text("Until you choose, this invite works on this computer only.")
        ada.page.get_by_role("radio", name="Anywhere").check()
        expect(ada.button("Copy invite")).to_have_count(0)
        ada.box("Address of a relay").fill(relay.address[:40])
        ada.button("Use this relay").click()
        expect(ada.dialog.get_by_role("alert").first).to_contain_text(
            "This is not the whole address of a relay."
        )
        ada.box("Address of a relay").fill(relay.address)
        ada.button("Use this relay").click()
        expect(ada.dialog).to_contain_text("This invite works from anywhere.")
        expect(ada.button("Copy invite")).to_be_visible()
        [status] = ada.ask("status")
        assert status["relay"] == "elsewhere"
    finally:
        ada.context.close()
        ada.kill()


def test_a_group_with_a_picture_is_made_named_anew_and_its_members_change(
    three: Sequence[Person], tmp_path: Path
) -> None:
    ada, bo, cleo = three
    picture = tmp_path / "picture.png"
    ada.page.screenshot(path=picture)
    panel(ada.page, "new-group")
    ada.box("Name of the group").fill("Harbour walk")
    ada.page.set_input_files("input[type=file]", picture)
    ada.page.get_by_role("checkbox", name="Bo").check()
    ada.box("Find people").or_(ada.page.get_by_role("searchbox", name="Find people")).fill("cle")
    expect(ada.page.get_by_role("checkbox")).to_have_count(1)
    ada.page.get_by_role("checkbox", name="Cleo").check()
    ada.button("Make the group").click()
    expect(ada.log).to_be_visible()
    ada.write("nine o'clock at the gate")
    for person in (bo, cleo):
        person.open_chat("Harbour walk")
        person.sees("nine o'clock at the gate")
        expect(person.chats.locator("img").first).to_be_visible()

    group = next(chat for chat in ada.ask("chats") if chat["name"] == "Harbour walk")
    panel(ada.page, "group", group["id"])
    ada.button("Change the name").click()
    ada.box("Name of the group").fill("Evening walk")
    ada.page.keyboard.press("Enter")
    expect(bo.chats).to_contain_text("Evening walk")
    ada.button("What can be done with Bo").click()
    ada.item("Make an admin").click()
    ada.button("What can be done with Cleo").click()
    ada.item("Remove from the group").click()
    ada.button("Remove").click()
    expect(ada.button("What can be done with Cleo")).to_have_count(0)
    [item] = bo.ask("group_show", group=group["id"])
    assert {member["name"]: member["role"] for member in item["members"]} == {"Ada": "admin", "Bo": "admin"}
    panel(cleo.page, "group", group["id"])
    expect(cleo.page.get_by_text("You are not in this group any more.").first).to_be_visible()


def test_who_is_blocked_is_not_heard_until_that_is_taken_back(three: Sequence[Person]) -> None:
    ada, bo, _ = three
    bo.open_chat("Ada")
    ada.open_chat("Bo")
    panel(ada.page, "contact", account(bo))
    ada.button("Block Bo").click()
    ada.button("Block").click()
    expect(ada.page.get_by_text("You blocked Bo.").first).to_be_visible()
    bo.write("can you hear me?")
    panel(ada.page, "settings", "privacy")
    ada.button("Unblock").click()
    expect(ada.dialog).to_contain_text("You blocked nobody.")
    bo.write("and now?")
    ada.page.keyboard.press("Escape")
    ada.sees("and now?")
    expect(ada.log).not_to_contain_text("can you hear me?")


def test_all_windows_lock_together_and_open_with_the_passphrase_alone(three: Sequence[Person]) -> None:
    ada, bo, _ = three
    panel(ada.page, "settings", "lock")
    ada.button("Set a passphrase").click()
    ada.box("New passphrase").fill(SECRET)
    ada.box("The new one again").fill(SECRET + "!")
    expect(ada.button("Save the passphrase")).to_be_disabled()
    ada.box("The new one again").fill(SECRET)
    ada.button("Save the passphrase").click()
    expect(ada.button("Lock now")).to_be_visible()
    second = ada.another_window()
    expect(second.get_by_role("list", name="Chats", exact=True)).to_be_visible()
    ada.button("Lock now").click()
    for page in (ada.page, second):
        expect(page.get_by_role("heading", name="Locked")).to_be_visible()
        expect(page.get_by_role("list", name="Chats", exact=True)).to_have_count(0)
    bo.open_chat("Ada")
    bo.write("while you were away")
    ada.box("Passphrase").fill("a guess of somebody")
    ada.page.keyboard.press("Enter")
    expect(ada.page.get_by_role("alert")).to_contain_text("This is not the passphrase.")
    assert "while you were away" not in ada.page.content() + second.content()
    ada.box("Passphrase").fill(SECRET)
    ada.page.keyboard.press("Enter")
    for page in (ada.page, second):
        expect(page.get_by_role("list", name="Chats", exact=True)).to_contain_text("while you were away")


def test_it_locks_by_itself_when_nobody_touches_it_and_not_before(three: Sequence[Person]) -> None:
    ada, *_ = three
    ada.ask("set_passphrase", new=SECRET)
    ada.ask("set_settings", lock_after=6)
    locked = ada.page.get_by_role("heading", name="Locked")
    expect(ada.chats).to_be_visible()
    for step in range(40):  # eight seconds
        ada.page.mouse.move(600 + step, 400)
        ada.page.wait_for_timeout(200)
        assert not locked.is_visible()
    expect(locked).to_be_visible(timeout=15_000)


def test_what_is_found_leads_to_its_place(three: Sequence[Person]) -> None:
    ada, *_ = three
    ada.open_chat("Bo")
    ada.write("the lighthouse keeper is called Ömer")
    for n in range(60):
        ada.ask("send", chat="Bo", text=f"line {n} of a long evening")
    ada.sees("line 59 of a long evening")
    ada.page.reload()
    expect(ada.chats).to_be_visible()
    panel(ada.page, "search")
    box = ada.page.get_by_role("searchbox", name="Search chats, people and messages")
    expect(box).to_be_focused()
    ada.page.keyboard.type("omer light")
    found = ada.page.get_by_role("list", name="Messages").get_by_role("button")
    expect(found).to_have_count(1)
    expect(found.locator("mark")).to_have_text(["light", "Ömer"])
    ada.page.keyboard.press("ArrowDown")
    expect(found).to_be_focused()
    ada.page.keyboard.press("Enter")
    expect(ada.bubble("the lighthouse keeper is called Ömer")).to_be_in_viewport()
    panel(ada.page, "search")
    box.fill("nothing of that kind")
    expect(ada.page.get_by_text("Nothing is found for “nothing of that kind”.")).to_be_visible()


@pytest.mark.complaints(
    "ERR_CONNECTION_REFUSED", "ERR_INCOMPLETE_CHUNKED", "ERR_EMPTY", "ERR_CONNECTION_RESET"
)
def test_everything_is_erased_after_ones_name_was_typed(
    browser: Chromium, relay: RelayProcess, tmp_path: Path
) -> None:
    with at_their_pages(browser, tmp_path, relay, "Ada", friends=False) as (ada,):
        panel(ada.page, "settings", "kept")
        ada.button("Erase everything").click()
        question = ada.page.get_by_role("alertdialog", name="Erase everything?")
        yes = question.get_by_role("button", name="Erase everything")
        question.get_by_role("textbox").fill("ada")
        expect(yes).to_be_disabled()
        question.get_by_role("textbox").fill("Ada")
        yes.click()
        expect(question).to_contain_text("Everything is erased.")
        assert ada.app is not None
        assert ada.app.process.wait(20) == 0
        assert not (ada.home.path / "store.db").exists()

"""With the keyboard alone: from the first start to a picture with a caption, focus always seen; and the keys that PAGE.md names."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from support.browser import Chromium
from support.browser_people import Person
from support.browser_states import picture
from support.homes import RelayProcess
from support.residents import Resident

pytestmark = pytest.mark.processes

# What has the focus, and whether that shows: on itself, or on the frame around it.
FOCUS = """() => {
  const element = document.activeElement;
  if (!element || element === document.body) return { what: "nothing", shows: false };
  const what = `${element.tagName} ${element.getAttribute("aria-label") ?? element.innerText ?? ""}`.slice(0, 80);
  const box = element.getBoundingClientRect();
  const accent = getComputedStyle(document.documentElement).getPropertyValue("--accent");
  let shows = false;
  for (let at = element, n = 0; at && n < 4; at = at.parentElement, n++) {
    const style = getComputedStyle(at);
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
    const shadow = style.boxShadow !== "none" && (n === 0 || at.matches(":focus-within"));
    const border = at.matches(":focus-within") && (parseFloat(style.borderTopWidth) >= 1 || style.boxShadow !== "none");
    const chosen = element.getAttribute("aria-activedescendant") !== null;
    if ((n === 0 && ring) || (n > 0 && ring) || (n === 0 && shadow) || (border && /^(INPUT|TEXTAREA)$/.test(element.tagName)) || chosen) shows = true;
  }
  const inside = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  return { what, shows: shows && inside, accent };
}"""


def focus(page: Page) -> str:
    """What has the focus; it must be seen."""
    page.wait_for_timeout(60)
    found = page.evaluate(FOCUS)
    assert found["shows"], f"the focus does not show on {found['what']}"
    what: str = found["what"]
    return what


def tab_to(page: Page, name: str, backwards: bool = False, most: int = 40) -> None:
    """The Tab key until this has the focus."""
    for _ in range(most):
        if re.search(name, focus(page)):
            return
        page.keyboard.press("Shift+Tab" if backwards else "Tab")
    raise AssertionError(f"{name} is not reached with {most} presses of Tab")


@pytest.fixture
def bo(tmp_path: Path, relay: RelayProcess) -> Iterator[Resident]:
    """A friend, whose window does not matter here."""
    friend = Resident("Bo", tmp_path / "bo")
    friend.start()
    friend.ask("init", name="Bo", relay=relay.address)
    yield friend
    friend.end()


@pytest.fixture
def ada(browser: Chromium, tmp_path: Path) -> Iterator[Person]:
    person = Person("Ada", tmp_path, browser, own_relay=True)
    person.start()
    person.open()
    yield person
    person.close()


def test_from_the_first_start_to_a_picture_with_a_caption(ada: Person, bo: Resident, tmp_path: Path) -> None:
    page, keys = ada.page, ada.page.keyboard
    photo = tmp_path / "harbour.png"
    photo.write_bytes(picture(600, 400, 0.3))
    [invite] = bo.ask("invite")

    expect(ada.box("Your name")).to_be_focused()
    focus(page)
    keys.type("Ada")
    keys.press("Enter")
    expect(ada.button("New chat").first).to_be_visible()

    for _ in range(3):  # whatever has the focus now, Tab leads to something that is seen
        keys.press("Tab")
        focus(page)
    keys.press("Control+k")
    focus(page)
    keys.type("new chat")
    keys.press("Enter")
    expect(ada.dialog.get_by_role("heading", name="New chat")).to_be_visible()
    expect(ada.button("Copy invite")).to_be_enabled()
    box = ada.box("Paste an invite")
    for _ in range(40):
        if box.evaluate("box => box === document.activeElement"):
            break
        keys.press("Tab")
        focus(page)
    expect(box).to_be_focused()
    keys.insert_text(invite["invite"])
    keys.press("Enter")
    expect(ada.log).to_be_visible()
    expect(ada.box("Message")).to_be_focused()
    focus(page)

    with page.expect_file_chooser() as chooser:
        keys.press("Control+u")
    chooser.value.set_files(photo)
    expect(page.get_by_role("list", name="Attached").or_(page.get_by_label("Attached")).first).to_be_visible()
    if not ada.box("Message").evaluate("box => box === document.activeElement"):
        tab_to(page, "Message")
    focus(page)
    keys.type("seen from the pier")
    keys.press("Enter")
    ada.sees("seen from the pier")
    expect(ada.log.locator("img").first).to_be_visible()
    got = bo.home.wait_for(lambda: [item for item in bo.read("Ada") if item["text"]], bool)[-1]
    assert got["text"] == "seen from the pier"
    assert got["files"][0]["type"].startswith("image/")


def test_focus_goes_into_a_dialog_stays_there_and_comes_back(ada: Person) -> None:
    ada.first_start()
    page, keys = ada.page, ada.page.keyboard
    opener = ada.button("Settings").first
    opener.focus()
    keys.press("Enter")
    expect(ada.dialog).to_be_visible()
    for _ in range(25):
        keys.press("Tab")
        # Behind the last thing of a dialog come the browser's own, and then the first again: never what is below.
        if not page.evaluate("() => document.activeElement === document.body"):
            focus(page)
            assert page.evaluate("() => document.activeElement.closest('dialog') !== null")
    keys.press("Escape")
    expect(ada.dialog).to_have_count(0)
    expect(opener).to_be_focused()


def test_the_keys_that_everybody_expects(ada: Person, bo: Resident) -> None:
    ada.first_start()
    [invite] = bo.ask("invite")
    ada.open_invite(invite["invite"])
    keys = ada.page.keyboard
    for text in ("one", "two", "three"):
        ada.write(text)
    # Arrow keys move through messages, with a menu on the context key.
    ada.bubble("three").focus()
    keys.press("ArrowUp")
    expect(ada.bubble("two")).to_be_focused()
    keys.press("ArrowUp")
    expect(ada.bubble("one")).to_be_focused()
    focus(ada.page)
    keys.press("Shift+F10")
    expect(ada.item("Copy text")).to_be_visible()
    keys.press("Escape")
    expect(ada.bubble("one")).to_be_focused()
    # Alt and arrows: the chat before and after.
    keys.press("Control+k")
    expect(ada.page.get_by_role("combobox")).to_be_focused()
    keys.type("note to self")
    keys.press("Enter")
    expect(ada.page.get_by_role("main").get_by_text("Note to self").first).to_be_visible()
    above = ada.chats.get_by_role("listitem").first.filter(has_text="three").count() == 1
    keys.press("Alt+ArrowUp" if above else "Alt+ArrowDown")
    ada.sees("three")
    # ? shows all.
    ada.bubble("three").focus()
    keys.press("?")
    expect(ada.dialog.get_by_text("Go to a chat", exact=False).first).to_be_visible()
    keys.press("Escape")
    expect(ada.dialog).to_have_count(0)

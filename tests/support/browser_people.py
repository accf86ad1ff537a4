"""People at their pages: each has a home, its app as a process, and a window of a browser that is theirs alone.

What a test does here is what a hand does: press what has a name, write into what has a name, look at what is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, Locator, Page, expect

from support.browser import PATIENCE_MS, Chromium
from support.homes import RelayProcess
from support.residents import Resident, befriend

expect.set_options(timeout=PATIENCE_MS)

APP_WORDS: tuple[str, ...] = ()
"""Further words of the app in tests."""


class Person(Resident):
    """A resident whose page stands open."""

    def __init__(
        self, name: str, folder: Path, browser: Chromium, own_relay: bool = False, **window: Any
    ) -> None:
        super().__init__(name, folder / name.lower().replace(" ", "-"))
        self.browser = browser
        self.own_relay = own_relay
        self.context: BrowserContext = browser.person(name, **window)
        self.page: Page = self.context.new_page()

    # -- the app and its window ----------------------------------------------------------------------------

    def start(self) -> None:
        words = [*APP_WORDS, *(() if self.own_relay else ("--no-relay",))]
        self.app = self.home.app(*words)

    def open(self, page: Page | None = None) -> Page:
        """Follow the link that the app printed, as a person does (the link works once; the next comes from the app)."""
        assert self.app is not None
        page = page or self.page
        [link] = self.ask("page")
        page.goto(link["url"])
        return page

    def another_window(self) -> Page:
        """A second window of the same browser on the same home."""
        assert self.app is not None
        page = self.context.new_page()
        page.goto(self.app.url.partition("?")[0])
        return page

    def close(self) -> None:
        self.context.close()
        if self.app is not None and self.app.process.poll() is None:
            self.end()

    # -- what is there, by role and name ---------------------------------------------------------------------

    def button(self, name: str | re.Pattern[str], exact: bool = True) -> Locator:
        return self.page.get_by_role("button", name=name, exact=exact)

    def box(self, name: str) -> Locator:
        return self.page.get_by_role("textbox", name=name, exact=True)

    @property
    def chats(self) -> Locator:
        return self.page.get_by_role("list", name="Chats", exact=True)

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("log", name="Messages", exact=True)

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    # -- what people do again and again ----------------------------------------------------------------------

    def first_start(self, relay: str | None = None) -> None:
        """Chooses a name; gives the address of a relay, or has one inside the app."""
        self.box("Your name").fill(self.name)
        if relay is not None:
            self.button("I have the address of a relay").click()
            self.box("Address of the relay").fill(relay)
        self.button("Start").click()
        expect(self.button("New chat").first).to_be_visible()

    def invite(self) -> str:
        """Copies an invite for one person out of *New chat*."""
        self.button("New chat").first.click()
        copy = self.button("Copy invite")
        expect(copy).to_be_enabled()
        copy.click()
        text: str = self.page.evaluate("navigator.clipboard.readText()")
        assert text.startswith("whimbrel:"), text
        return text

    def open_invite(self, invite: str) -> None:
        """Pastes it into *New chat*, and is in the chat."""
        self.button("New chat").first.click()
        self.box("Paste an invite").fill(invite)
        self.button("Open invite").click()
        expect(self.log).to_be_visible()

    def open_chat(self, name: str) -> None:
        self.chats.get_by_role("listitem").filter(has_text=name).first.click()
        expect(self.log).to_be_visible()

    def write(self, text: str) -> None:
        """Into the composer, and away."""
        self.box("Message").fill(text)
        self.button("Send").click()
        expect(self.log).to_contain_text(text.splitlines()[0])

    def sees(self, text: str) -> None:
        expect(self.log).to_contain_text(text)

    def item(self, name: str | re.Pattern[str]) -> Locator:
        """An entry of the menu that is open."""
        return self.page.get_by_role("menuitem", name=name, exact=isinstance(name, str))

    def bubble(self, text: str) -> Locator:
        """The newest message with this in its text."""
        return self.log.get_by_role("article").filter(has_text=text).last

    def act(self, text: str, name: str) -> None:
        """Choose an action from the menu of a message."""
        self.bubble(text).click(button="right")
        self.item(name).click()

    def chat_act(self, chat: str, name: str) -> None:
        """Choose an action from the menu of a chat in the list."""
        self.chats.get_by_role("listitem").filter(has_text=chat).first.click(button="right")
        self.item(name).click()

    def secret(self) -> str:
        """The second secret, as only the page has it: seen where it leaves the page."""
        with self.page.expect_request(lambda request: "x-whimbrel" in request.headers) as asked:
            self.page.reload()
        return asked.value.headers["x-whimbrel"]


@contextmanager
def at_their_pages(
    browser: Chromium, folder: Path, relay: RelayProcess, *names: str, friends: bool = True, **window: Any
) -> Iterator[Sequence[Person]]:
    """People with accounts on one relay who know each other, their pages open."""
    people = [Person(name, folder, browser, **window) for name in names]
    try:
        for person in people:
            person.start()
            person.ask("init", name=person.name, relay=relay.address)
        if friends:
            for at, person in enumerate(people[:-1]):
                befriend(person, *people[at + 1 :])
        for person in people:
            person.open()
        yield people
    finally:
        for person in people:
            person.context.close()  # before the app: a window complains of an app that goes
            if person.app is not None and person.app.process.poll() is None:
                person.kill()

"""People in a scenario: each has a home and an app of its own, which may be killed at any moment.

They speak to their app over its socket, as the commands do, without the time that a command takes to start. A word
that is lost with the app is said again, unless the home has it already: what a person would do.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from support.homes import PATIENCE_S, USUAL, App, Home, RelayProcess, Start
from whimbrel.app.channel import AppGone, reach_app
from whimbrel.store.home import open_home

T = TypeVar("T")
Item = dict[str, Any]


class Told(Exception):
    """The app answered with an error."""

    def __init__(self, error: Item) -> None:
        super().__init__(error["message"])
        self.code: str = error["error"]
        self.exit: int = error["exit"]


class Resident:
    """A person whose app runs, most of the time."""

    def __init__(self, name: str, path: Path, start: Start = USUAL) -> None:
        self.name = name
        self.home = Home(path, start=start)
        self.app: App | None = None

    # ------------------------------------------------------------------------------------------ the app

    def start(self) -> None:
        self.app = self.home.app("--no-relay")

    def kill(self) -> None:
        """As a power cut ends it."""
        assert self.app is not None
        self.app.kill()

    def restart(self) -> None:
        self.kill()
        self.start()

    def end(self) -> None:
        assert self.app is not None
        assert self.app.end() == 0

    # ------------------------------------------------------------------------------- what can be asked

    def ask(self, method: str, **parameters: Any) -> list[Item]:
        """A call of the app, once. Raises Told for its errors, AppGone when it ended before it had answered."""
        channel = reach_app(self.home.path)
        if channel is None:
            raise AppGone
        with channel:
            answers = list(channel.ask(method, parameters))
        if "error" in answers[-1]:
            raise Told(answers[-1]["error"])
        return [answer["item"] for answer in answers[:-1]]

    def patiently(self, method: str, **parameters: Any) -> list[Item]:
        """A call that may be made twice: made again until an app has answered it."""
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self.ask(method, **parameters)
            except AppGone:
                assert time.monotonic() < end, f"{self.name} has no app"
                time.sleep(0.05)

    def say(self, chat: str, text: str, **parameters: Any) -> None:
        """Have a message queued, once, whatever happens to the app meanwhile."""
        while True:
            try:
                self.ask("send", chat=chat, text=text, wait=0, **parameters)
                return
            except AppGone:
                if text in self.own_texts(chat):
                    return

    def read(self, chat: str, **parameters: Any) -> list[Item]:
        return self.patiently("read", chat=chat, **parameters)

    def texts(self, chat: str) -> list[str]:
        return [line["text"] for line in self.read(chat)]

    def own_texts(self, chat: str) -> list[str]:
        return [line["text"] for line in self.read(chat) if line["mine"]]

    def texts_from(self, chat: str, name: str) -> list[str]:
        return [line["text"] for line in self.read(chat) if line["from"] == name]

    def members(self, group: str) -> dict[str, str]:
        """Who is in a group, and their roles; nobody while this home does not know of it."""
        try:
            [shown] = self.patiently("group_show", group=group)
        except Told as told:
            if not str(told).startswith("There is no group"):
                raise
            return {}
        return {member["name"]: member["role"] for member in shown["members"] if member["present"]}

    # ------------------------------------------------------------------------------------- afterwards

    def log_order(self, chat: str) -> list[str]:
        """The ids of a chat's messages in the order of the relay's log, as this home remembers it; its app has ended."""
        with open_home(self.home.path, create=False, find_keyring=lambda interactive: None) as home:
            [row] = [row for row in home.database.chats() if row.name == chat and not row.hidden]
            rows = home.database.messages(row.id)
        assert all(row.seq is not None for row in rows), "a message without its place in the log"
        # Own messages that went together remember the place of their last one; among them the order is that of saying.
        return [row.id.hex() for row in sorted(rows, key=lambda row: (row.seq, row.n))]


@contextmanager
def residents(
    folder: Path, relay: RelayProcess, *names: str, start: Start = USUAL
) -> Iterator[list[Resident]]:
    """People with accounts on one relay, their apps running; strangers to each other."""
    people = [Resident(name, folder / name.lower(), start) for name in names]
    try:
        with ThreadPoolExecutor() as at_once:
            list(at_once.map(Resident.start, people))
        for person in people:
            [made] = person.ask("init", name=person.name, relay=relay.address)
            assert made["name"] == person.name
        yield people
    finally:
        for person in people:
            if person.app is not None and person.app.process.poll() is None:
                person.kill()


def befriend(one: Resident, *others: Resident) -> None:
    """The others open a one-use invite each; afterwards all of them are contacts of the first."""
    for other in others:
        [made] = one.patiently("invite")
        [accepted] = other.patiently("accept", invite=made["invite"])
        assert accepted["chat"], accepted
    wanted = {other.name for other in others}
    eventually(lambda: wanted <= {line["name"] for line in one.patiently("contacts")})


def eventually(look: Callable[[], T], patience: float = PATIENCE_S, every: float = 0.2) -> T:
    """What is seen once there is something to see."""
    end = time.monotonic() + patience
    while not (found := look()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(every)
    return found


class Meanwhile:
    """Things that happen beside the test, each in a thread of its own, until the block is left; what fails there, fails it."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._failures: list[BaseException] = []

    def do(self, story: Callable[[], object]) -> threading.Thread:
        """Have it done once."""

        def told() -> None:
            try:
                story()
            except BaseException as failure:
                self._failures.append(failure)
                self._over.set()

        thread = threading.Thread(target=told)
        self._threads.append(thread)
        thread.start()
        return thread

    def every(self, seconds: float, story: Callable[[], object]) -> None:
        """Have it done again and again, so many seconds after it was done last."""

        def again() -> None:
            while not self._over.wait(seconds):
                story()

        self.do(again)

    def wait(self, *threads: threading.Thread) -> None:
        """Until these are done, or anything failed."""
        for thread in threads:
            while thread.is_alive():
                thread.join(0.1)
                self.check()
        self.check()

    def check(self) -> None:
        if self._failures:
            raise self._failures[0]

    def __enter__(self) -> Meanwhile:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        self.check()  # what failed beside the test is why the test itself got no further

"""People of the city: each a real `whimbrel app` on a home in their namespace, told what to do over its socket, as commands do it.

Nothing of the app is imported: lines of JSON go over the Unix socket in the home. When something arrived is what the app itself says
in its `follow`, read by a thread that does nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from lab import world
from lab.city import PATIENCE_S, WHIMBREL, City, Running
from lab.namespaces import LabError
from lab.talk import Arrived, Sent
from lab.tap import Tap

FIRST_WAY_ONLY = (sys.executable, "-m", "lab.first_app")
"""In place of the command: see there."""
T = TypeVar("T")
Item = dict[str, Any]


class Told(LabError):
    """The app answered with an error."""

    def __init__(self, error: Item) -> None:
        super().__init__(error["message"])
        self.code: str = error["error"]


class Channel:
    """A connection to an app's socket: one request at a time, each answered by items and an end."""

    def __init__(self, home: Path) -> None:
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection.connect(str(home / "socket"))
        self._lines = self._connection.makefile("rb")
        self._turn = threading.Lock()

    def ask(self, method: str, **parameters: Any) -> Iterator[Item]:
        """The items of the answer, as they come. Raises Told for the app's errors, LabError when it has ended."""
        with self._turn:
            asked = json.dumps({"method": method, "params": parameters}).encode() + b"\n"
            try:
                self._connection.sendall(asked)
                while line := self._lines.readline():
                    answer = json.loads(line)
                    if "error" in answer:
                        raise Told(answer["error"])
                    if "item" not in answer:
                        return
                    yield answer["item"]
            except OSError:
                pass
            raise LabError("the app has ended; its log says why")

    def close(self) -> None:
        """Whoever waits for an answer is told that there is none."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


class Person:
    """Somebody of the city. `start` their app; `close` ends what was started and listened to here."""

    def __init__(
        self,
        city: City,
        place: str,
        name: str | None = None,
        extra: dict[str, str] | None = None,
        program: Sequence[str] | None = None,
    ) -> None:
        """`place` as in `world.PEOPLE`, and who lives there now (else the same). `extra`: for the environment of the app, which
        asks the city's public resolvers in place of the world's unless it says otherwise. `program`: in place of the command."""
        if place not in world.PEOPLE:
            raise LabError(f"there is no {place} in the city")
        self.place = place
        self.name = name or place.capitalize()
        self.provider, self.address = world.PEOPLE[place]
        self.home = city.folder / "homes" / self.name
        self._city = city
        self._program = (str(WHIMBREL),) if program is None else tuple(program)
        resolvers = " ".join(f"https://{address}/dns-query" for _, address in city.world.resolvers)
        self._extra = {"WHIMBREL_RESOLVERS": resolvers, **(extra or {})}
        self._app: Running | None = None
        self._open = ExitStack()
        self._asking: Channel | None = None
        self.arrived: list[Arrived] = []
        """Messages of others, in the order in which the app showed them for the first time; twice when it showed two of a text."""
        self.statuses: list[tuple[float, Item]] = []
        """What the app said of its ways, and when."""

    # -- the app ---------------------------------------------------------------------------------------------------

    def tap(self) -> Tap:
        """Have every packet of this person's device written down, until it is closed."""
        tap = Tap(self._city.ground.name(self.place), "eth0", self._city.folder / f"{self.name}.pcap")
        self._city.until_the_end.callback(tap.close)
        return tap

    def start(self, *, with_relay: bool = False) -> Person:
        """`with_relay`: as somebody starts it who has nothing yet, with a relay inside."""
        self.home.parent.mkdir(parents=True, exist_ok=True)
        words = [*self._program, "--home", str(self.home), "--json", "app", "--no-browser"]
        words += [] if with_relay else ["--no-relay"]
        self._app = self._city.start(f"app-{self.name}", self.place, [*words, "--port", "0"], self._extra)
        self._city.until_ready(self._app)
        self._asking = Channel(self.home)
        self._open.callback(self._asking.close)
        return self

    def init(self, relay: str | None) -> None:
        """Make an account, on a relay or without one."""
        self.ask("init", name=self.name, **({"relay": relay} if relay else {}))

    def listen(self) -> None:
        """Note from now on what arrives."""
        channel = Channel(self.home)
        self._open.callback(channel.close)
        ready = threading.Event()

        def follow() -> None:
            shown: set[str] = set()
            try:
                for item in channel.ask("follow"):
                    at = time.monotonic()
                    if item.get("ready"):
                        ready.set()
                    if "status" in item:
                        self.statuses.append((at, item["status"]))
                    message = item.get("message")
                    if message is not None and not message["mine"] and message["id"] not in shown:
                        shown.add(message["id"])
                        self.arrived.append(Arrived(message["text"], at))
            except (LabError, ValueError):
                return  # the app was ended, or we do not listen any more

        threading.Thread(target=follow, name=f"{self.name} listens", daemon=True).start()
        if not ready.wait(PATIENCE_S):
            raise LabError(f"{self.name}'s app does not say what happens")

    def kill(self) -> None:
        """As a power cut ends it."""
        self.close()
        if self._app is not None:
            self._city.end(self._app)
            self._app = None

    def close(self) -> None:
        self._open.close()
        self._asking = None

    # -- what can be asked -----------------------------------------------------------------------------------------

    def ask(self, method: str, **parameters: Any) -> list[Item]:
        """A call of the app; what it answers. Raises Told for its errors."""
        if self._asking is None:
            raise LabError(f"{self.name} has no app")
        return list(self._asking.ask(method, **parameters))

    def one(self, method: str, **parameters: Any) -> Item:
        [item] = self.ask(method, **parameters)
        return item

    def say(self, chat: str, text: str, files: list[str] | None = None) -> Sent:
        """Have a message queued; it goes by itself."""
        at = time.monotonic()
        self.ask("send", chat=chat, text=text, wait=0, **({"files": files} if files else {}))
        return Sent(text, at)

    def texts(self, chat: str) -> list[tuple[bool, str]]:
        """Whether it is one's own, and the text, of the last 500 messages as the home keeps them."""
        return [(line["mine"], line["text"]) for line in self.messages(chat, 500)]

    def messages(self, chat: str, count: int) -> list[Item]:
        """The last ones of a chat, oldest first. They do not count as read: nobody is told."""
        return [line for line in self.ask("messages", chat=chat, limit=count) if "event" not in line]

    def waiting(self) -> int:
        """How much is in the outbox."""
        waiting: int = self.one("status")["waiting"]
        return waiting

    def may_write(self, chat: str) -> bool:
        """Whether there is a chat of this name that one may write into."""
        return any(one["name"] == chat and one["may_post"] for one in self.ask("chats"))

    @property
    def starts_with_nothing(self) -> bool:
        """Whether there is no account yet."""
        return self.one("status")["account"] is None

    def is_at_rest(self) -> bool:
        """Whether the outbox is empty."""
        return self.waiting() == 0

    def is_up(self) -> bool:
        """Whether there is a way to the own relay now."""
        return any(way["up"] for way in self.one("status")["ways"] if way["own"])

    def way(self) -> str | None:
        """The route that is up, as the app has it."""
        return next((way["way"] for way in self.one("status")["ways"] if way["own"] and way["up"]), None)


def friends(city: City, one: Person | None = None, other: Person | None = None) -> tuple[Person, Person]:
    """Two people (else Ada and Bo) with accounts on the city's relay, in contact, their apps up and listened to. For an open network."""
    pair = (one or Person(city, "ada"), other or Person(city, "bo"))
    with ThreadPoolExecutor() as at_once:
        list(at_once.map(Person.start, pair))
        list(at_once.map(lambda person: person.init(city.relay_address), pair))
    invite = pair[0].one("invite")["invite"]
    pair[1].one("accept", invite=invite)
    for person in pair:
        until(partial(person.ask, "contacts"), f"{person.name}'s friend does not come")
        until(person.is_at_rest, f"{person.name} does not come to rest")
        person.listen()
    return pair


def converse(
    pair: tuple[Person, Person],
    count: int,
    every: float,
    *,
    label: str = "",
    patience: float = PATIENCE_S,
) -> tuple[dict[str, list[Sent]], dict[str, list[Arrived]]]:
    """`count` messages each way, one `every` seconds, the two in turn; then up to `patience` seconds until all are there.

    What was sent and what arrived, by who spoke, for `talk.figures`. Strikes come from beside, at any moment.
    """
    one, other = pair
    heard = {one.name: len(other.arrived), other.name: len(one.arrived)}
    chat = {one.name: other.name, other.name: one.name}
    start = time.monotonic() + 0.1

    def speak(person: Person, offset: float) -> list[Sent]:
        sent = []
        for number in range(count):
            time.sleep(max(0.0, start + offset + number * every - time.monotonic()))
            sent.append(person.say(chat[person.name], f"{label}{person.name} {number}"))
        return sent

    with ThreadPoolExecutor(2) as at_once:
        speaking = {
            one.name: at_once.submit(speak, one, 0.0),
            other.name: at_once.submit(speak, other, every / 2),
        }
        sent = {name: future.result() for name, future in speaking.items()}
    listeners = {one.name: other, other.name: one}

    def so_far() -> dict[str, list[Arrived]]:
        return {name: listener.arrived[heard[name] :] for name, listener in listeners.items()}

    def all_there() -> bool:
        found = so_far()
        return all({m.text for m in sent[name]} <= {m.text for m in found[name]} for name in sent)

    end = time.monotonic() + patience
    while not all_there() and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(0.2)  # for a second one of the last
    return sent, so_far()


def send_file(speaker: Person, listener: Person, size: int, patience: float) -> float | None:
    """Seconds until a file of so many random bytes was whole at the other side; None: it was not in time."""
    name = f"file-{os.urandom(4).hex()}.bin"
    path = speaker.home.parent / name
    path.write_bytes(os.urandom(size))
    begun = time.monotonic()
    speaker.say(listener.name, name, files=[str(path)])
    chat = speaker.name
    folder = listener.home.parent / f"saved-{listener.name}"
    folder.mkdir(exist_ok=True)
    end = begun + patience
    where: dict[str, Any] = {}
    try:
        while time.monotonic() < end:
            lines = listener.ask("messages", chat=chat, limit=5, **where)
            found = [line for line in lines if line.get("text") == name]
            if found:  # what is said meanwhile comes behind it
                where = {"around": found[0]["id"]}
            files = found[0]["files"] if found else []
            if files and files[0]["state"] == "here":
                took = time.monotonic() - begun
                saved = listener.one("save", message=found[0]["id"], dir=str(folder))
                if Path(saved["path"]).read_bytes() != path.read_bytes():
                    raise LabError("a file came out other than it went in")
                return took
            if files and files[0]["state"] in ("offered", "failed"):
                listener.ask("fetch_file", file=files[0]["id"])
            time.sleep(0.05)
        return None
    finally:
        path.unlink()


@dataclass(frozen=True, slots=True)
class ColdStart:
    """A new person, from the invite to the first message. Seconds; None: not in time."""

    accepted: float | None
    """Until there was a chat to write into."""
    delivered: float | None
    """Until the first message was at the other side."""


def cold_start(newcomer: Person, host: Person, invite: str, patience: float = PATIENCE_S) -> ColdStart:
    """Somebody whose app was just started for the first time opens an invite and writes. `host` made the invite before, and is listened
    to. The clock runs from the opening of the invite: how long a program takes to load is no affair of a network's."""
    if newcomer.starts_with_nothing:
        newcomer.ask("init", name=newcomer.name)
    heard = len(host.arrived)
    begun = time.monotonic()
    newcomer.ask("accept", invite=invite)
    left = begun + patience - time.monotonic()
    try:
        until(lambda: newcomer.may_write(host.name), "no chat", left, every=0.02)
    except LabError:
        return ColdStart(None, None)
    accepted = time.monotonic() - begun
    text = f"{newcomer.name} is here"
    newcomer.say(host.name, text)
    end = begun + patience
    while time.monotonic() < end:
        for one in host.arrived[heard:]:
            if one.text == text:
                return ColdStart(accepted, one.at - begun)
        time.sleep(0.01)
    return ColdStart(accepted, None)


def until(look: Callable[[], T], otherwise: str, patience: float = PATIENCE_S, every: float = 0.05) -> T:
    """What is seen once there is something to see. Raises LabError when it does not come."""
    end = time.monotonic() + patience
    while not (found := look()):
        if time.monotonic() > end:
            raise LabError(otherwise)
        time.sleep(every)
    return found

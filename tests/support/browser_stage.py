"""A stage: the real page behind the app's real doors, with a home that a test makes up.

For looking at states that take long to come about, or that come by chance: a full disk, a thousand people, a message that
failed. What is made up are only the items that methods answer; each is checked against `client/shapes.py`, so that a stage
which the app has outgrown fails. What people do at their pages is tested with real homes, in other files.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn, NotRequired, get_origin, get_type_hints

from whimbrel.app import http
from whimbrel.client import shapes
from whimbrel.client.errors import NOT_FOUND, ServiceError
from whimbrel.client.windows import Windows

Item = dict[str, Any]
NOW = datetime(2026, 11, 20, 14, 41, tzinfo=UTC)
"""The time of all stages: a Friday afternoon."""


def at(minutes_ago: float = 0) -> str:
    return (NOW - timedelta(minutes=minutes_ago)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def ident(words: str) -> str:
    """An id that looks like one, the same in each run."""
    return sha256(words.encode()).hexdigest()


@cache
def keys_of(shape: Any) -> tuple[frozenset[str], frozenset[str]]:
    """The keys that must be there, and those that may."""
    hints = get_type_hints(shape, include_extras=True)
    return frozenset(key for key, hint in hints.items() if get_origin(hint) is not NotRequired), frozenset(
        hints
    )


def checked(shape: Any, item: Item) -> Item:
    """The item, if it has the keys of its shape and no others."""
    needed, known = keys_of(shape)
    assert needed <= item.keys() <= known, (shape.__name__, needed - item.keys(), item.keys() - known)
    return item


ME = ident("Ada")


@dataclass
class Home:
    """What a stage's home says when it is asked."""

    chats: list[Item] = field(default_factory=list)
    messages: dict[str, list[Item]] = field(default_factory=dict)
    contacts: list[Item] = field(default_factory=list)
    groups: dict[str, Item] = field(default_factory=dict)
    requests: list[Item] = field(default_factory=list)
    status: Item = field(default_factory=dict)
    settings: Item = field(default_factory=dict)
    found: list[Item] = field(default_factory=list)
    ways: list[Item] = field(default_factory=list)
    helping: Item = field(default_factory=dict)
    pictures: dict[str, tuple[bytes, str]] = field(default_factory=dict)
    """Bytes and type of files, by their id."""
    refuses: dict[str, ServiceError] = field(default_factory=dict)
    """Methods that cannot be done, and why."""

    def __post_init__(self) -> None:
        self.status = status() | self.status
        self.settings = settings() | self.settings
        self.helping = helping() | self.helping


# -- items ---------------------------------------------------------------------------------------------


def helping(**more: Any) -> Item:
    base: Item = {
        "on": False,
        "state": "off",
        "told_at": "",
        "told": 0,
        "port": 0,
        "by_router": False,
        "at": "",
        "cert": "",
        "megabytes": 1000,
        "people": 20,
        "there": 0,
        "full": False,
        "spent": False,
        "away": False,
        "today": 0,
        "bytes_today": 0,
        "most": 0,
        "bytes_all": 0,
        "since": None,
        "trouble": "",
    }
    return base | more


def status(**more: Any) -> Item:
    way = {"relay": ident("relay"), "embedded": False, "own": True, "up": True, "way": "wss://relay.example/way", "since": at(90), "trouble": None, "trouble_code": None, "slow": False, "pattern": None}  # fmt: skip
    base = {
        "name": "Ada",
        "account": ME,
        "ways": [checked(shapes.WayItem, way)],
        "waiting": 0,
        "wrong": [],
        "key": "The home is encrypted.",
        "key_place": "keyring",
        "home": "/home/ada/.whimbrel",
        "locked": False,
        "version": "0.1.0",
        "requests": 0,
        "relay": "elsewhere",
        "network": look(),
    }
    return checked(shapes.StatusItem, base | more)


def look(*findings: Item, **more: Any) -> Item:
    """The network; without findings nothing is in the way."""
    base = {
        "findings": list(findings) or [finding("clear", "nobody")],
        "tried": [],
        "works": {"text": "at-once", "picture": "at-once", "voice": "at-once", "video": "at-once"},
        "observer": {"sees": "name", "host": "relay.example"},
        "looking": False,
        "done": 0,
        "planned": 0,
        "looked": None,
    }
    return checked(shapes.LookItem, base | more)


def finding(what: str, blame: str = "network", **more: Any) -> Item:
    return checked(shapes.FindingItem, {"what": what, "blame": blame} | more)


def attempt(host: str, looks: str = "plain", **more: Any) -> Item:
    """Connections that were tried."""
    base = {
        "host": host,
        "bridge": False,
        "looks": looks,
        "worked": 2,
        "failed": 0,
        "stage": None,
        "reason": None,
        "bytes": 0,
    }
    return checked(shapes.TriedItem, base | more)


def way_to(route: str, told_by: str = "", **more: Any) -> Item:
    """A way to a relay as `whimbrel ways` lists it."""
    base = {
        "relay": ident("relay"),
        "embedded": False,
        "own": True,
        "route": route,
        "up": False,
        "came_up": 0,
        "failed_since": 0,
        "derived": False,
        "told_by": told_by,
    }
    return checked(shapes.RouteItem, base | more)


def settings(**more: Any) -> Item:
    base = {
        "theme": "system",
        "language": "en",
        "enter_sends": True,
        "notify": "who",
        "sounds": False,
        "receipts": True,
        "full_quality": False,
        "fetch_up_to": 64 * 1024 * 1024,
        "lock_after": 0,
        "list_width": 340,
    }
    return checked(shapes.SettingsItem, base | more)


def message(chat: str, n: int, text: str = "", who: str = "Bo", **more: Any) -> Item:
    mine = who == "Ada"
    base = {
        "id": ident(f"{chat} {n}"),
        "chat": chat,
        "n": n,
        "sender": who,
        "from": who,
        "person": ident(who),
        "mine": mine,
        "at": at(more.pop("ago", max(1, 24 - n))),
        "text": text,
        "files": [],
        "reply_to": None,
        "quote": None,
        "state": "read" if mine else "delivered",
        "edited": False,
        "deleted": False,
        "forwarded": False,
        "newer": False,
        "reactions": [],
        "mentions": [],
        "expires": None,
        "vanishes": None,
    } | more
    return checked(shapes.MessageItem, base)


def event(chat: str, n: int, what: str, who: str = "Bo", **more: Any) -> Item:
    base = {
        "event": what,
        "id": ident(f"{chat} event {n}"),
        "chat": chat,
        "n": n,
        "sender": who,
        "from": who,
        "person_id": ident(who),
        "mine": who == "Ada",
        "at": at(more.pop("ago", max(1, 24 - n))),
    } | more
    return checked(shapes.EventItem, base)


def file(name: str, size: int, type: str, state: str = "here", done: int | None = None, **more: Any) -> Item:
    base = {
        "id": ident(f"file {name} {state}"),
        "name": name,
        "size": size,
        "type": type,
        "state": state,
        "done": size if done is None and state == "here" else (done or 0),
        "description": "",
    } | more
    return checked(shapes.FileItem, base)


def chat(name: str, last: Item | None = None, **more: Any) -> Item:
    kind = more.get("kind", "pair")
    base = {
        "id": ident(f"chat {name}"),
        "name": name,
        "kind": kind,
        "unread": 0,
        "last": last["at"] if last else None,
        "preview": preview(last) if last else None,
        "person": ident(name) if kind == "pair" else None,
        "verified": False,
        "standing": "open",
        "pinned": False,
        "archived": False,
        "muted": False,
        "muted_until": None,
        "unread_mark": False,
        "mentioned": False,
        "draft": "",
        "first_unread": None,
        "timer": 0,
        "picture": None,
        "members": 2 if kind == "pair" else 5,
        "may_post": True,
        "may_add": kind == "group",
        "may_change": True,
        "admin": True,
    } | more
    return checked(shapes.ChatItem, base)


def preview(last: Item) -> Item:
    is_event = "event" in last
    files = last.get("files") or []
    kinds = {"image": "picture", "video": "video", "audio": "voice"}
    what = (
        "event"
        if is_event
        else "deleted"
        if last["deleted"]
        else kinds.get(files[0]["type"].split("/")[0], "file")
        if files
        else "text"
    )
    base = {
        "id": last["id"],
        "n": last["n"],
        "at": last["at"],
        "sender": last["sender"],
        "mine": last["mine"],
        "text": "" if is_event else last["text"],
        "what": what,
        "state": "read" if is_event else last["state"],
    }
    if is_event:
        base["event"] = last
    return checked(shapes.PreviewItem, base)


def contact(name: str, **more: Any) -> Item:
    base = {
        "id": ident(name),
        "name": name,
        "kind": "pair",
        "unread": 0,
        "last": None,
        "chat": ident(f"chat {name}"),
        "standing": "contact",
        "verified": False,
        "came": "came by your invite of 2026-11-02",
        "cannot_be_added": None,
        "groups": [],
    }
    return checked(shapes.ContactItem, base | more)


def member(name: str, **more: Any) -> Item:
    base = {
        "id": ident(name),
        "name": name,
        "role": "member",
        "present": True,
        "me": name == "Ada",
        "verified": False,
        "contact": True,
        "blocked": False,
    } | more
    return checked(shapes.MemberItem, base)


def group(name: str, members: list[Item], **more: Any) -> Item:
    base = {
        "id": ident(f"chat {name}"),
        "name": name,
        "members": members,
        "post": "everybody",
        "add": "admins",
        "change": "admins",
        "timer": 0,
        "picture": None,
    } | more
    return checked(shapes.GroupItem, base)


def request(name: str, text: str) -> Item:
    came = "asked by your open invite on 2026-11-20"
    return checked(shapes.RequestItem, {"id": ident(name), "name": name, "text": text, "came": came})


def wrong(code: str, text: str, chat: str | None = None) -> Item:
    return checked(shapes.WrongItem, {"code": code, "text": text, "chat": chat, "at": at(3)})


# -- the stage -------------------------------------------------------------------------------------------


class _Facts:
    def __init__(self) -> None:
        self._facts: dict[str, bytes] = {}

    def facts(self) -> dict[str, bytes]:
        return self._facts

    def commit(self, changes: list[Any]) -> None:
        self._facts |= {change.name: change.value for change in changes}


class Stage:
    """The page, served. `show` puts another home onto it."""

    def __init__(self, folder: Path) -> None:
        self.home = Home()
        self._folder = folder
        self._loop = asyncio.new_event_loop()
        self._following: list[asyncio.Queue[Item]] = []
        self._windows = Windows(_Facts(), ident("stage"))

    def show(self, home: Home) -> None:
        self.home = home

    def tell(self, **change: Any) -> None:
        """Something changes, and every window hears of it."""
        item = checked(shapes.ChangeItem, change)
        for queue in self._following:
            self._loop.call_soon_threadsafe(queue.put_nowait, item)

    def link(self) -> str:
        """What opens the page once."""
        return f"{self.address}?token={self._windows.link()}"

    async def call(self, method: str, params: Item) -> AsyncIterator[Item]:
        if method in self.home.refuses:
            raise self.home.refuses[method]
        answer = getattr(self, f"_{method}", None)
        if answer is None:
            raise ServiceError("unknown-method", f"There is nothing called {method}.", "", 2)
        async for item in answer(**params):
            yield item

    # The methods that the page asks while it only shows something.

    async def _status(self) -> AsyncIterator[Item]:
        yield self.home.status

    async def _network(self) -> AsyncIterator[Item]:
        yield self.home.status["network"]

    async def _ways(self) -> AsyncIterator[Item]:
        for item in self.home.ways:
            yield item

    async def _help_status(self) -> AsyncIterator[Item]:
        yield checked(shapes.HelpItem, self.home.helping)

    async def _settings(self) -> AsyncIterator[Item]:
        yield self.home.settings

    async def _set_settings(self, **changes: Any) -> AsyncIterator[Item]:
        self.home.settings = self.home.settings | changes
        self.tell(settings=self.home.settings)
        yield self.home.settings

    async def _chats(self) -> AsyncIterator[Item]:
        for item in self.home.chats:
            yield item

    async def _contacts(self) -> AsyncIterator[Item]:
        for item in self.home.contacts:
            yield item

    async def _requests(self, **_: Any) -> AsyncIterator[Item]:
        for item in self.home.requests:
            yield item

    async def _messages(
        self,
        chat: str,
        before: int | None = None,
        after: int | None = None,
        around: str | None = None,
        limit: int = 60,
    ) -> AsyncIterator[Item]:
        rows = self.home.messages.get(chat, [])
        if around is not None:
            place = next(i for i, row in enumerate(rows) if row["id"] == around)
            rows = rows[max(0, place - limit // 2) :][:limit]
        elif before is not None:
            rows = [row for row in rows if row["n"] < before][-limit:]
        elif after is not None:
            rows = [row for row in rows if row["n"] > after][:limit]
        else:
            rows = rows[-limit:]
        for row in rows:
            yield row

    async def _message(self, id: str) -> AsyncIterator[Item]:
        yield next(row for rows in self.home.messages.values() for row in rows if row["id"] == id)

    async def _seen(self, chat: str, n: int) -> AsyncIterator[Item]:
        yield next(item for item in self.home.chats if item["id"] == chat)

    async def _chat_set(self, chat: str, **changes: Any) -> AsyncIterator[Item]:
        [item] = [item for item in self.home.chats if item["id"] == chat]
        item |= changes
        yield item

    async def _receipts(self, message: str) -> AsyncIterator[Item]:
        for name, state, ago in (("Bo", "read", 2), ("Cleo", "delivered", 5)):
            yield checked(
                shapes.ReceiptItem, {"person": ident(name), "name": name, "state": state, "at": at(ago)}
            )

    async def _search(self, **_: Any) -> AsyncIterator[Item]:
        for item in self.home.found:
            yield item

    async def _group_show(self, group: str) -> AsyncIterator[Item]:
        yield self.home.groups[group]

    async def _verify(self, name: str, **_: Any) -> AsyncIterator[Item]:
        names = {person["id"]: person["name"] for person in self.home.contacts}
        number = " ".join(f"{int(ident(name)[i : i + 4], 16):05d}" for i in range(0, 48, 4))
        item = {
            "name": names.get(name, name),
            "safety_number": number,
            "verified": False,
            "code": f"whimbrel-safety:{ident(name)}",
        }
        yield checked(shapes.VerifyItem, item)

    async def _invite(self, open: bool = False, **_: Any) -> AsyncIterator[Item]:
        yield checked(shapes.InviteItem, {"invite": "whimbrel:i1" + ident("invite") + ident("more"), "reach": "anywhere"})  # fmt: skip

    async def _kept(self) -> AsyncIterator[Item]:
        for what, count, size in (
            ("messages", 18_204, 9_400_000),
            ("files", 412, 1_730_000_000),
            ("contacts", 31, 40_000),
            ("keys", 1_204, 620_000),
            ("relay", 0, 0),
            ("drafts", 2, 300),
        ):
            yield checked(
                shapes.KeptItem, {"what": what, "count": count, "bytes": size, "oldest": at(60 * 24 * 200)}
            )

    async def _follow(self) -> AsyncIterator[Item]:
        news: asyncio.Queue[Item] = asyncio.Queue()
        self._following.append(news)
        try:
            yield {"ready": True}
            if self.home.status["locked"]:
                yield {"locked": True}
            while True:
                yield await news.get()
        finally:
            self._following.remove(news)

    # Files: the shelf of the app's doors.

    async def take(self, *_: Any) -> NoReturn:
        raise ServiceError("not-on-stage", "Nothing is sent from a stage.", "", NOT_FOUND)

    def stored(self, file: str) -> NoReturn:
        raise ServiceError("not-found", "It is not on this stage.", "", NOT_FOUND)

    def picture(self, id: str) -> tuple[bytes, str] | None:
        return self.home.pictures.get(id)

    # Running.

    def _run(self, listening: Any) -> None:
        asyncio.set_event_loop(self._loop)
        page = http.Page(self, self._folder, self._windows, self)  # type: ignore[arg-type]
        self._serving = self._loop.create_task(http.serve(listening, page))
        try:
            self._loop.run_until_complete(self._serving)
        except asyncio.CancelledError:
            pass

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}/"

    def begin(self) -> None:
        listening = http.listen(0)
        self._port = listening.getsockname()[1]
        self._thread = threading.Thread(target=self._run, args=(listening,), daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(lambda: self._serving.cancel())
        self._thread.join(10)


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """A stage that nobody has put anything on."""
    stage = Stage(folder)
    stage.begin()
    try:
        yield stage
    finally:
        stage.end()

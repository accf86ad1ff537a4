"""Every state of the page that must be designed, put on a stage: for pictures, for axe-core, and for what may not be cut.

One entry for each state: a home, where in the page one is, and what a hand does before it is looked at.
"""

from __future__ import annotations

import base64
import math
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from playwright.sync_api import Page

from support.browser_stage import (
    ME,
    NOW,
    Home,
    Item,
    at,
    attempt,
    chat,
    contact,
    event,
    file,
    finding,
    group,
    helping,
    ident,
    look,
    member,
    message,
    preview,
    request,
    status,
    way_to,
    wrong,
)

Hand = Callable[[Page], None]


@dataclass(frozen=True)
class State:
    name: str
    home: Callable[[], Home]
    place: str = ""
    """The fragment behind `#/`."""
    hand: Hand = field(default=lambda page: None)


# -- what is used again and again ------------------------------------------------------------------------

BO, CLEO, WALK, SELF = (ident(f"chat {name}") for name in ("Bo", "Cleo", "Sunday walk", "Note to self"))
LONG_NAME = "Maximiliane Alexandra Konstantinopolskaya-Featherstonehaugh of the Northern Lighthouse"
PERSIAN = "نگار فرهادی"
RUSSIAN = "Анастасия Воробьёва"
BLOCKED = ("Mallory", "شهریار نامدار پورابراهیمی‌زاده اصفهانی از کنار زاینده‌رود", f"Mr. {LONG_NAME}")


def picture(width: int, height: int, hue: float) -> bytes:
    """A small landscape, so that something is seen: sky, sun, hills."""
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        sky = y / height
        for x in range(width):
            hill = 0.68 + 0.09 * math.sin(x / width * 7 + hue * 9) + 0.04 * math.sin(x / width * 19)
            sun = math.hypot(x - width * 0.7, (y - height * 0.34)) < min(width, height) * 0.11
            if sky > hill:
                shade = 1 - (sky - hill)
                rows += bytes((int((40 + 60 * hue) * shade), int(105 * shade), int((95 - 40 * hue) * shade)))
            elif sun:
                rows += b"\xff\xe6\xa8"
            else:
                rows += bytes(
                    (int(120 + 120 * sky), int(165 + 40 * sky - 40 * hue * sky), int(215 - 90 * sky))
                )

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", head)
        + part(b"IDAT", zlib.compress(bytes(rows)))
        + part(b"IEND", b"")
    )


PICTURES = {
    "harbour.jpg": picture(480, 320, 0.2),
    "boat.jpg": picture(320, 420, 0.7),
    "hill.jpg": picture(420, 420, 0.95),
}
THUMB = base64.b64encode(bytes.fromhex("1fc80a0d825c98777f7877887888f7877878087788")).decode()


def shown(name: str, **more: Any) -> Item:
    """A picture file that is here."""
    width, height = struct.unpack(">II", PICTURES[name][16:24])
    media = {"width": width * 4, "height": height * 4, "thumbhash": THUMB}
    return file(
        name, 240_000, "image/jpeg", **({"media": media, "description": "The harbour in the evening"} | more)
    )


def voice(state: str = "here") -> Item:
    wave = [int(90 + 80 * math.sin(n / 3) + 60 * math.sin(n * 1.7)) % 256 for n in range(64)]
    return file(
        "voice.ogg",
        41_000,
        "audio/ogg;codecs=opus",
        state,
        media={"duration_ms": 23_400, "waveform": wave, "voice": True},
    )


def talk(where: str = BO) -> list[Item]:
    """An hour of two people."""
    said: list[tuple[str, str, Any]] = [
        ("Bo", "Are you at the harbour already?", {}),
        ("Ada", "On the way. The tram stood still for a while, as always.", {}),
        ("Bo", "I am at the *third* bench, beside the boats.", {}),
        ("Bo", "It is windy. Bring the _thick_ coat.", {}),
        ("Ada", "I have it on", {}),
        ("Ada", "and two rolls with cheese", {"reactions": [{"emoji": "❤️", "people": [ident("Bo")], "mine": False}, {"emoji": "😋", "people": [ME, ident("Bo")], "mine": True}]}),
        ("Bo", "", {"files": [shown("harbour.jpg")]}),
        ("Bo", "This is what you are late for", {}),
        ("Ada", "That light. Do not move, I am there in ten minutes.", {"reply": 7}),
        ("Bo", "", {"files": [voice()]}),
        ("Ada", "https://example.org/tides says that it turns at five", {}),
        ("Bo", "😄👍", {}),
        ("Bo", "Then we have time for `coffee`", {"edited": True}),
        ("Ada", "See you at the bench", {"state": "delivered"}),
    ]  # fmt: skip
    rows: list[Item] = []
    for n, (who, text, more) in enumerate(said, 2):
        extra = dict(more)
        if (to := extra.pop("reply", None)) is not None:
            quoted = rows[to - 1]
            what = "picture" if quoted["files"] else "text"
            extra |= {"reply_to": quoted["id"], "quote": {"id": quoted["id"], "sender": quoted["sender"], "mine": quoted["mine"], "text": quoted["text"], "what": what}}  # fmt: skip
        rows.append(message(where, n, text, who, ago=70 - 4 * n, **extra))
    return rows


def neighbours() -> tuple[list[Item], dict[str, list[Item]]]:
    """The other chats of a list, with a line each."""
    walk = [
        message(WALK, 1, "Where do we meet?", "Dan", ago=200),
        message(WALK, 2, "At the gate, nine o'clock", "Cleo", ago=190),
        message(
            WALK,
            3,
            "@Ada can you bring the map?",
            "Cleo",
            ago=20,
            mentions=[{"start": 0, "length": 4, "person": ME}],
        ),
    ]
    cleo = [message(CLEO, 1, "", "Cleo", ago=95, files=[shown("boat.jpg")])]
    persian = [message(ident(f"chat {PERSIAN}"), 1, "سلام، فردا می‌بینمت؟", PERSIAN, ago=60 * 20)]
    russian = [message(ident(f"chat {RUSSIAN}"), 1, "Встретимся у набережной в семь?", RUSSIAN, ago=60 * 30)]
    long = [
        message(
            ident(f"chat {LONG_NAME}"),
            1,
            "Thank you, and kind regards to everybody at the lighthouse, the cat included",
            LONG_NAME,
            ago=60 * 50,
        )
    ]
    notes = [message(SELF, 1, "umbrella, stamps, bread", "Ada", ago=60 * 24 * 3)]
    left = [event(ident("chat Choir"), 1, "left", "Ada", ago=60 * 24 * 12, people=["Ada"])]
    chats = [
        chat("Cleo", cleo[-1], unread=2, verified=True),
        chat("Sunday walk", walk[-1], kind="group", unread=1, mentioned=True, pinned=True),
        chat(PERSIAN, persian[-1]),
        chat(RUSSIAN, russian[-1], muted=True),
        chat(LONG_NAME, long[-1], unread=128),
        chat("Note to self", notes[-1], kind="self", draft="and the letter for"),
        chat("Choir", left[-1], kind="group", standing="left", may_post=False),
    ]
    rows = {
        item["id"]: row
        for item, row in zip(chats, (cleo, walk, persian, russian, long, notes, left), strict=True)
    }
    return chats, rows


def home(rows: list[Item] | None = None, bo: Item | None = None, **more: Any) -> Home:
    """A home as most people's is after a month, with these messages in the chat with Bo."""
    others, messages = neighbours()
    talked = talk() if rows is None else rows
    first = chat("Bo", talked[-1] if talked else None, verified=True) | (bo or {})
    contacts = [
        contact(name, verified=name in ("Bo", "Cleo"))
        for name in ("Bo", "Cleo", "Dan", PERSIAN, RUSSIAN, LONG_NAME)
    ]
    contacts += [contact(name, standing="blocked", cannot_be_added="blocked") for name in BLOCKED]
    pictures = {ident(f"file {name} here"): (data, "image/png") for name, data in PICTURES.items()}
    return Home(
        chats=[others[1], first, *others[:1], *others[2:]],
        messages=messages | {BO: talked},
        contacts=contacts,
        groups={WALK: walk()},
        pictures=pictures,
        **more,
    )


def walk() -> Item:
    members = [
        member("Ada", role="admin"),
        member("Cleo", role="admin", verified=True),
        member("Bo", verified=True),
        member("Dan"),
        member(RUSSIAN, contact=False),
    ]
    return group("Sunday walk", members, timer=7 * 24 * 3600)


def only(*rows: Item, **more: Any) -> Callable[[], Home]:
    return lambda: home([message(BO, 1, "Tell me when you are there", "Bo", ago=30), *rows], **more)


def ways(**more: Any) -> Callable[[], Home]:
    """A home with this status."""
    return lambda: home(status=status(**more))


def down(**more: Any) -> Item:
    [way] = status()["ways"]
    return (
        way
        | {
            "up": False,
            "way": None,
            "trouble": "The relay cannot be reached by any way.",
            "trouble_code": "unreachable",
        }
        | more
    )


def open_tried(page: Page) -> None:
    """The list of what was tried, with all of it in sight."""
    tried = page.locator("summary").first
    tried.click()
    tried.evaluate("element => element.closest('section').scrollIntoView()")


def press(role: Any, name: str, exact: bool = True) -> Hand:
    return lambda page: page.get_by_role(role, name=name, exact=exact).first.click()


def menu_of(text: str) -> Hand:
    def hand(page: Page) -> None:
        bubble = page.get_by_role("log").get_by_text(text, exact=False).first
        bubble.click(button="right")
        page.get_by_role("menu").first.wait_for()

    return hand


def answer(text: str) -> Hand:
    def hand(page: Page) -> None:
        menu_of(text)(page)
        page.get_by_role("menuitem", name="Reply", exact=True).click()
        page.get_by_role("menu").first.wait_for(state="detached")

    return hand


def write(text: str) -> Hand:
    return lambda page: page.get_by_role("textbox", name="Message", exact=True).fill(text)


def thousand() -> Home:
    """A group of 1,000 people."""
    people = [
        member("Ada", role="admin"),
        *(member(f"Member {n:04}", contact=n % 7 == 0) for n in range(1, 1000)),
    ]
    rows = [message(WALK, n, f"Member {n} was here", f"Member {n:04}", ago=600 - n) for n in range(1, 40)]
    staged = home()
    staged.groups[WALK] = group("Sunday walk", people)
    staged.messages[WALK] = rows
    for item in staged.chats:
        if item["id"] == WALK:
            item |= {"members": 1000, "preview": preview(rows[-1])}
    return staged


def two_thousand() -> Home:
    staged = home()
    more = [
        chat(
            f"Chat {n:04}",
            message(
                ident(f"chat Chat {n:04}"), 1, "the last thing that was said", f"Chat {n:04}", ago=60 * n
            ),
        )
        for n in range(1, 1992)
    ]
    staged.chats += more
    return staged


def years() -> Home:
    """100,000 messages; the page is given what it asks for."""
    rows = [
        message(
            BO,
            n,
            "the tide was low and nobody said a word about the boat again until late"[: 9 + n * 7 % 62],
            "Bo" if n * 5 % 9 < 5 else "Ada",
            ago=(100_000 - n) * 11,
        )
        for n in range(1, 100_001)
    ]
    return home(rows)


FOREVER = (NOW + timedelta(days=6)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
WAYS = [
    way_to("wss://relay.example/way", failed_since=3, came_up=40),
    way_to("wss://garden.example/bridge", up=True, came_up=12),
    way_to("public|wss://library.of-the-lighthouse-keepers-association.north.example/bridge", LONG_NAME),
    way_to("public|wss://192.0.2.7/bridge", PERSIAN, failed_since=1),
]

BLOCKED_NETWORK = look(
    finding("names-false"),
    finding("name-reset"),
    finding("frozen-by-volume", bytes=14_000),
    finding("slow", "unknown", kbit=130),
    tried=[
        attempt("relay.example", failed=4, worked=0, stage="handshake", reason="reset"),
        attempt(
            "relay.example", "unnamed", failed=2, worked=1, stage="receive", reason="silent", bytes=14_200
        ),
        attempt("garden.example", bridge=True),
        attempt(
            "library.of-the-lighthouse-keepers-association.north.example",
            failed=1,
            worked=0,
            stage="connect",
            reason="timed-out",
        ),
    ],
    works={"text": "at-once", "picture": "slowly", "voice": "slowly", "video": "hardly"},
    observer={"sees": "name", "host": "garden.example"},
    looked=at(20),
)

LONG_TEXT = "\n".join(
    f"{n}. A line of a very long message, as somebody writes it who has much to say." for n in range(1, 81)
)
PERSIAN_TEXT = (
    "امروز عصر کنار دریا قدم می‌زدیم و کسی از قایق حرفی نزد تا این‌که آب بالا آمد؛ "
    "آن وقت همه با هم گفتند که باید فردا صبح زود دوباره بیاییم و طناب را هم با خودمان بیاوریم."
)
EMPTY = Home

STATES: tuple[State, ...] = (
    # -- beginnings
    State("first start", lambda: Home(status={"name": None, "account": None, "ways": [], "relay": "none"})),
    State("no chats yet", EMPTY),
    State("new chat", lambda: Home(status={"relay": "elsewhere"}), "-/new-chat"),
    State("new chat where", lambda: Home(status={"relay": "this-computer"}), "-/new-chat"),
    State("new group", home, "-/new-group"),
    State("requests", lambda: home(requests=[request("Emil", "We met at the boat, I am the one with the dog."), request(LONG_NAME, "")], status=status(requests=2)), "-/requests"),
    State("nothing chosen", home),
    # -- a conversation
    State("conversation", home, f"chat/{BO}"),
    State("chat without messages", lambda: home([]), f"chat/{BO}"),
    State("request waits", only(bo={"standing": "asked", "may_post": False}), f"chat/{BO}"),
    State("contact changed its device", only(event(BO, 2, "re-added", "Bo", people=["Bo"]), bo={"verified": False}), f"chat/{BO}"),
    State("states of a message", only(*(message(BO, n, f"This one is {state}", "Ada", ago=20 - n, state=state) for n, state in enumerate(("read", "delivered", "sent", "queued", "failed"), 2))), f"chat/{BO}"),
    State("edited deleted vanishing newer", only(
        message(BO, 2, "The time is right now: half past six", "Bo", edited=True),
        message(BO, 3, "", "Bo", deleted=True),
        message(BO, 4, "", "Ada", deleted=True),
        message(BO, 5, "This goes in a week", "Bo", expires=7 * 24 * 3600, vanishes=FOREVER),
        message(BO, 6, "", "Bo", newer=True),
        message(BO, 7, "Forwarded words of somebody", "Ada", forwarded=True),
        event(BO, 8, "timer", "Bo", seconds=7 * 24 * 3600),
        bo={"timer": 7 * 24 * 3600},
    ), f"chat/{BO}"),
    State("files", only(
        message(BO, 2, "", "Ada", files=[file("plan of the garden.pdf", 1_240_000, "application/pdf", "going", 410_000)], state="queued", ago=20),
        message(BO, 3, "", "Ada", files=[file("waits.zip", 90_000_000, "application/zip", "going", 0)], state="queued", ago=19),
        message(BO, 4, "", "Bo", files=[file("letters.zip", 48_000_000, "application/zip", "offered")], ago=18),
        message(BO, 5, "", "Bo", files=[file("film of the sea.mp4", 180_000_000, "video/mp4", "coming", 71_000_000)], ago=17),
        message(BO, 6, "", "Bo", files=[file("old.tar", 2_000_000, "application/x-tar", "failed")], ago=16),
        message(BO, 7, "the paper", "Bo", files=[file("a very long name of a file that somebody has given to it without thinking of others.docx", 88_000, "application/msword")], ago=15),
        message(BO, 8, "", "Bo", files=[voice("offered")], ago=14),
    ), f"chat/{BO}"),
    State("pictures", only(
        message(BO, 2, "Three of them", "Bo", files=[shown("harbour.jpg"), shown("boat.jpg"), shown("hill.jpg")], ago=12),
        message(BO, 3, "", "Bo", files=[file("later.jpg", 3_100_000, "image/jpeg", "offered", media={"width": 4000, "height": 3000, "thumbhash": THUMB})], ago=11),
        message(BO, 4, "", "Ada", files=[shown("boat.jpg")], ago=10),
    ), f"chat/{BO}"),
    State("a picture looked at", home, f"chat/{BO}", lambda page: page.get_by_role("log").locator("img").first.click()),
    State("very long message", only(message(BO, 2, LONG_TEXT, "Bo", ago=5), message(BO, 3, "Readallofthatanddidnotfindaspaceinthewordthatfollows" * 6, "Ada", ago=4)), f"chat/{BO}"),
    State("formatting", only(
        message(BO, 2, "*bold* _italic_ ~struck~ `code` and *_both_*", "Bo", ago=9),
        message(BO, 3, "```\nfor n in range(3):\n    print(n)\n```", "Ada", ago=8),
        message(BO, 4, "> somebody said this\nand this is what I say", "Bo", ago=7),
        message(BO, 5, "🌊⛵️", "Bo", ago=6),
        message(BO, 6, "see https://example.org/a/very/long/path/that/goes/on?and=on&until=it&has=to&be=broken#somewhere", "Ada", ago=5),
    ), f"chat/{BO}"),
    State("unread from here", lambda: home(bo={"unread": 4, "first_unread": talk()[9]["id"], "unread_mark": False}), f"chat/{BO}"),
    State("right to left name", home, f"chat/{ident(f'chat {PERSIAN}')}"),
    State("very long name", home, f"chat/{ident(f'chat {LONG_NAME}')}"),
    State("group", home, f"chat/{WALK}"),
    State("group that was left", home, f"chat/{ident('chat Choir')}"),
    State("note to self", home, f"chat/{SELF}"),
    State("blocked", only(bo={"standing": "blocked", "may_post": False}), f"chat/{BO}"),
    State("menu of a message", home, f"chat/{BO}", menu_of("See you at the bench")),
    State("answering", only(message(BO, 2, PERSIAN_TEXT, "Bo", ago=5)), f"chat/{BO}", answer(PERSIAN_TEXT[:30])),
    State("composer that grew", home, f"chat/{BO}", write("One line\nand another\nand a third one, which is so long that it does not fit and has to go on below, as lines do\n\nthe end")),
    # -- beside it
    State("contact", home, f"chat/{BO}/-/contact/{ident('Bo')}"),
    State("compare", home, f"chat/{BO}/-/verify/{ident('Bo')}"),
    State("group details", home, f"chat/{WALK}/-/group/{WALK}"),
    State("search", lambda: home(found=[one for one in talk() if "bench" in one["text"]]), f"chat/{BO}/-/search", lambda page: page.get_by_label("Search chats, people and messages").fill("bench")),
    State("settings", home, "-/settings"),
    *(State(f"settings: {name}", home, f"-/settings/{name}") for name in ("look", "write", "notify", "privacy", "relay", "help", "lock", "kept", "truth", "keys", "about")),
    State("settings: help, somebody is helped", lambda: home(helping=helping(on=True, state="open", told_at="203.0.113.7:443", told=31, port=40123, by_router=True, there=2, full=True, today=4, bytes_today=212_000_000, most=9, bytes_all=18_400_000_000, since="2026-10-02")), "-/settings/help"),
    State("settings: help, no router opens a port", lambda: home(helping=helping(on=True, state="no-router", port=40123, since="2026-10-02")), "-/settings/help"),
    State("locked", lambda: home(status=status(locked=True, key_place="passphrase"))),
    # -- the way
    State("no way at all", ways(ways=[down()], waiting=2), f"chat/{BO}/-/network"),
    State("ways", lambda: home(ways=WAYS), f"chat/{BO}/-/network"),
    State("blocked network", lambda: home(ways=WAYS, status=status(network=BLOCKED_NETWORK)), f"chat/{BO}/-/network", open_tried),
    State("network looked at", lambda: home(status=status(network=look(looking=True, done=3, planned=9))), f"chat/{BO}/-/network"),
    State("slow way", ways(ways=[status()["ways"][0] | {"slow": True}]), f"chat/{BO}"),
    State("sending", ways(waiting=3), f"chat/{BO}"),
    State("clock wrong", ways(wrong=[wrong("clock", "The clock of this computer is 9 days behind.")]), f"chat/{BO}"),
    State("disk full", ways(wrong=[wrong("home-full", "There is no room on the disk.")]), f"chat/{BO}/-/network"),
    State("relay lost a part", ways(wrong=[wrong("chain", "The relay shows another history than before.", BO)]), f"chat/{BO}/-/network"),
    # -- a lot
    State("100,000 messages", years, f"chat/{BO}"),
    State("2,000 chats", two_thousand),
    State("1,000 people in a group", thousand, f"chat/{WALK}/-/group/{WALK}"),
)  # fmt: skip

REQUIRED = {
    "First start": "first start",
    "no chats yet": "no chats yet",
    "chat without messages": "chat without messages",
    "request waiting": "request waits",
    "contact confirmed / changed its device": "contact changed its device",
    "sending, queued, sent, delivered, read, failed for good (why, and what now)": "states of a message",
    "file: waiting, going up n of m, paused, resumed, not kept any more on the relay": "files",
    "picture not loaded on a slow way (its size, press to load)": "pictures",
    "deleted": "edited deleted vanishing newer",
    "edited": "edited deleted vanishing newer",
    "expired": "edited deleted vanishing newer",
    "message of a newer version": "edited deleted vanishing newer",
    "very long message (fold at 40 lines)": "very long message",
    "very long name": "very long name",
    "name of right-to-left letters in a left-to-right list": "right to left name",
    "no way at all": "no way at all",
    "slow way": "slow way",
    "way found after a while": "sending",
    "clock wrong": "clock wrong",
    "disk full": "disk full",
    "another window of this app open": "conversation",
    "100,000 messages": "100,000 messages",
    "2,000 chats": "2,000 chats",
    "1,000 people in a group": "1,000 people in a group",
}
"""What must be designed, and where it is seen."""
BY_NAME = {state.name: state for state in STATES}


@dataclass(frozen=True)
class Look:
    """How a state is looked at."""

    name: str
    size: tuple[int, int] = (1280, 800)
    language: str = "en"
    scheme: str = "light"


LOOKS: tuple[Look, ...] = (
    Look("light"),
    Look("dark", scheme="dark"),
    Look("narrow", (390, 780)),
    Look("Russian", language="ru"),
    Look("right to left", language="x-rtl"),
    Look("longer words", language="x-long"),
    Look("narrow, longer words, dark", (390, 780), "x-long", "dark"),
)


def name_of(state: State, look: Look) -> str:
    """The file of its picture."""
    return re.sub(r"[^a-z0-9]+", "-", f"{state.name} {look.name}".lower()).strip("-") + ".png"


def settle(page: Page) -> None:
    """Until nothing is under way: what was asked for has come, and was painted."""
    page.wait_for_load_state("networkidle") if False else None
    page.evaluate("document.fonts.ready.then(() => 0)")
    page.evaluate(
        """() => new Promise((done) => {
            let timer = setTimeout(done, 250);
            const seen = new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(done, 250); });
            seen.observe(document.body, { childList: true, subtree: true, attributes: true, characterData: true });
            setTimeout(done, 3000);
        })"""
    )


__all__ = ["BY_NAME", "LOOKS", "REQUIRED", "STATES", "Look", "State", "at", "name_of", "settle"]

"""The demo in a real browser: under each switch, with everything cut that was open, what both write arrives in both pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from demo.switches import BY_KEY, SWITCHES
from demo.words import WORDS
from support.browser import Chromium
from support.demo import PATIENCE_S, Demo, Visitor, visiting
from whimbrel.wire.routes import parse_route

pytestmark = pytest.mark.processes

PEOPLE = ("Ada", "Bo")
ORDINARY = {
    "names": ("no-name",),
    "forged": ("refused",),
    "resolvers": ("no-name",),
    "reset": ("reset",),
    "silence": ("silent", "frozen"),
    "lottery": ("not-let-through",),
    "fingerprint": ("silent", "frozen"),
    "addresses": ("not-let-through",),
    "curtain": ("frozen",),
    "policing": ("silent",),
    "everything": ("refused", "no-name"),
}
"""What becomes under each switch of a program that does nothing against it. One that is throttled gets through, slowly."""
SLOWLY = 1.0
"""Seconds that 24 KB take by 140 kbit/s, at least."""


@pytest.fixture
def visitor(tmp_path_factory: pytest.TempPathFactory, browser: Chromium) -> Iterator[Visitor]:
    """A demo for each: an app remembers what a network did to it."""
    with visiting(tmp_path_factory.mktemp("demo"), browser) as visitor:
        yield visitor


@pytest.mark.parametrize("key", [switch.key for switch in SWITCHES])
def test_messages_arrive_under_each_switch(visitor: Visitor, key: str) -> None:
    switch = visitor.switch(WORDS["en"].switches[key].title)
    expect(visitor.page.locator(f"#switch-{key}").get_by_role("link")).to_have_attribute(
        "href", BY_KEY[key].link
    )
    switch.check()
    visitor.button("Cut what is open").click()
    expect(switch).to_be_checked()
    visitor.until(lambda: is_hit(visitor, key), "the switch does nothing")
    for side, name in enumerate(PEOPLE):
        visitor.write(side, f"{name}, under {key}")
    for side, name in enumerate(PEOPLE):
        expect(visitor.log(1 - side)).to_contain_text(f"{name}, under {key}", timeout=PATIENCE_S * 1000)
    for side, name in enumerate(PEOPLE):
        visitor.until(
            lambda side=side, name=name: the_map_is_true(visitor, side, name), "the map is not true"
        )
    visitor.until(lambda: visitor.count("arrived") >= 10, "they do not talk")
    assert (visitor.count("lost"), visitor.count("doubled")) == (0, 0)

    switch.uncheck()
    expect(switch).not_to_be_checked()
    visitor.until(lambda: visitor.ordinary()[0] == "ok", "what was lifted still holds")
    visitor.page.get_by_role("switch", name="Let them talk", exact=True).uncheck()
    visitor.until(lambda: both_have_the_same(visitor.demo), "what one wrote is not what the other has")
    visitor.until(lambda: visitor.count("written") == visitor.count("arrived"), "it is not counted")
    assert (visitor.count("waits"), visitor.count("lost"), visitor.count("doubled")) == (0, 0, 0)


def is_hit(visitor: Visitor, key: str) -> bool:
    outcome, took = visitor.ordinary()
    return took > SLOWLY if key == "throttle" else outcome in ORDINARY[key]


def the_map_is_true(visitor: Visitor, side: int, name: str) -> bool:
    """The lit line leads where the app itself, asked over its own socket, says that its way is up."""
    way, to = visitor.way(side)
    lit = visitor.lit(name)
    [status] = visitor.demo.ask(name, "status")
    ups = [one["way"] for one in status["ways"] if one["own"] and one["up"]]
    return bool(way) and ups == [way] and lit == [to] and to in parse_route(way).addresses


def both_have_the_same(demo: Demo) -> bool:
    """Each message once at the other, in the order in which it was written: as the two homes keep them."""
    kept = {
        name: [one for one in demo.ask(name, "messages", chat=other, limit=500) if "event" not in one]
        for name, other in zip(PEOPLE, reversed(PEOPLE), strict=True)
    }
    for writer, reader in (PEOPLE, PEOPLE[::-1]):
        written = [one["text"] for one in kept[writer] if one["mine"]]
        assert len(set(written)) == len(written) > 0
        if written != [one["text"] for one in kept[reader] if not one["mine"]]:
            return False
    return True

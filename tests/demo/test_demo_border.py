"""What the demo's censor decides: bytes and time in, verdicts out."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from demo import place
from demo.border import CURTAIN, SEGMENT, Border, Flow, Verdict
from demo.switches import EVERYTHING, SWITCHES
from demo.words import WORDS, language_of

HELLOS = Path(__file__).parents[1] / "lab" / "hellos"
RELAY, OTHER = place.RELAY
BRIDGE = place.BRIDGES[0][1]
NEUTRAL = "www.tidewater-maps.example"


def hello(client: str = "chrome150", name: str = place.RELAY_NAME) -> bytes:
    """A recorded one, with another name of the same length."""
    data = bytes.fromhex((HELLOS / f"{client}.hex").read_text())
    assert len(name) == len(place.RELAY_NAME)
    return data.replace(place.RELAY_NAME.encode(), name.encode())


def border(*on: str) -> Border:
    made = Border(Random(7))
    for key in on:
        made.switch(key, True)
    return made


def flow(made: Border, address: str = RELAY, person: str = "Ada") -> Flow:
    new = Flow(len(made.flows) + 1, person, address, 443, 0.0)
    made.flows.add(new)
    return new


def test_every_switch_has_its_words_and_a_link_to_what_its_measure_names() -> None:
    for switch in SWITCHES:
        assert switch.link.startswith("https://")
        assert switch.cites in switch.source, switch.key
        for words in WORDS.values():
            assert all((words.switches[switch.key].title, words.switches[switch.key].does))
    assert WORDS["en"].page.keys() == WORDS["ru"].page.keys()
    assert len(WORDS["en"].lines) == len(WORDS["ru"].lines)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        ("en-GB", "en"),
        ("fa,ru;q=0.5", "ru"),
        ("fr", "en"),
        ("", "en"),
        (";;,", "en"),
    ],
)
def test_a_language_is_the_first_that_there_are_words_for(accepted: str, language: str) -> None:
    assert language_of(accepted) == language


@pytest.mark.parametrize(
    ("on", "said"),
    [
        ((), place.RELAY),
        (("names",), ()),
        (("resolvers",), ()),
        (("forged",), ("10.10.34.34",)),
        (("names", "forged"), ("10.10.34.34",)),
        (("reset",), place.RELAY),
        ((EVERYTHING,), ("10.10.34.34",)),
    ],
)
def test_what_the_providers_resolver_says_of_the_relay(on: tuple[str, ...], said: tuple[str, ...]) -> None:
    made = border(*on)
    assert made.look_up("Talk.Whimbrel.example.") == said
    assert made.look_up(place.BRIDGES[0][0]) == (BRIDGE,), "bridges are on no list"
    assert made.look_up("elsewhere.example") == ()


@pytest.mark.parametrize("pieces", [1, 7, 400])
def test_a_hello_with_the_name_is_reset_however_it_is_cut(pieces: int) -> None:
    made, data = border("reset"), hello()
    new = flow(made)
    size = -(-len(data) // pieces)
    verdicts = [made.takes(new, 0.0, True, data[at : at + size]) for at in range(0, len(data), size)]
    assert verdicts[-1] is Verdict.RESET or Verdict.RESET in verdicts
    assert new.why == "reset"
    assert made.takes(flow(made), 0.0, True, hello(name="x" * 17 + ".xyz")) is Verdict.PASS


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03", b"\x00" * 2000])
def test_what_is_no_hello_passes(data: bytes) -> None:
    assert border("reset", "silence", "policing").takes(flow(border()), 0.0, True, data) is Verdict.PASS


@pytest.mark.parametrize(
    ("key", "client", "least", "most"), [("silence", "chrome150", 5, 8), ("fingerprint", "python", 2, 2)]
)
def test_some_packets_pass_and_then_none(key: str, client: str, least: int, most: int) -> None:
    for seed in range(20):
        made = Border(Random(seed))
        made.switch(key, True)
        new = flow(made)
        assert made.takes(new, 0.0, True, hello(client)) is Verdict.PASS
        passed = 0
        while made.takes(new, 0.0, passed % 2 == 0, b"x" * SEGMENT) is Verdict.PASS:
            passed += 1
        assert least <= passed <= most
        assert (new.silent, new.why) == (True, key)


def test_a_browser_of_today_is_no_program() -> None:
    made = border("fingerprint")
    new = flow(made)
    made.takes(new, 0.0, True, hello("chrome150"))
    assert all(made.takes(new, 0.0, False, b"x" * SEGMENT) is Verdict.PASS for _ in range(50))


def test_one_connection_in_five_opens_to_the_relay_and_all_to_bridges() -> None:
    made = border("lottery")
    opened = sum(made.opens(flow(made, OTHER)) for _ in range(1000))
    assert 150 < opened < 250
    assert all(made.opens(flow(made, BRIDGE)) for _ in range(50))


def test_blocked_addresses_take_no_connection_and_silence_those_that_are_open() -> None:
    made = border()
    old, away = flow(made, RELAY), flow(made, BRIDGE)
    assert list(made.switch("addresses", True)) == [old]
    assert (old.silent, old.why, away.silent) == (True, "addresses", False)
    assert [made.opens(flow(made, address)) for address in (RELAY, OTHER, BRIDGE)] == [False, False, True]
    made.switch("addresses", False)
    assert made.takes(old, 0.0, False, b"x") is Verdict.SILENCE, "what went silent stays so"
    assert made.opens(flow(made, RELAY))


@pytest.mark.parametrize("before", [0, 1_000_000])
def test_the_curtain_falls_after_sixteen_kilobytes_of_answer(before: int) -> None:
    made = border()
    new = flow(made, BRIDGE)
    made.takes(new, 0.0, False, b"x" * before)
    made.switch("curtain", True)
    assert made.takes(new, 0.0, False, b"x" * CURTAIN) is Verdict.PASS
    assert made.takes(new, 0.0, True, b"x" * 100_000) is Verdict.PASS, "what is sent does not count"
    assert made.takes(new, 0.0, False, b"x") is Verdict.SILENCE
    assert made.takes(new, 0.0, True, b"x") is Verdict.SILENCE


def test_the_fifth_hello_alike_in_a_minute_hangs_and_a_minute_later_none_does() -> None:
    made = border("policing")

    def says(at: float, **other: str) -> Verdict:
        words = {"address": RELAY, "person": "Ada", "name": place.RELAY_NAME} | other
        name = words.pop("name")
        return made.takes(flow(made, **words), at, True, hello(name=name))

    assert [says(float(at)) for at in range(5)] == [Verdict.PASS] * 4 + [Verdict.SILENCE]
    assert says(5.0) is Verdict.SILENCE
    assert says(5.0, person="Bo") is Verdict.PASS
    assert says(5.0, address=OTHER) is Verdict.PASS, "another network"
    assert says(5.0, name="x" * 17 + ".xyz") is Verdict.PASS
    assert says(64.5) is Verdict.PASS
    made.switch("policing", False)
    made.switch("policing", True)
    assert says(6.0) is Verdict.PASS, "it begins anew"


def test_a_throttled_line_is_shared_by_all_that_somebody_has_open() -> None:
    made = border("throttle")
    one, other, away = flow(made, RELAY), flow(made, BRIDGE), flow(made, RELAY, "Bo")
    assert made.is_slow(one)
    assert not made.is_slow(flow(made, place.RESOLVERS[0][1]))
    assert made.queues(one, 0.0, True, 17_500) == pytest.approx(1.0)
    assert made.queues(other, 0.0, True, 17_500) == pytest.approx(2.0)
    assert made.queues(other, 0.0, False, 17_500) == pytest.approx(1.0), "the other direction has its own"
    assert made.queues(away, 0.0, True, 17_500) == pytest.approx(1.0), "and so has the other person"
    assert made.queues(one, 10.0, True, 17_500) == pytest.approx(1.0)


def test_closed_resolvers_are_known_by_address_and_by_name() -> None:
    made = border("resolvers")
    (name, first), (_, second) = place.RESOLVERS
    assert not made.opens(flow(made, first))
    assert made.opens(flow(made, second)), "by its address alone it is not known"
    assert made.takes(flow(made, second), 0.0, True, hello(name=name)) is Verdict.RESET


def test_a_cut_silences_all_that_is_open_and_nothing_that_comes_after() -> None:
    made = border()
    open_ones = [flow(made, address, person) for address in place.SERVICE for person in place.PEOPLE]
    resolver = flow(made, place.RESOLVERS[0][1])
    assert set(made.cut()) == set(open_ones)
    assert made.cut() == []
    assert not resolver.silent
    assert made.takes(flow(made), 0.0, True, hello()) is Verdict.PASS


def test_a_switch_that_there_is_not_is_an_error() -> None:
    with pytest.raises(KeyError):
        border().switch("moonlight", True)

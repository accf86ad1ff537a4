"""Each measure as a whole: its stateful part lets ordinary people alone, its kernel rules load, and it comes from the same seed the same."""

from __future__ import annotations

import os
import shutil
import subprocess
from random import Random

import pytest
from censor_play import BENIGN, RELAY, WORLD, Play, hello

from lab.measures import UnknownMeasure, load, names
from lab.measures.s16_everything import mixture
from lab.policy import Side

ALL = [*names(), "S16@1", "S16@2", "S16@3", "S22@5"]
CHROME = hello("chrome150", "tidewater.example")
BY_STATE = ["S4", "S5r", "S7", "S16@1", "S16@4", "S22@2"]
"""These stop the relay's name by the stateful part alone, or draw one that does."""


def test_the_ladder_is_there() -> None:
    assert list(names()) == (
        [
            "S0",
            "S1",
            "S2",
            "S3",
            "S3b",
            "S4",
            "S5",
            "S5r",
            "S6",
            "S6p",
            "S7",
            "S7b",
            "S8",
            "S9",
            "S10",
            "S11",
            "S11b",
            "S12",
            "S13",
            "S14",
            "S14b",
            "S15",
            "S15s",
            "S16",
            "S22",
        ]
    )


@pytest.mark.parametrize("name", names())
def test_a_measure_says_what_it_is_and_where_it_is_known_from(name: str) -> None:
    measure = load(name)
    assert measure.name == name
    assert measure.about.endswith(".")
    assert measure.numbers
    assert measure.source.startswith(("B", "LADDER"))
    assert measure.variant_of in ("", *names())


@pytest.mark.parametrize("provider", [0, 1])
@pytest.mark.parametrize("name", [name for name in ALL if not name.startswith(("S16", "S22", "S14"))])
def test_a_person_who_browses_notices_nothing(name: str, provider: int) -> None:
    play = Play(load(name).policy(WORLD, provider, 0.05, 3))
    for server in (BENIGN, "198.18.100.10"):
        for _ in range(4):
            talk = play.dial(server=server)
            assert talk.opened
            assert talk.say(CHROME)
            assert talk.answer(b"\x16\x03\x03" + b"h" * 3000)
            assert talk.say(b"\x17\x03\x03" + b"r" * 400)
            assert talk.answer(b"\x17\x03\x03" + b"p" * 30_000)
            assert talk.close()
            play.wait(20.0)
    assert play.dial(server=BENIGN, port=80).say(b"GET / HTTP/1.1\r\nHost: www.wetlands.example\r\n\r\n")
    assert play.dial(server=BENIGN, port=22).say(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    assert play.datagram(
        b"\x12\x34\x01\0\0\1\0\0\0\0\0\0\3www\x08wetlands\x07example\0\0\1\0\1", "198.18.1.53", 53
    )
    assert all(out.delay == 0 for out in play.out)


@pytest.mark.parametrize("name", BY_STATE)
def test_the_relays_name_does_not_get_through(name: str) -> None:
    play = Play(load(name).policy(WORLD, 0, 0.05, 3))
    for _ in range(5):
        talk = play.dial()
        assert not (talk.say(hello("chrome150")) and talk.answer(b"x" * 30_000))


@pytest.mark.parametrize(
    "name", [name for name in names() if load(name).spares_neutral and name[:3] != "S14"]
)
def test_the_relay_answers_under_its_neutral_name(name: str) -> None:
    play = Play(load(name).policy(WORLD, 0, 0.05, 3))
    talk = play.dial(server=RELAY)
    assert talk.opened
    assert talk.say(CHROME)
    assert talk.answer(b"\x16\x03\x03" + b"h" * 3000)


def test_a_measure_does_the_same_for_the_same_seed_and_something_else_at_another_provider() -> None:
    def fates(provider: int, seed: int) -> list[bool]:
        play = Play(load("S11").policy(WORLD, provider, 0.05, seed))
        noise = Random(1)
        return [play.dial(server=f"198.19.7.{n}", port=9001).say(noise.randbytes(300)) for n in range(1, 200)]

    assert fates(0, 1) == fates(0, 1)
    assert fates(0, 1) != fates(1, 1)
    assert fates(0, 1) != fates(0, 2)


def test_a_mixture_is_drawn_by_the_seed_and_always_blocks_by_name() -> None:
    drawn = [
        tuple(measure.name for measure in mixture(seed, provider))
        for seed in range(40)
        for provider in (0, 1)
    ]
    assert len(set(drawn)) > 70
    assert all({"S4", "S5", "S5r"} & set(one) for one in drawn)
    assert 8 <= sum(len(one) for one in drawn) / len(drawn) <= 11
    assert {name for one in drawn for name in one} >= set(names()) - {"S0", "S16", "S22"}
    told = load("S16@1")
    lines = [line for measure in mixture(1, 0) for line in measure.rules(WORLD, 0)]
    assert list(told.rules(WORLD, 0)) == lines
    assert list(load("S16@1").steps(1.0)) == []
    assert [name for _, name in load("S22@1").steps(1.0)][-1] == "S0"


def test_throttling_is_asked_last_in_a_mixture() -> None:
    for seed in range(30):
        rules = [type(rule).__name__ for rule in load(f"S16@{seed}").policy(WORLD, 0, 0.1, 1).rules]  # type: ignore[attr-defined]
        assert "Throttle" not in rules[:-1]


@pytest.mark.parametrize("spec", ["S99", "S4@x", "/nowhere/at/all.py"])
def test_what_is_no_measure_is_refused_in_words(spec: str) -> None:
    with pytest.raises(UnknownMeasure, match=r"\S+"):
        load(spec)


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("iptables") is None, reason="needs root and iptables")
@pytest.mark.parametrize("name", [name for name in ALL if load(name).rules(WORLD, 0)])
def test_the_kernel_takes_every_rule(name: str) -> None:
    """In a network namespace of its own, which ends with the shell."""
    chains = ["iptables -N LAB", "iptables -t mangle -N LAB", "nft add table ip lab"]
    for provider in (0, 1):
        script = "\n".join([*chains, *load(name).rules(WORLD, provider)])
        done = subprocess.run(
            ["unshare", "-n", "sh", "-e"], input=script, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_a_packet_that_comes_back_from_the_world_is_judged_like_its_flow() -> None:
    play = Play(load("S5r").policy(WORLD, 0, 0.05, 3))
    talk = play.dial()
    talk.say(hello("python"))
    for _ in range(20):
        talk.answer(b"x")
    assert not talk.answer(b"y")
    assert {out.side for out in play.out} == {Side.HOME, Side.WORLD}

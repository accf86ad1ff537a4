"""A city: what stands in it answers, people talk through it, and a cut is what it says."""

from __future__ import annotations

import subprocess
import threading

import pytest

from lab import people, talk
from lab.city import City

pytestmark = [pytest.mark.lab, pytest.mark.processes]


def run(city: City, place: str, *words: str) -> str:
    """A command in a namespace; what it prints."""
    done = subprocess.run(
        ["ip", "netns", "exec", city.ground.name(place), *words],
        capture_output=True,
        text=True,
        env=city.environment(),
        timeout=30,
        check=False,
    )
    return done.stdout + done.stderr


def test_two_people_talk_through_the_border_and_go_on_after_all_their_flows_were_cut(city: City) -> None:
    pair = people.friends(city)
    strikes: list[float] = []
    timer = threading.Timer(1.6, lambda: strikes.append(city.strike("S0", cut=True)))
    timer.start()
    sent, arrived = people.converse(pair, 12, 0.5)
    found = talk.figures(sent, arrived, strikes[0])
    assert (found.lost, found.doubled, found.out_of_order) == (0, 0, 0)
    assert found.recovered_both is not None
    cut = [flow for flow in city.border.ask("flows")["flows"] if flow["cut"]]
    assert {flow["person"] for flow in cut} == {"ada", "bo"}
    for person in pair:
        people.until(person.is_at_rest, "the outbox is not empty")
        assert len(person.texts("Bo" if person.name == "ada" else "Ada")) == 24
        person.kill()

"""The page about measures: its example works as it stands there, and its tables have what the code has."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from censor_play import RELAY, WORLD, Play, hello

from lab import trial
from lab.city import City
from lab.crew import spec_of
from lab.measures import UnknownMeasure, load
from lab.policy import Measure, Policy
from lab.run import _parser
from lab.trial import Record, Task

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "lab-measure.md"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The example, as somebody saves it anywhere."""
    blocks: list[str] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    [example] = [block for block in blocks if "MEASURE =" in block]
    path = tmp_path / "mine.py"
    path.write_text(example)
    return path


def test_the_example_does_what_the_page_says(file: Path) -> None:
    measure = load(str(file))
    assert measure.name == "many-at-once"
    play = Play(measure.policy(WORLD, 0, 0.1, 1))
    for _ in range(6):
        assert play.dial().say(hello("python"))
    seventh = play.dial()
    assert not seventh.say(hello("python"))
    assert seventh.resets
    assert play.dial(server="192.0.2.80").opened
    play.wait(10.1)  # the penalty is over after 3 s, the memory after 10
    assert play.dial(server=RELAY).opened
    assert measure.resolver(WORLD, 0).forged == ()
    assert measure.resolver(WORLD, 1).forged == ((WORLD.relay_name, "10.10.34.34"),)


@pytest.mark.lab
def test_the_example_runs_in_a_city_without_any_change_to_the_lab(city: City, file: Path) -> None:
    task = Task(
        str(file),
        "whimbrel",
        "kept",
        seed=1,
        repeat=0,
        scale=0.1,
        messages=6,
        every=0.5,
        patience=60,
        files=False,
    )
    record = trial.run(city, task, spec_of(task))
    assert (record.failed, record.void) == ("", "")
    assert (record.delivered, record.lost, record.doubled) == (12, 0, 0)


@pytest.mark.parametrize("text", ["", "MEASURE = 7", "MEASURE = object()"])
def test_a_file_without_a_measure_is_refused_in_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "empty.py"
    path.write_text(text)
    with pytest.raises(UnknownMeasure, match="defines no MEASURE"):
        load(str(path))


def test_the_page_has_every_part_method_option_and_field() -> None:
    text = PAGE.read_text()
    parts = {name for name in vars(Measure) if not name.startswith("_")} - {"variant_of"}
    methods = {name for name in vars(Policy) if not name.startswith("_")}
    shown = {field.name for field in fields(Record)} - {
        "measure",
        "peer",
        "mode",
        "repeat",
        "seed",
        "scale",
        "accepted",
    }
    missing = [name for name in parts | methods | shown if f"`{name}" not in text]
    assert missing == []
    assert _parser().parse_args(["run"]).jobs >= 1
    for option in ("measure", "peer", "mode", "repeat", "seed", "scale", "messages", "every", "jobs", "out"):
        assert f"--{option}" in text

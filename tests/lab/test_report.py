"""What is made of records: medians and worst, verdicts beside the targets, a picture that is well-formed, a page that says what is missing."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab import crew
from lab.measures import names
from lab.pages import report
from lab.pages.cells import cells
from lab.pages.report import as_html
from lab.pages.results import as_markdown
from lab.pages.results_picture import picture
from lab.pages.text import as_text
from lab.run import _parser as parser
from lab.run import differences, facts, main, rest_of, tasks_of
from lab.targets import TARGETS, target
from lab.trial import Record


def run(measure: str = "S4", mode: str = "cut", next_message: float | None = 1.0, **more: object) -> Record:
    record = Record(measure, "whimbrel", mode, 0, 1, 0.05, sent=200, delivered=200)
    record.next_message = record.after_worst = next_message
    for name, value in more.items():
        setattr(record, name, value)
    return record


FACTS = {"Whimbrel": "0.1.0, commit <abc>", "seeds": "1 to 3"}


def test_a_cell_has_the_median_and_the_worst_of_its_runs() -> None:
    [cell] = cells([run(next_message=seconds) for seconds in (0.5, 1.0, 2.9)])
    assert (cell.median, cell.worst, cell.never, cell.counted) == (1.0, 2.9, 0, 3)
    assert cell.goal() == (1.5, 3)
    assert cell.verdict() == "met"


def test_under_a_measure_that_hits_later_the_longest_wait_counts() -> None:
    [cell] = cells([run("S13", next_message=0.6, after_worst=9.0)])
    assert (cell.median, cell.verdict()) == (9.0, "missed")
    [cell] = cells([run("S13", "cold", 0.6, after_worst=None)])
    assert cell.median == 0.6


def test_the_longest_wait_of_every_measure_is_in_the_second_table() -> None:
    records = [run("S14", next_message=0.6, after_worst=worst, seconds=30.0) for worst in (4.0, 9.0, 12.5)]
    assert "| S14 | 9.00 (12) |" in as_markdown(records, FACTS)
    assert "| S14 | 4.00 (never) |" in as_markdown(
        [*records[:1], run("S14", after_worst=None, seconds=30.0), *records[:1]], FACTS
    )


def test_a_bad_worst_is_close_and_a_bad_median_is_missed() -> None:
    assert cells([run(), run(), run(next_message=3.1)])[0].verdict() == "close"
    assert cells([run(), run(next_message=1.6), run(next_message=1.7)])[0].verdict() == "missed"


def test_a_message_that_never_came_counts_as_the_longest() -> None:
    [cell] = cells([run(), run(), run(next_message=None)])
    assert (cell.median, cell.never, cell.verdict()) == (1.0, 1, "close")
    [cell] = cells([run(), run(next_message=None), run(next_message=None)])
    assert (cell.median, cell.verdict()) == (None, "missed")
    assert "never (never)" in as_text([run(), run(next_message=None), run(next_message=None)])


def test_whatever_was_lost_doubled_or_out_of_order_is_missed_however_quick() -> None:
    for trouble in ("lost", "doubled", "out_of_order"):
        assert cells([run(**{trouble: 1})])[0].verdict() == "missed"


def test_void_runs_count_for_nothing_and_are_told() -> None:
    records = [
        run(next_message=99.0, void="a plain client got through by name at acc1"),
        run(failed="Traceback\nOops: it"),
    ]
    [cell] = cells(records)
    assert (cell.counted, cell.verdict()) == (0, "void")
    assert cell.reasons == ("a plain client got through by name at acc1", "Oops: it")
    assert "a plain client got through by name at acc1" in as_text(records)
    assert cells([*records, run()])[0].median == 1.0


def test_every_measure_of_the_table_has_a_target_and_variants_have_that_of_their_kind() -> None:
    assert set(TARGETS) <= set(names())
    assert {name for name in names() if target(name) is None} == {"S8", "S22"}
    assert target("S5r") == target("S5")
    assert target("S16@7") == target("S16")
    assert target("/tmp/mine.py") is None


def test_the_picture_is_one_well_formed_file_that_loads_nothing() -> None:
    records = [run(name, mode) for name in names() for mode in ("kept", "cut", "cold")]
    records += [run("S4", "cut", None, void="x < y & z")]
    drawn = ElementTree.fromstring(picture(records))
    words = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert {"S4", "S14b", "kept", "cut", "cold", "whimbrel"} <= set(words)
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}g"))) == 3 * len(names())
    whole = as_html(records, FACTS)
    assert "http" not in whole.replace("http://www.w3.org/2000/svg", "")
    assert "<abc>" not in whole
    assert "x &lt; y &amp; z" in whole


def test_the_page_says_what_was_not_reached_and_nothing_of_what_was() -> None:
    records = [
        run("S4"),
        run("S5", next_message=7.0),
        run("S6", lost=2),
        run("S7", void="a benign site could not be opened at acc2"),
        run("S22", "kept", recovered=75.0),
        run("S22", "cut", recovered=20.0),
    ]
    page = as_markdown(records, FACTS)
    missing = page.partition("## What was not reached")[2]
    assert "- S5, cut: 7.00 s in place of 2 (5)" in missing
    assert "- S6, cut: 2 lost" in missing
    assert "- S7, cut: 1 of 1 runs void: a benign site could not be opened at acc2" in missing
    assert "- S22, kept, seed 1: back on the plain way after 75 s" in missing
    assert "S4" not in missing
    assert "S22, cut" not in missing


def test_the_page_says_how_far_it_is_from_the_full_table() -> None:
    page = as_markdown([run("S4"), run("S4", "cold", None, sent=1, lost=1)], FACTS)
    assert "here each cell has at least 1, and a talk has 200 messages" in page
    assert "- No files were sent in these runs." in page
    assert "- Not run: S0, S1," in page
    assert "- S4, cold: never in place of 5 (5), 1 lost" in page


def test_files_and_texts_beside_them_are_held_to_what_is_wanted() -> None:
    quick = as_markdown(
        [run("S6", file=124.0, picture=7.0, text_beside_file=0.8), run("S14", picture=120.0, file=900.0)],
        FACTS,
    )
    assert quick.partition("## What was not reached")[2].strip().startswith("Nothing.")
    slow = as_markdown(
        [run("S6", file=160.0, picture=7.0, text_beside_file=1.7), run("S14", picture=151.0)], FACTS
    )
    assert "- S6: a file of 1 MB gets 71% of the link in place of 85%" in slow
    assert "- S6: a text beside the file takes 1.70 s in place of 1" in slow
    assert "- S14: a picture of 100 KB takes 151 s in place of 150" in slow
    assert "- S14: a file of 1 MB did not arrive in time in 1 of the runs with files" in slow


def test_results_are_read_again_as_they_were_written(tmp_path: Path) -> None:
    records = [run(learnt=[["203.0.113.10:443"], []], ways=[["ada", 1.5, None]]), run("S14", "cold", None)]
    report.write(tmp_path, records, FACTS)
    assert report.read(tmp_path / "results.json") == (records, FACTS)
    assert json.loads((tmp_path / "results.json").read_text())["facts"] == FACTS
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")


def test_tasks_are_every_combination_the_first_repeat_of_all_first(capsys: object) -> None:
    words = [
        "run",
        "--measure",
        "S4,S14",
        "--peer",
        "whimbrel,plain",
        "--mode",
        "kept,cut",
        "--repeat",
        "2",
        "--seed",
        "5",
    ]
    tasks = tasks_of(parser().parse_args(words))
    assert len(tasks) == 16
    assert {task.seed for task in tasks[:8]} == {5}
    assert {task.seed for task in tasks[8:]} == {6}
    assert [task.peer for task in tasks[:4]] == ["whimbrel", "plain"] * 2, "in turn"
    assert [task.files for task in tasks[:4]] == [False, False, True, True]
    everything = tasks_of(parser().parse_args(["run"]))
    assert {task.measure for task in everything} == set(names()) - {"S8"}


def test_a_measure_that_does_not_exist_is_told_in_one_line() -> None:
    assert main(["run", "--measure", "S99"]) == 2
    assert main(["run", "--peer", "pigeon"]) == 2
    assert main(["list"]) == 0


def test_files_go_in_as_many_repeats_as_were_asked_for() -> None:
    words = ["run", "--measure", "S0,S1", "--repeat", "3", "--files-in", "2"]
    tasks = tasks_of(parser().parse_args(words))
    assert {(t.mode, t.repeat) for t in tasks if t.files} == {("cut", 0), ("cut", 1)}
    assert not any(t.files for t in tasks_of(parser().parse_args([*words, "--no-files"])))


def test_a_city_is_used_again_by_the_next_task_that_it_suits() -> None:
    words = ["run", "--measure", "S4,S6", "--mode", "cut", "--peer", "whimbrel,first"]
    waiting = tasks_of(parser().parse_args(words))
    taken = [crew.take(waiting, bridges) for bridges in (None, True, None, None)]
    assert [t.peer for t in taken] == ["whimbrel"] * 2 + ["first"] * 2
    assert {(t.peer, t.measure) for t in taken} == {
        (p, m) for p in ("whimbrel", "first") for m in ("S4", "S6")
    }
    assert waiting == []
    waiting = tasks_of(parser().parse_args(words))[:1]
    assert crew.take(waiting, False).peer == "whimbrel", "where there is no other"


def test_how_much_of_the_processors_is_idle_is_read_from_the_system() -> None:
    before = crew.ticks()
    while crew.ticks()[1] == before[1]:
        pass
    now = crew.ticks()
    assert 0.0 <= crew.idle_part(before, now) <= 1.0
    assert crew.idle_part((100, 200), (150, 300)) == 0.5
    assert crew.idle_part((100, 200), (100, 200)) == 0.0, "nothing was counted yet: no room"


def test_a_run_waits_for_room_as_long_as_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    told = iter([(0, 0), (0, 200), (10, 400), (110, 600)])
    monkeypatch.setattr(crew, "ticks", lambda: next(told))
    stop = Waits()
    crew.wait_for_room(stop)
    assert stop.waited == [1.0, 1.0, 1.0]
    stop.set()
    told = iter([(0, 0)])
    crew.wait_for_room(stop)


class Waits(threading.Event):
    """Waits in no time."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout or 0.0)
        return self.is_set()


def test_a_run_that_was_stopped_goes_on_with_what_is_missing() -> None:
    args = parser().parse_args(["run", "--measure", "S4,S6", "--mode", "kept,cut", "--repeat", "2"])
    tasks = tasks_of(args)
    begun = [Record(t.measure, t.peer, t.mode, t.repeat, t.seed, t.scale) for t in tasks[:4]]
    begun[1].void, begun[2].failed = "the controls are not green", "the relay did not start"
    elsewhere = Record("S9", "whimbrel", "cut", 0, 1, 0.05)
    there, rest = rest_of(tasks, [*begun, elsewhere])
    assert there == [begun[0], begun[3], elsewhere]
    assert rest == [*tasks[1:3], *tasks[4:]]


def test_runs_of_other_settings_are_not_gone_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "--measure", "S4", "--out", str(tmp_path), "--go-on"]
    known = facts(parser().parse_args([*words, "--jobs", "9"]))
    assert differences(known, facts(parser().parse_args(words))) == []
    report.write(tmp_path, [run()], known)
    written = (tmp_path / "results.json").read_bytes()
    assert main([*words, "--messages", "7"]) == 2
    said = capsys.readouterr().err
    assert "messages: 100 each way" in said
    assert "now 7 each way" in said
    assert (tmp_path / "results.json").read_bytes() == written

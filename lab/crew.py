"""Several runs at a time, since they mostly wait: each worker is a process with a city of its own, given one task after another."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lab import measures, trial
from lab.city import ROOT, City
from lab.policy import Measure
from lab.trial import Record, Task

_LONGEST_S = 1800.0
"""Beside what is waited for, a run that takes longer hangs; its worker is ended."""
_ROOM = 0.2
"""Of the processors, what must have been idle in the last second for the next run to begin: to start people's programs, or a whole
city, takes seconds of a core, and whoever talks beside it would be measured with it."""
_LONGEST_WAIT_S = 15.0
"""For such room: where something else takes the processors for ever, runs go on all the same."""


def longest(task: Task) -> float:
    """Seconds that a run may take: with files, all that it has patience for, and that for each of two."""
    return _LONGEST_S + (2 * task.file_patience if task.files else 0.0)


def spec_of(task: Task) -> str:
    """What the border loads: a mixture has its seed in its name."""
    mixed = type(measures.load(task.measure)).mixed is not Measure.mixed
    return f"{task.measure}@{task.seed}" if mixed and "@" not in task.measure else task.measure


def with_bridges(task: Task) -> bool:
    """Whether the city of a task has bridges."""
    return task.peer not in trial.WITHOUT_BRIDGES


def take(waiting: list[Task], bridges: bool | None) -> Task:
    """The next task for a worker whose city has bridges, or has none: one that needs no other city, where there is such a one."""
    return waiting.pop(next((i for i, task in enumerate(waiting) if with_bridges(task) is bridges), 0))


def work(tasks: Sequence[Task], jobs: int, done: Callable[[Record], None], *, sparing: bool = False) -> None:
    """Run all of them; `done` is called for each, one at a time. Ctrl-C ends those under way, too; nothing is said of them.

    `sparing`: each begins only when there is room for it on this machine.
    """
    waiting = list(tasks)
    turn = threading.Lock()
    entrance = threading.Lock()
    stop = threading.Event()
    workers: set[_Worker] = set()

    def one_worker() -> None:
        worker: _Worker | None = None
        bridges: bool | None = None
        try:
            while not stop.is_set():
                with turn:
                    if not waiting:
                        return
                    task = take(waiting, bridges)
                bridges = with_bridges(task)
                if sparing:
                    with entrance:
                        wait_for_room(stop)
                if worker is None:
                    worker = _Worker()
                    workers.add(worker)
                record = worker.run(task)
                if stop.is_set():
                    return
                if record.failed:
                    workers.discard(worker)
                    worker.end()
                    worker = None
                with turn:
                    done(record)
        finally:
            if worker is not None:
                worker.end()

    threads = [threading.Thread(target=one_worker) for _ in range(min(jobs, len(tasks)))]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        stop.set()
        for worker in list(workers):
            worker.kill()
        raise


def wait_for_room(stop: threading.Event) -> None:
    """Return when the processors have had room for a second, at the earliest after one."""
    end = time.monotonic() + _LONGEST_WAIT_S
    before = ticks()
    while not stop.wait(1.0):
        now = ticks()
        if idle_part(before, now) >= _ROOM or time.monotonic() > end:
            return
        before = now


def ticks() -> tuple[int, int]:
    """Of all processors together since the system started: idle, and in all (proc_stat(5))."""
    user, nice, system, idle, *others = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    )
    return idle, user + nice + system + idle + sum(others)


def idle_part(before: tuple[int, int], now: tuple[int, int]) -> float:
    """From 0 (busy throughout) to 1."""
    return (now[0] - before[0]) / max(1, now[1] - before[1])


class _Worker:
    """The process, as the one who gives it tasks sees it. A city that fails is not used again."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lab.crew"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            # Ctrl-C is for the one who asked; a worker ends with its input, and clears its city away.
            process_group=0,
        )

    def run(self, task: Task) -> Record:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        hung = threading.Event()

        def give_up() -> None:
            hung.set()
            self._process.kill()

        alarm = threading.Timer(longest(task), give_up)
        alarm.start()
        try:
            self._process.stdin.write(json.dumps(asdict(task)) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        finally:
            alarm.cancel()
        if not line:
            failed = "the worker ended without a word"
            if hung.is_set():
                failed = f"it had not ended after {longest(task):.0f} s"
            return Record(
                task.measure, task.peer, task.mode, task.repeat, task.seed, task.scale, failed=failed
            )
        told: dict[str, Any] = json.loads(line)
        return Record(**told)

    def kill(self) -> None:
        """Its city is cleared away by the one who watches for that (`namespaces`)."""
        self._process.kill()

    def end(self) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.close()
        except OSError:
            pass
        try:
            self._process.wait(30.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _carry_out(city: City, task: Task) -> Record:
    try:
        return trial.run(city, task, spec_of(task))
    except Exception:  # whatever it is, the one who asked is told, and takes another city
        failed = traceback.format_exc(limit=-4)
        return Record(task.measure, task.peer, task.mode, task.repeat, task.seed, task.scale, failed=failed)


def _main() -> None:
    city: City | None = None
    bridges = True
    try:
        for line in sys.stdin:
            task = Task(**json.loads(line))
            if city is not None and bridges != with_bridges(task):
                city.close()
                city = None
            if city is None:
                bridges = with_bridges(task)
                city = City(bridges=bridges).__enter__()
            record = _carry_out(city, task)
            if record.failed:
                record.failed += _last_words(city.folder / "log")
            print(json.dumps(record.as_json()), flush=True)
    finally:
        if city is not None:
            city.close()


def _last_words(folder: Path) -> str:
    """What the programs of the city said last, of those that complained."""
    found = []
    for log in sorted(folder.iterdir()):
        words = log.read_text(errors="replace")[-600:].strip()
        if "Traceback" in words or "rror" in words:
            found.append(f"\n--- {log.name}\n{words}")
    return "".join(found)[-4000:]


if __name__ == "__main__":
    _main()

"""How long does a person wait: from a call in one running app to the event in the other's, and for a command to be done?

Two `whimbrel app` processes with homes of their own and one relay, each a real process, over loopback. The call and the
event go over the sockets in the homes, which is the API that commands use: the clock runs from the call of `send` in
Ada's app until Bo's app has shown the message to whoever reads along there. A command is `whimbrel send` against the
running app, the whole process from its start to its end.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

from _record import Figure, middle, tell
from _town import COMMAND
from whimbrel.app.channel import AppGone, Channel, reach_app

TEXT = "Are you coming tonight? We meet at eight at the old bridge, bring warm clothes and something to eat."
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--commands", type=int, default=30)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        with running("relay", "--data", str(base / "relay")) as ready:
            address = str(ready["address"])
            homes = {name: base / name.lower() for name in ("Ada", "Bo")}
            for name, home in homes.items():
                command(home, "init", "--name", name, "--relay", address)
            invite = command(homes["Ada"], "invite")["invite"]
            command(homes["Bo"], "accept", str(invite))
            command(homes["Ada"], "chats")
            with (
                running("app", "--no-relay", home=homes["Ada"]),
                running("app", "--no-relay", home=homes["Bo"]),
            ):
                ways, answers = messages(homes, args.messages)
                commands = [command_time(homes["Ada"], n) for n in range(args.commands)]
    each = len(ways) // ROUNDS
    rounds = [ways[at : at + each] for at in range(0, each * ROUNDS, each)]
    tell(
        "message_latency",
        [
            middle(
                "from the call to the event, median of a round",
                map(statistics.median, rounds),
                "ms",
                at_most=20,
            ),
            Figure(
                "from the call to the event, half of all within", statistics.median(ways), "ms", at_most=20
            ),
            Figure("from the call to the event, 99 of 100 within", quantile(ways, 99), "ms"),
            Figure("the call's answer (sent), half of all within", statistics.median(answers), "ms"),
            middle("the command `send`, whole process", commands, "ms", at_most=150),
            Figure("the command `send`, 9 of 10 within", quantile(commands, 90), "ms"),
        ],
        messages=args.messages,
        commands=args.commands,
    )


def messages(homes: dict[str, Path], count: int) -> tuple[list[float], list[float]]:
    """Milliseconds from the call to the event, and to the call's own answer, one message after the other."""
    seen: Queue[tuple[str, float]] = Queue()
    reading = channel(homes["Bo"])

    def listen() -> None:
        with contextlib.suppress(AppGone):  # it is stopped in the end
            for line in reading.ask("read", {"follow": True, "timeout": 600.0}):
                if "item" in line:
                    seen.put((line["item"]["text"], time.perf_counter()))

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    time.sleep(1)
    ways, answers = [], []
    with channel(homes["Ada"]) as ada:
        for n in range(-10, count):  # the first ten are to get warm
            text = f"{n:5} {TEXT}"
            called = time.perf_counter()
            sent = list(ada.ask("send", {"chat": "Bo", "text": text}))
            answered = time.perf_counter()
            assert "end" in sent[-1], sent
            shown, at = seen.get(timeout=20)
            assert shown == text
            if n >= 0:
                ways.append((at - called) * 1000)
                answers.append((answered - called) * 1000)
            time.sleep(0.02)
    return ways, answers


def command_time(home: Path, n: int) -> float:
    started = time.perf_counter()
    command(home, "send", "Bo", f"{n} {TEXT}")
    return (time.perf_counter() - started) * 1000


def command(home: Path, *words: str) -> dict[str, object]:
    """What a command prints; the last line of it."""
    ran = subprocess.run(
        [str(COMMAND), *words, "--home", str(home), "--json"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, (words, ran.stdout, ran.stderr)
    lines = ran.stdout.splitlines()
    return dict(json.loads(lines[-1])) if lines else {}


@contextmanager
def running(*words: str, home: Path | None = None) -> Iterator[dict[str, object]]:
    """A program that stays up; its first line."""
    more = [] if home is None else ["--home", str(home), "--json"]
    process = subprocess.Popen(
        [str(COMMAND), *words, *more], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        yield dict(json.loads(process.stdout.readline()))
    finally:
        process.terminate()
        process.wait(20)


def channel(home: Path) -> Channel:
    found = reach_app(home)
    assert found is not None, "the app does not answer"
    return found


def quantile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


if __name__ == "__main__":
    main()

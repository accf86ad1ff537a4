"""Runs pairs.c: compiled once for each run of a benchmark, given connections and frames, asked what it found.

The connections are opened and logged in by Python; the program inherits them. Clocks are the same (CLOCK_MONOTONIC).
"""

from __future__ import annotations

import array
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cache
from pathlib import Path

from .debian import Absent

SOURCE = Path(__file__).with_name("pairs.c")


class Protocol(IntEnum):
    WEBSOCKET, XMPP, MQTT, NATS = range(4)


@dataclass
class Pair:
    """Two connections and what is sent on them: `frames` by the sender, `backs` by the receiver for each that arrives."""

    sender: socket.socket
    receiver: socket.socket
    frames: Sequence[bytes]
    backs: Sequence[bytes] = ()


@dataclass
class Found:
    """What became of one pair: times in seconds, of each message in order; `kept`: what arrived at the two ends."""

    sent: array.array[float]
    answered: array.array[float]
    delivered: array.array[float]
    back: array.array[float]
    kept: tuple[bytes, bytes] = field(repr=False)

    def at_receiver(self) -> list[bytes]:
        """WebSocket only: the messages that arrived, without their heads."""
        return _items(self.kept[1])

    def at_sender(self) -> list[bytes]:
        return _items(self.kept[0])


@dataclass
class Findings:
    started: float
    ended: float
    """When the time that counts was over: what was sent before is waited for all the same."""
    generator: float
    """Seconds of processor that the generator needed meanwhile."""
    pairs: list[Found]

    @property
    def seconds(self) -> float:
        return self.ended - self.started

    def delivered(self) -> int:
        """Messages delivered in the time that counts."""
        return sum(sum(1 for at in pair.delivered if at <= self.ended) for pair in self.pairs)


@cache
def program() -> Path:
    """The generator, compiled into a folder that lives as long as this process. Raises Absent."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise Absent("no C compiler for the generator; as root: apt-get install gcc libc6-dev")
    folder = tempfile.TemporaryDirectory()
    _folders.append(folder)
    target = Path(folder.name) / "pairs"
    subprocess.run([compiler, "-O2", "-o", target, SOURCE], check=True)
    return target


_folders: list[tempfile.TemporaryDirectory[str]] = []


def run(
    protocol: Protocol,
    pairs: Sequence[Pair],
    seconds: float,
    rate: float | None = None,
    answer_max: int = 0,
    cores: set[int] | None = None,
    answers: bool = False,
    stanzas: int = 0,
) -> Findings:
    """Closed (each pair one message under way) or, with a rate (messages a second of all), open.

    `answers`: whether the server answers each message to its sender. `answer_max`: bytes of an answer at most, where answers
    and messages are sealed alike. `stanzas`: XMPP only, how many each session had received before (XEP-0198 counts them).
    """
    messages = min(len(pair.frames) for pair in pairs)
    back = bool(pairs[0].backs)
    flags = (1 if answers else 0) | (2 if back else 0)
    with tempfile.TemporaryDirectory() as folder:
        plan, findings = Path(folder) / "plan", Path(folder) / "findings"
        with plan.open("wb") as file:
            file.write(
                struct.pack(
                    "<8I2d",
                    protocol,
                    rate is not None,
                    flags,
                    len(pairs),
                    messages,
                    answer_max,
                    stanzas,
                    0,
                    seconds,
                    rate or 0,
                )
            )
            for pair in pairs:
                file.write(struct.pack("<2i", pair.sender.fileno(), pair.receiver.fileno()))
                for frames in (pair.frames, pair.backs) if back else (pair.frames,):
                    file.writelines(len(frame).to_bytes(4, "little") + frame for frame in frames[:messages])
        numbers = [end.fileno() for pair in pairs for end in (pair.sender, pair.receiver)]
        command = [str(program()), str(plan), str(findings)]
        if cores is not None:
            command = ["taskset", "-c", ",".join(map(str, sorted(cores))), *command]
        subprocess.run(command, check=True, pass_fds=numbers, stderr=sys.stderr, timeout=seconds + 60)
        return _read(findings.read_bytes(), len(pairs))


def _read(data: bytes, count: int) -> Findings:
    started, ended, generator = struct.unpack_from("<3d", data)
    at = 24
    pairs = []
    for _ in range(count):
        times = []
        for _ in range(4):
            size = 8 * int.from_bytes(data[at : at + 4], "little")
            times.append(array.array("d", data[at + 4 : at + 4 + size]))
            at += 4 + size
        kept = []
        for _ in range(2):
            size = int.from_bytes(data[at : at + 8], "little")
            kept.append(data[at + 8 : at + 8 + size])
            at += 8 + size
        pairs.append(Found(*times, (kept[0], kept[1])))
    return Findings(started, ended, generator, pairs)


def _items(kept: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(kept):
        size = int.from_bytes(kept[at : at + 4], "little")
        item = kept[at + 4 : at + 4 + size]
        at += 4 + size
        if item[0] == 0x82:
            found.append(item[2:] if item[1] < 126 else item[4:])
    return found

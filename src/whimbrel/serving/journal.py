"""What a relay or a bridge says of itself: one JSON object a line on stderr, made of words from here and of numbers.

There is no way to put a key, a token, an id, a name or an address into it: fields are numbers, or one of the words below.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import TextIO


class Event(StrEnum):
    """What can have happened."""

    STARTED = "started"
    STOPPING = "stopping"
    STOPPED = "stopped"
    KEYS_RENEWED = "keys-renewed"
    DISK_LOW = "disk-low"
    DISK_ENOUGH = "disk-enough"
    STORAGE_FAILED = "storage-failed"
    FAULT = "fault"
    CUT_OFF = "cut-off"
    CERTIFICATE_RENEWED = "certificate-renewed"
    CERTIFICATE_UNREADABLE = "certificate-unreadable"
    FILES_SWEPT = "files-swept"
    CLOCK_DOUBTED = "clock-doubted"
    RELAY_AWAY = "relay-away"
    RELAY_BACK = "relay-back"
    CUT = "cut"
    CUTS_UNREADABLE = "cuts-unreadable"
    FULL = "full"
    ROOM_AGAIN = "room-again"
    DAY_SPENT = "day-spent"
    DAY_BEGUN = "day-begun"


class Journal:
    """Writes lines. `stream` None: nobody reads them (a relay inside an app)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def say(self, event: Event, **numbers: int | float) -> None:
        """Write one line. A stream that is gone is no reason to fail."""
        if self._stream is None:
            return
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        checked = {name: round(float(value), 6) for name, value in numbers.items()}
        line = json.dumps({"at": at, "event": event.value, **_whole(checked)}, separators=(",", ":"))
        try:
            print(line, file=self._stream, flush=True)
        except (OSError, ValueError):
            self._stream = None

    def fault(self, error: BaseException, event: Event = Event.FAULT) -> None:
        """A fault of ours: where it happened, by line numbers and the names of our own files; never what it said."""
        if self._stream is None:
            return
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        places = []
        trace = error.__traceback__
        while trace is not None:
            name = trace.tb_frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
            places.append(f"{name}:{trace.tb_lineno}")
            trace = trace.tb_next
        known = type(error).__name__ if type(error).__module__ in _KNOWN_MODULES else "UNKNOWN"
        line = {"at": at, "event": event.value, "error": known, "where": places[-5:]}
        try:
            print(json.dumps(line, separators=(",", ":")), file=self._stream, flush=True)
        except (OSError, ValueError):
            self._stream = None


_KNOWN_MODULES = frozenset(
    (
        "builtins",
        "sqlite3",
        "ssl",
        "whimbrel.relay.storage",
        "whimbrel.serving.folder",
        "whimbrel.serving.listening",
        "whimbrel.wire.errors",
    )
)


def stderr() -> Journal:
    """The journal of a program that runs on its own."""
    return Journal(sys.stderr)


def _whole(numbers: dict[str, float]) -> dict[str, int | float]:
    return {name: int(value) if value == int(value) else value for name, value in numbers.items()}

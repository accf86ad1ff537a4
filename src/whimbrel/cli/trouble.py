"""What a command could not do: one sentence, what to do next, and the exit code.

Exit codes: 1 what was asked cannot be done, 2 wrong use, 3 no such person, chat or message, 4 ambiguous, 5 refused,
6 the home is locked, newer, damaged or its disk full. 130 and 141 are what shells use for Ctrl-C and a closed pipe.
"""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

CANNOT = 1
WRONG_USE = 2
INTERRUPTED = 130
PIPE_CLOSED = 141


class Trouble(Exception):
    """An error as it is shown: `code` for programs, `message` and `do` for people, `candidates` where several fit."""

    def __init__(
        self, code: str, message: str, do: str, exit_code: int = CANNOT, candidates: Sequence[str] = ()
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.do = do
        self.exit_code = exit_code
        self.candidates = tuple(candidates)

    def as_json(self) -> dict[str, object]:
        line: dict[str, object] = {"error": self.code, "message": self.message, "do": self.do}
        if self.candidates:
            line["candidates"] = list(self.candidates)
        return line


def wrong_use(message: str, do: str) -> Trouble:
    return Trouble("wrong-use", message, do, WRONG_USE)


def unexpected(error: BaseException, home: Path) -> Trouble:
    """An error that nobody foresaw: the details go to a file that only its owner can read, not to the terminal."""
    place = _write_details(error, home)
    where = f"The details are in {place}." if place else "The details could not be written to a file."
    return Trouble(
        "unexpected",
        f"Something happened that Whimbrel was not made for ({type(error).__name__}). {where}",
        "Try again. If it happens again, send that file to the people who make Whimbrel.",
    )


def _write_details(error: BaseException, home: Path) -> Path | None:
    """Code lines and messages, no values of variables. In the home; without one, in the folder for temporary files."""
    text = f"{datetime.now(UTC).isoformat(timespec='seconds')}\n" + "".join(traceback.format_exception(error))
    try:
        if home.is_dir():
            place = home / "last-error.txt"
            handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        else:
            handle, name = tempfile.mkstemp(prefix="whimbrel-error-", suffix=".txt")
            place = Path(name)
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        return None
    return place

"""What a command could not do: one sentence, what to do next, and the exit code.

Exit codes: 1 what was asked cannot be done, 2 wrong use, 3 no such person, chat or message, 4 ambiguous, 5 refused,
6 the home is locked, newer, damaged or its disk full. 130 and 141 are what shells use for Ctrl-C and a closed pipe.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def unexpected(error: BaseException, home: Path | None) -> Trouble:
    """An error that nobody foresaw."""
    from whimbrel.app import unforeseen

    return Trouble(unforeseen.CODE, unforeseen.told(error, home), unforeseen.DO)

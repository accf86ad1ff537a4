"""What a command answers when it cannot do what was asked: one family, made for people and programs alike."""

from __future__ import annotations

CANNOT, WRONG_USE, NOT_FOUND, AMBIGUOUS, REFUSED, HOME = 1, 2, 3, 4, 5, 6
"""Exit codes: cannot be done, wrong use, no such thing, several such things, not allowed, the home is the trouble."""


class ServiceError(Exception):
    """`code` for programs, `message` what happened, `do` what to do next, `exit` the command's exit code."""

    def __init__(
        self, code: str, message: str, do: str = "", exit: int = CANNOT, candidates: list[str] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.do = do
        self.exit = exit
        self.candidates = candidates or []

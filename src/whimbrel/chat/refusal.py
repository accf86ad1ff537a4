"""What the engine answers a person when something cannot be done."""

from __future__ import annotations


class CannotDo(Exception):
    """What the person asked cannot be done; `code` is for programs, the text for people, `do` says what next."""

    def __init__(self, code: str, text: str, do: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.do = do

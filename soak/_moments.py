"""What a client can be doing when it is killed. Two bytes that it notes in a file which outlives it."""

from __future__ import annotations

import enum
from pathlib import Path

NOTES_BYTES = 2


class Moment(enum.IntEnum):
    """The first byte: where in its turn the client is."""

    STARTING = 0
    OPENING = 1
    CATCHING_UP = 2
    WAITING = 3
    DECIDING = 4
    SAVING = 5
    SENDING = 6
    ENDING = 7

    @property
    def words(self) -> str:
        return WORDS[self]


WORDS = {
    Moment.STARTING: "starting, the home not open yet",
    Moment.OPENING: "opening the home",
    Moment.CATCHING_UP: "catching up with the relay",
    Moment.WAITING: "up, waiting for the relay or for a call",
    Moment.DECIDING: "deciding (MLS, what to save and send)",
    Moment.SAVING: "saving (within the transaction)",
    Moment.SENDING: "saved, about to send",
    Moment.ENDING: "ending",
}

BUSY_WITH = {"posts": 1, "a commit": 2, "a welcome": 4, "another errand": 8}
"""The second byte: what was under way to the relay, unanswered."""


def make_notes(path: Path) -> None:
    path.write_bytes(bytes(NOTES_BYTES))


def read_notes(path: Path) -> tuple[Moment, list[str]]:
    data = path.read_bytes()
    return Moment(data[0]), [what for what, bit in BUSY_WITH.items() if data[1] & bit]

"""What went by a bridge today, and how many people it helped: numbers, never who. They are kept, so that a restart begins no new day.

Who was there today is known for as long as the bridge runs, as keyed hashes of the paths they came by (everybody has one of their own); on the
disk there is a number. So after a restart it counts anew who comes, and never more than there were.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from datetime import date
from hashlib import blake2b
from pathlib import Path

from whimbrel.serving.folder import DataFolderDamaged, write_whole
from whimbrel.wire.paths import Names

FILE = "day"
OPENING = 4096
"""Bytes that a session costs each of the two lines before it carries anything: its handshakes and its upgrade."""
FRAMING = 60
"""And each piece that is passed on: the heads of TLS, TCP and IP."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What is kept. `since`, `day`: dates. `size`, `people`: bytes, and who was helped, on that day. Of the days that are over: `most` people on
    one of them, `size_before` bytes on all."""

    since: str
    day: str
    size: int = 0
    people: int = 0
    most: int = 0
    size_before: int = 0


class Day:
    """The numbers of today, in a file of the data folder."""

    def __init__(
        self, folder: Path | None, limit: int | None, today: Callable[[], date] = date.today
    ) -> None:
        """`folder` None: nothing is kept. `limit`: bytes a day; None: as many as come. Raises DataFolderDamaged."""
        self._path = folder / FILE if folder is not None else None
        self._limit = limit
        self._today = today
        self._key = os.urandom(32)
        self._there: set[bytes] = set()
        self._numbers = self._kept = self._read()
        self.look()

    @property
    def numbers(self) -> Numbers:
        return self._numbers

    @property
    def spent(self) -> bool:
        """Whether nothing more goes today."""
        return self._limit is not None and self._numbers.size >= self._limit

    def look(self) -> None:
        """It may be another day by now. Any other: who sets a clock right is not to wait for the day that it showed."""
        today = self._today().isoformat()
        now = self._numbers
        if today != now.day:
            self._there.clear()
            self._numbers = replace(
                now,
                day=today,
                size=0,
                people=0,
                most=max(now.most, now.people),
                size_before=now.size_before + now.size,
            )

    def carried(self, size: int) -> None:
        """So many bytes were passed on. They came in and went out: by this computer's line they went twice, and so they are counted."""
        self._numbers = replace(self._numbers, size=self._numbers.size + 2 * size)

    def helped(self, names: Names) -> None:
        """Somebody got through, by a path with these names."""
        self._there.add(blake2b(b"".join(names), key=self._key, digest_size=16).digest())
        if len(self._there) > self._numbers.people:
            self._numbers = replace(self._numbers, people=len(self._there))

    def keep(self) -> None:
        """Write down what has changed. Raises OSError."""
        if self._path is not None and self._numbers != self._kept:
            write_whole(self._path, json.dumps(asdict(self._numbers)).encode())
            self._kept = self._numbers

    def _read(self) -> Numbers:
        try:
            if self._path is None:
                raise FileNotFoundError
            found = json.loads(self._path.read_bytes())
            numbers = Numbers(**found)
        except FileNotFoundError:
            today = self._today().isoformat()
            return Numbers(today, today)
        except (ValueError, TypeError):
            raise DataFolderDamaged(f"{FILE} in the data folder is damaged") from None
        if not all(_fits(getattr(numbers, field.name), field.name) for field in fields(Numbers)):
            raise DataFolderDamaged(f"{FILE} in the data folder is damaged")
        return numbers


def _fits(value: object, name: str) -> bool:
    if name in ("since", "day"):
        try:
            return isinstance(value, str) and bool(date.fromisoformat(value))
        except ValueError:
            return False
    return type(value) is int and value >= 0

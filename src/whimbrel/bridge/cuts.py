"""What was cut: the names by which paths were handed on that do not lead anywhere any more, in a file of the data folder.

One line for each, base32 as in a path. `whimbrel bridge --cut` writes it; a bridge that runs looks at it every second. An app that runs a bridge has
a file of its own beside it, for the people who are blocked there: it writes that anew, and takes back nothing that a person has cut.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from whimbrel.serving.folder import DataFolderDamaged, write_whole
from whimbrel.wire.paths import NAME, NAMES_MAX, Names, is_cut

FILE = "cut"
REFUSED = "refused"


class Cuts:
    """The names in the file, as they were when it was looked at last."""

    def __init__(self, folder: Path) -> None:
        """Raises DataFolderDamaged."""
        self._path = folder / FILE
        self._refused = folder / REFUSED
        self._stamp = self._stamp_now()
        self._cut = self._read(self._path) | self._read(self._refused)

    def __contains__(self, names: Names) -> bool:
        """Whether a path with these names was cut, or one that it was made from."""
        return is_cut(names, self._cut)

    def look(self) -> bool:
        """Whether the file is another one now, and was taken. Raises DataFolderDamaged: what was cut before stays cut."""
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        self._cut = self._read(self._path) | self._read(self._refused)
        return True

    def add(self, names: Names) -> None:
        """Write them into the file. Raises DataFolderDamaged, OSError."""
        _write(self._path, self._read(self._path) | {names})

    def _stamp_now(self) -> tuple[tuple[int, int], ...]:
        return tuple(_stamp(path) for path in (self._path, self._refused))

    def _read(self, path: Path) -> frozenset[Names]:
        try:
            lines = path.read_bytes().split()
        except FileNotFoundError:
            return frozenset()
        return frozenset(self._names(line, path) for line in lines)

    def _names(self, line: bytes, path: Path) -> Names:
        try:
            data = base64.b32decode(line.upper())
        except binascii.Error:
            data = b""
        if not data or len(data) % NAME or len(data) > NAME * NAMES_MAX:
            raise DataFolderDamaged(f"{path.name} in the data folder is damaged")
        return tuple(data[n : n + NAME] for n in range(0, len(data), NAME))


def refuse(folder: Path, names: frozenset[Names]) -> None:
    """These are not to lead anywhere, and those of before that are not among them are again. Raises OSError."""
    _write(folder / REFUSED, names)


def _write(path: Path, names: frozenset[Names]) -> None:
    write_whole(path, b"".join(sorted(base64.b32encode(b"".join(one)).lower() + b"\n" for one in names)))


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino

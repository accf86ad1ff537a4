"""What was cut: the names by which paths were handed on that do not lead anywhere any more, in a file of the data folder.

One line for each, base32 as in a path. `whimbrel bridge --cut` writes it; a bridge that runs looks at it every second.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path

from whimbrel.serving.folder import DataFolderDamaged, write_whole
from whimbrel.wire.paths import NAME, NAMES_MAX, Names, is_cut

FILE = "cut"


class Cuts:
    """The names in the file, as they were when it was looked at last."""

    def __init__(self, folder: Path) -> None:
        """Raises DataFolderDamaged."""
        self._path = folder / FILE
        self._stamp = self._stamp_now()
        self._cut = self._read()

    def __contains__(self, names: Names) -> bool:
        """Whether a path with these names was cut, or one that it was made from."""
        return is_cut(names, self._cut)

    def look(self) -> bool:
        """Whether the file is another one now, and was taken. Raises DataFolderDamaged: what was cut before stays cut."""
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        self._cut = self._read()
        return True

    def add(self, names: Names) -> None:
        """Write them into the file. Raises DataFolderDamaged, OSError."""
        cut = self._read() | {names}
        write_whole(
            self._path, b"".join(sorted(base64.b32encode(b"".join(one)).lower() + b"\n" for one in cut))
        )

    def _stamp_now(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return 0, 0
        return found.st_mtime_ns, found.st_ino

    def _read(self) -> frozenset[Names]:
        try:
            lines = self._path.read_bytes().split()
        except FileNotFoundError:
            return frozenset()
        return frozenset(self._names(line) for line in lines)

    def _names(self, line: bytes) -> Names:
        try:
            data = base64.b32decode(line.upper())
        except binascii.Error:
            data = b""
        if not data or len(data) % NAME or len(data) > NAME * NAMES_MAX:
            raise DataFolderDamaged(f"{self._path.name} in the data folder is damaged")
        return tuple(data[n : n + NAME] for n in range(0, len(data), NAME))

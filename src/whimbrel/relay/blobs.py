"""The folder of blobs: sealed chunks, written once, synced before anybody is told, renamed when whole.

An upload is `incoming/ID` and grows in any order of chunks; what of it is there, the storage knows. When all is there
and synced, it becomes `whole/AB/ID` (AB: the first byte, so that no folder gets too long). Between the renaming and the
commit that says so a crash may fall: reading and writing look in both places.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from whimbrel.serving.folder import sync_folder
from whimbrel.wire.operations import SEALED_CHUNK
from whimbrel.wire.parts import length_of


@dataclass(frozen=True, slots=True)
class ChunkWrite:
    """A chunk, or its bytes from `at` on, on the way to the disk."""

    blob: bytes
    n: int
    chunk: bytes
    at: int = 0


class BlobFolder:
    """Blocking calls all; the writing ones are for the disk thread."""

    def __init__(self, root: Path) -> None:
        self._incoming = root / "incoming"
        self._whole = root / "whole"
        for folder in (root, self._incoming, self._whole):
            folder.mkdir(mode=0o700, exist_ok=True)

    def write(self, chunks: Iterable[ChunkWrite]) -> None:
        """Write chunks and return when they are on the disk: one sync for each blob. Raises OSError."""
        by_blob: dict[bytes, list[ChunkWrite]] = {}
        for chunk in chunks:
            by_blob.setdefault(chunk.blob, []).append(chunk)
        for blob, parts in by_blob.items():
            path, is_new = self._place_to_write(blob)
            descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            try:
                for part in parts:
                    _write_all(descriptor, part.chunk, part.n * SEALED_CHUNK + part.at)
                os.fdatasync(descriptor)
            finally:
                os.close(descriptor)
            if is_new:
                sync_folder(path.parent)

    def finish(self, blob: bytes) -> None:
        """All chunks are there and synced: give the upload its last name. Again is harmless. Raises OSError."""
        target = self._path(blob)
        if not target.parent.is_dir():
            target.parent.mkdir(mode=0o700, exist_ok=True)
            sync_folder(self._whole)
        try:
            os.rename(self._incoming / blob.hex(), target)
        except FileNotFoundError:
            if not target.exists():
                raise
        sync_folder(target.parent)
        sync_folder(self._incoming)

    def read(self, blob: bytes, n: int, size: int, at: int = 0, length: int = SEALED_CHUNK) -> bytes:
        """Chunk `n` of a blob of `size` bytes, or at most `length` bytes of it from `at` on. Raises OSError;
        FileNotFoundError also when the file is too short."""
        try:
            descriptor = os.open(self._path(blob), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            descriptor = os.open(self._incoming / blob.hex(), os.O_RDONLY | os.O_CLOEXEC)
        try:
            wanted = min(length, length_of(size, n) - at)
            found = os.pread(descriptor, wanted, n * SEALED_CHUNK + at)
        finally:
            os.close(descriptor)
        if len(found) != wanted:
            raise FileNotFoundError("a blob's file is shorter than the blob")
        return found

    def delete(self, blobs: Iterable[bytes]) -> None:
        """Remove files that nothing refers to any more; what is not there is no fault."""
        for blob in blobs:
            self._path(blob).unlink(missing_ok=True)
            (self._incoming / blob.hex()).unlink(missing_ok=True)

    def sweep(self, known: set[bytes]) -> int:
        """At the start: remove the files of blobs that the storage does not know (a crash before or after a commit)."""
        names = {blob.hex() for blob in known}
        removed = 0
        for folder in (self._incoming, *(path for path in self._whole.iterdir() if path.is_dir())):
            for path in folder.iterdir():
                if path.name not in names:
                    path.unlink()
                    removed += 1
        return removed

    def _path(self, blob: bytes) -> Path:
        name = blob.hex()
        return self._whole / name[:2] / name

    def _place_to_write(self, blob: bytes) -> tuple[Path, bool]:
        incoming = self._incoming / blob.hex()
        if incoming.exists():
            return incoming, False
        whole = self._path(blob)
        if whole.exists():
            return whole, False
        return incoming, True


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written

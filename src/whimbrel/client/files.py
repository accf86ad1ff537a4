"""Files on this disk: sealed copies in the home, so that a transfer survives a restart and a thief finds nothing.

What is sent is sealed first and goes up from that copy; what comes down is kept sealed and opened when it is saved.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

from whimbrel.chat.composing import safe_file_name
from whimbrel.crypto.errors import CryptoError
from whimbrel.crypto.files import chunk_count, chunk_range, open_part, seal_part
from whimbrel.wire.operations import CHUNK, SEALED_CHUNK


class FileChanged(Exception):
    """The file on disk is not what it was a moment ago, or not what its message says."""


def seal_file(source: Path, target: Path, key: bytes, size: int) -> bytes:
    """Write the sealed copy of `source` (of `size` bytes) to `target`; the SHA-256 of what it holds.

    Raises FileChanged when the file has another size by now, OSError as the disk does.
    """
    digest = sha256()
    with source.open("rb") as plain, written(target) as sealed:
        for n in range(chunk_count(size)):
            start, stop = chunk_range(size, n)
            part = plain.read(stop - start)
            if len(part) != stop - start:
                raise FileChanged(f"{source.name} became shorter while it was read")
            digest.update(part)
            sealed.write(seal_part(key, size, n, part))
        if plain.read(1):
            raise FileChanged(f"{source.name} became longer while it was read")
    return digest.digest()


def reseal_file(source: Path, key: bytes, target: Path, new_key: bytes, size: int) -> None:
    """Write to `target`, under another key, what the whole sealed copy `source` holds. Nothing is ever in clear on the disk.

    Raises FileChanged when it is not what its message says, OSError as the disk does.
    """
    with written(target) as sealed:
        for n, part in enumerate(opened(source, key, size, 0, size) if size else (b"",)):
            sealed.write(seal_part(new_key, size, n, part))


def open_file(sealed: Path, folder: Path, name: str, key: bytes, size: int, content_hash: bytes) -> Path:
    """Open a whole sealed copy into `folder`, under a name that harms nobody; where it lies then.

    Raises FileChanged when it is not what its message says, OSError as the disk does.
    """
    digest = sha256()
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".whimbrel-")
    try:
        with os.fdopen(handle, "wb") as plain, sealed.open("rb") as source:
            for n in range(chunk_count(size)):
                try:
                    part = open_part(key, size, n, source.read(SEALED_CHUNK))
                except CryptoError as error:
                    raise FileChanged(str(error)) from None
                digest.update(part)
                plain.write(part)
        if content_hash and digest.digest() != content_hash:
            raise FileChanged("the file is not the one that the message speaks of")
        return give_name(Path(temporary), folder, safe_file_name(name))
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def give_name(temporary: Path, folder: Path, name: str) -> Path:
    """Let a finished file appear under `name`, or `name (2)` and so on: nothing is ever written over."""
    stem, dot, ending = name.rpartition(".")
    stem, ending = (stem, dot + ending) if stem else (name, "")
    number = 1
    while True:
        target = folder / (name if number == 1 else f"{stem} ({number}){ending}")
        try:
            os.link(temporary, target)
        except FileExistsError:
            number += 1
            continue
        except OSError:
            if target.exists():
                number += 1
                continue
            temporary.rename(target)
            return target
        temporary.unlink()
        return target


def unfinished(target: Path) -> Path:
    """What a file is called until it is whole."""
    return target.with_name(target.name + ".new")


class written:
    """A file that appears whole, on disk, or not at all."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._temporary = unfinished(target)

    def __enter__(self) -> written:
        handle = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = os.fdopen(handle, "wb")
        self.write: Callable[[bytes], int] = self._file.write
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()
        if kind is None:
            self._temporary.rename(self._target)
        else:
            self._temporary.unlink(missing_ok=True)


def opened(sealed: Path, key: bytes, size: int, start: int, stop: int) -> Iterator[bytes]:
    """Bytes `start` up to `stop` of what a whole sealed copy holds, piece by piece.

    Raises FileChanged when it is not what its message says, OSError as the disk does.
    """
    with sealed.open("rb") as source:
        n = start // CHUNK
        source.seek(n * SEALED_CHUNK)
        while n * CHUNK < stop:
            try:
                part = open_part(key, size, n, source.read(SEALED_CHUNK))
            except CryptoError as error:
                raise FileChanged(str(error)) from None
            yield part[max(0, start - n * CHUNK) : stop - n * CHUNK]
            n += 1

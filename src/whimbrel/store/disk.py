"""Small files of a home, written whole or not at all, and readable by their owner only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Replace the file: after a crash it holds all of the old bytes or all of the new ones. Raises OSError."""
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    sync_folder(path.parent)


def write_whole_over_a_secret(path: Path, data: bytes) -> None:
    """As `write_whole`; what the file held before is overwritten. (What a disk keeps of overwritten blocks is beyond us.)"""
    with open(os.open(path, os.O_WRONLY | os.O_NOFOLLOW), "wb") as old:
        write_whole(path, data)
        old.write(secrets.token_bytes(os.fstat(old.fileno()).st_size))
        old.flush()
        os.fsync(old.fileno())


def destroy(path: Path) -> None:
    """Overwrite a secret and remove it; nothing when it is not there."""
    try:
        with open(os.open(path, os.O_WRONLY | os.O_NOFOLLOW), "wb") as file:
            file.write(secrets.token_bytes(os.fstat(file.fileno()).st_size))
            file.flush()
            os.fsync(file.fileno())
    except FileNotFoundError:
        return
    path.unlink()
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Names in a folder are on the disk only once the folder is."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)

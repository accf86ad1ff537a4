"""Small files of a data folder: written whole, readable by the owner only, and looked at before they are believed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path


class DataFolderDamaged(Exception):
    """A file of the data folder is not what this program wrote there; says which one."""


def make_folder(folder: Path) -> None:
    """The folder, its owner's alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)


def keep(path: Path, make: Callable[[], bytes], size: int) -> bytes:
    """What the file holds; made and kept at the first start. Raises DataFolderDamaged."""
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        found = make()
        write_whole(path, found)
    if len(found) != size:
        raise DataFolderDamaged(f"{path.name} in the data folder is damaged")
    return found


def kept_port(folder: Path) -> int | None:
    """The port that was picked at the first start without one."""
    path = folder / "port"
    try:
        text = path.read_bytes().strip()
    except FileNotFoundError:
        return None
    if not text.isdigit() or len(text) > 5 or not 0 < int(text) < 65536:
        raise DataFolderDamaged(f"{path.name} in the data folder holds no port")
    return int(text)


def keep_port(folder: Path, port: int) -> None:
    """Keep a port that was picked, so that addresses stay true."""
    write_whole(folder / "port", str(port).encode())


def write_whole(path: Path, data: bytes) -> None:
    """Write a small file so that after a crash it is there wholly or not at all."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.rename(path)
    sync_folder(path.parent)


def destroy(path: Path) -> None:
    """Overwrite a secret and remove it. (What a disk keeps of overwritten blocks is beyond us: the threat model says so.)"""
    try:
        with path.open("r+b") as file:
            file.write(secrets.token_bytes(path.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
    except FileNotFoundError:
        return
    path.unlink()
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Small disks, full ones and such that only read: real mounts of the system, which root alone may make."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _mount(*words: str) -> None:
    ran = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if ran.returncode:
        pytest.skip(f"only root of a machine may mount a disk for a test: {ran.stderr.strip()}")


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """An empty disk of so many megabytes, in this folder."""
    place.mkdir(exist_ok=True)
    _mount("-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(place))
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)


def fill(disk: Path) -> Path:
    """Take all the room that a disk has left; unlink what is returned, and there is room again."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 16, 1 << 12, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue
    free = os.statvfs(disk)
    assert free.f_bavail == 0, free
    return filler


def only_to_be_read(disk: Path, is_so: bool = True) -> None:
    """Remount a disk: even root writes nothing there."""
    _mount("-o", f"remount,{'ro' if is_so else 'rw'}", str(disk))

"""Taking a home off the disk: what Whimbrel wrote there, and nothing else.

A home can be any folder that somebody named, so what is not known by its name stays, and is told. Links are removed, never
followed. The key goes first (`Home.destroy_key`): whatever comes in between, what is left cannot be read.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Union


@dataclass(frozen=True, slots=True)
class Plain:
    """A file whose content is sealed, or says nothing."""


@dataclass(frozen=True, slots=True)
class Secret:
    """A file that is overwritten before it is removed."""


Tree = Mapping[str, Union[Plain, Secret, "Tree"]]
"""What may lie in a folder, by patterns of names."""

_DATABASE: Final = r"\.db(-wal|-shm|-journal)?"
_BLOBS: Tree = {
    r"incoming": {r"[0-9a-f]{64}": Plain()},
    r"whole": {r"[0-9a-f]{2}": {r"[0-9a-f]{64}": Plain()}},
}
_RELAY: Tree = {
    r"relay" + _DATABASE: Plain(),
    r"(identity|path|root)(\.new)?": Secret(),
    r"(port|clock)(\.new)?": Plain(),
    r"keys": {r"\d+\.key(\.new)?": Secret()},
    r"blobs": _BLOBS,
}
_BRIDGE: Tree = {
    r"(seed|key\.pem)(\.new)?": Secret(),
    r"(port|cert\.pem|day|cut|refused)(\.new)?": Plain(),
}
HOME: Final[Tree] = {
    r"home\.json(\.new)?": Secret(),
    r"key(\.new)?": Secret(),
    r"store" + _DATABASE: Plain(),
    r"last-error\.txt": Secret(),
    r"socket": Plain(),
    r"files": {r"[0-9a-f]{64}(\.part|\.new)?": Plain()},
    r"relay": _RELAY,
    r"bridge": _BRIDGE,
}


LAST: Final = frozenset(("home.json", "lock"))
"""What stays until the rest is gone: it says that the home is being taken away, and keeps others out meanwhile."""


def erase(folder: Path, tree: Tree = HOME) -> list[str]:
    """Remove what is in `tree`, and at the end `home.json`; the names of what else lies there. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        left = _erase(descriptor, tree, LAST)
        with contextlib.suppress(FileNotFoundError):
            os.unlink("home.json", dir_fd=descriptor)
        os.fsync(descriptor)
        return left
    finally:
        os.close(descriptor)


def others(folder: Path) -> list[str]:
    """What would stay after `erase`: names in the folder itself that are not ours."""
    names = (entry.name for entry in os.scandir(folder))
    return sorted(name for name in names if name not in LAST and _rule(HOME, name) is None)


def _erase(folder: int, tree: Tree, keep: frozenset[str] = frozenset()) -> list[str]:
    left = []
    for name in sorted(set(os.listdir(folder)) - keep):
        rule = _rule(tree, name)
        is_folder = stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
        if rule is None or is_folder != isinstance(rule, Mapping):
            left.append(name)
        elif isinstance(rule, Mapping):
            left += [f"{name}/{one}" for one in _erase_folder(folder, name, rule)]
        else:
            if isinstance(rule, Secret):
                _overwrite(folder, name)
            os.unlink(name, dir_fd=folder)
    os.fsync(folder)
    return left


def _erase_folder(parent: int, name: str, tree: Tree) -> list[str]:
    descriptor = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        left = _erase(descriptor, tree)
    finally:
        os.close(descriptor)
    if not left:
        os.rmdir(name, dir_fd=parent)
    return left


def _overwrite(folder: int, name: str) -> None:
    """What a disk keeps of overwritten blocks is beyond us: the threat model says so."""
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:  # a link, or not ours to write: it is removed all the same
        return
    with open(descriptor, "wb") as file:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
            file.write(secrets.token_bytes(found.st_size))
            file.flush()
            os.fsync(descriptor)


def _rule(tree: Tree, name: str) -> Plain | Secret | Tree | None:
    return next((rule for pattern, rule in tree.items() if re.fullmatch(pattern, name)), None)

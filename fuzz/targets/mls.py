"""Bytes into the Rust crate: MLS messages, Welcomes, trees, key packages, and the rows that it is fed with.

The crate is not instrumented: libFuzzer changes these inputs without seeing where they lead, and what is shown is that
nothing but `MlsError` comes out, no panic, no death of the process, and that the group goes on. Keys are new in each run,
so an input says what is changed in a genuine message: `[which, at, replaced, put there]…`, or, raw, all of it.
"""

from __future__ import annotations

import os
from functools import cache

from fuzz.target import target
from support.mls import Circle, Device
from whimbrel.crypto import mls

RAW = 0


def _edits(genuine: bytes, edits: bytes) -> bytes:
    """The message with some places changed. Each edit: place (2), how many bytes go (1), how many come (1), those."""
    message = bytearray(genuine)
    at = 0
    while at + 4 <= len(edits):
        place = int.from_bytes(edits[at : at + 2], "big") % (len(message) + 1)
        gone, come = edits[at + 2] % 9, edits[at + 3] % 40
        message[place : place + gone] = edits[at + 4 : at + 4 + come]
        at += 4 + come
    return bytes(message)


_EDITS = (
    b"\x00\x00\x01\x01\xff",
    b"\x00\x10\x02\x02\x40\x00\x01\x00\x04\x00",
    b"\xff\xff\x00\x10" + bytes(16),
)


def _genuine(count: int) -> list[bytes]:
    """Each of so many messages as it is."""
    return [bytes((which,)) for which in range(1, count + 1)]


def _changed(count: int) -> list[bytes]:
    return [which + edits for which in _genuine(count) for edits in _EDITS]


# -------------------------------------------------------------------------------------------- key packages


@cache
def _package() -> bytes:
    return Device("Ada", mls.HYBRID).key_package()


@target(
    "mls-key-package",
    "crypto.mls.inspect_key_package",
    seeds=lambda: _genuine(1),
    starts=_changed(1),
    skip=1,
    longest=4000,
)
def key_package(data: bytes) -> bool:
    """Key packages that others handed us."""
    raw = data[:1] in (b"", b"\x00")
    package = data[1:] if raw else _edits(_package(), data[1:])
    try:
        info = mls.inspect_key_package(package)
    except mls.Invalid:
        return False
    assert package == _package(), "a key package that was changed and still holds"
    assert len(info.ref) in (32, 48)
    return True


# ------------------------------------------------------------------------------------------------- messages


class _Talk:
    """A group of three, made anew before its numbers run out."""

    def __init__(self) -> None:
        self.circle = Circle(mls.HYBRID, "Ada", "Bo", "Cem")
        ada = self.circle.groups[0]
        self.commit, _ = ada.commit(update=True)
        ada.clear_pending()
        self.left = 20_000


_talk: list[_Talk] = []


@target(
    "mls-message",
    "crypto.mls.Group.process",
    seeds=lambda: _genuine(3),
    starts=_changed(3),
    skip=1,
    longest=4000,
)
def message(data: bytes) -> bool:
    """Messages and commits of a group; a genuine one is read after each that was changed."""
    if not _talk or _talk[0].left == 0:
        _talk[:] = [_Talk()]
    talk = _talk[0]
    talk.left -= 1
    ada, bo, cem = talk.circle.groups
    which = data[0] % 4 if data else RAW
    genuine = (b"", ada.encrypt(b"hello"), talk.commit, cem.encrypt(b""))[which]
    changed = data[1:] if which == RAW else _edits(genuine, data[1:])
    try:
        found = bo.process(changed)
    except (mls.Invalid, mls.WrongEpoch, mls.Replayed, mls.NotMember):
        taken = False
    else:
        taken = True
        assert changed == genuine, "a message that was changed and still holds"
        if found.kind == "commit":
            bo.discard_staged()
            talk.left = 0  # its key is used up
    if which == 1 and talk.left and not taken:
        later = ada.encrypt(b"genuine")
        assert bo.process(later).plaintext == b"genuine"
    return taken


# ------------------------------------------------------------------------------------------------- Welcomes


class _Door:
    """Somebody who was let in and has not joined yet."""

    def __init__(self) -> None:
        self.cem = Device("Cem", mls.HYBRID)
        package = self.cem.key_package()
        self.cem.save()
        founder = Circle(mls.HYBRID, "Dana", "Eli").groups[0]
        _, welcome = founder.commit(adds=[package], update=True)
        assert welcome is not None
        founder.merge_pending()
        self.welcome, self.tree = welcome, founder.tree()


@cache
def _door() -> _Door:
    return _Door()


@target(
    "mls-welcome",
    "crypto.mls.Engine.join",
    "crypto.mls.welcome_refs",
    seeds=lambda: _genuine(2),
    starts=_changed(2),
    skip=1,
    longest=8000,
)
def welcome(data: bytes) -> bool:
    """Welcomes and the trees beside them; the genuine ones still let in afterwards."""
    door = _door()
    which = data[0] % 3 if data else RAW
    letter, tree = door.welcome, door.tree
    if which == RAW:
        cut = int.from_bytes(data[1:3], "big")
        letter, tree = data[3 : 3 + cut], data[3 + cut :]
    elif which == 1:
        letter = _edits(letter, data[1:])
    else:
        tree = _edits(tree, data[1:])
    try:
        assert all(len(ref) in (32, 48) for ref in mls.welcome_refs(letter))
    except mls.Invalid:
        pass
    try:
        group = door.cem.engine.join(letter, tree)
    except mls.MlsError:
        taken = False
    else:
        taken = True
        assert group.is_active
        assert (letter, tree) == (door.welcome, door.tree), "a Welcome that was changed and still lets in"
    door.cem.engine.rollback()
    if not taken and data[-1:] == b"\x00":
        assert door.cem.engine.join(door.welcome, door.tree).is_active
        door.cem.engine.rollback()
    return taken


# ----------------------------------------------------------------------------------------------------- rows


class _Keeper:
    """A group's rows as they are on disk."""

    def __init__(self) -> None:
        self.device = Device("Keeper", mls.CLASSICAL)
        self.device.engine.create_group(os.urandom(32), mls.CLASSICAL, b"credential", b"reach", b"roles")
        self.device.save()
        self.rows = sorted((scope, key, value) for (scope, key), value in self.device.disk.items())


@cache
def _keeper() -> _Keeper:
    return _Keeper()


@target(
    "mls-rows",
    "crypto.mls.Engine.feed",
    "crypto.mls.Engine.load_group",
    seeds=lambda: _genuine(12),
    starts=_changed(12),
    skip=1,
    longest=4000,
)
def rows(data: bytes) -> bool:
    """Rows of the store that were damaged: it is noticed, or read, and whatever is read can be used or says why not."""
    keeper = _keeper()
    which = (data[0] if data else 0) % len(keeper.rows)
    scope, key, value = keeper.rows[which]
    engine = mls.Engine(*keeper.device.keys)
    try:
        engine.feed([*keeper.rows, (scope, key, _edits(value, data[1:]))])
        group = engine.load_group(scope)
        if group is not None:
            group.encrypt(b"words")
            group.members()
            group.tree()
    except mls.MlsError:
        return False
    return True

"""Devices with a disk, for tests of MLS: what the store does with rows, in a dictionary."""

import os
from collections.abc import Sequence

from whimbrel.crypto.mls import Engine, Group

ROLES = b"roles of the first day"


class Device:
    """One device. Its disk has what `save` wrote, and `restart` forgets everything else."""

    def __init__(self, name: str, suite: int, engine: type[Engine] = Engine) -> None:
        self.made_by = engine
        self.name = name
        self.suite = suite
        self.credential = f"credential of {name}".encode()
        self.leaf_extension = f"reach of {name}".encode()
        self.keys = engine.new_signature_key()
        self.disk: dict[tuple[bytes, bytes], bytes] = {}
        self.engine = self.made_by(*self.keys)

    @property
    def signature_key(self) -> bytes:
        return self.keys[1]

    def save(self) -> None:
        for scope, key, value in self.engine.take_changes():
            if value is None:
                self.disk.pop((scope, key), None)
            else:
                self.disk[scope, key] = value

    def restart(self) -> None:
        self.engine = self.made_by(*self.keys)
        self.engine.feed([(scope, key, value) for (scope, key), value in self.disk.items()])

    def load(self, group_id: bytes) -> Group:
        group = self.engine.load_group(group_id)
        assert group is not None
        return group

    def key_package(self, *, last_resort: bool = False) -> bytes:
        package, _ = self.engine.key_package(self.suite, self.credential, self.leaf_extension, last_resort)
        return package

    def found(self) -> Group:
        return self.engine.create_group(
            os.urandom(32), self.suite, self.credential, self.leaf_extension, ROLES
        )


class Circle:
    """A group of devices: the first founded it, and added the others in one commit without a path."""

    def __init__(self, suite: int, *names: str, engines: Sequence[type[Engine]] = ()) -> None:
        """`engines`: which module each device comes from; that of Whimbrel unless told otherwise."""
        engines = engines or [Engine] * len(names)
        self.devices = [Device(name, suite, engine) for name, engine in zip(names, engines, strict=True)]
        founder, *others = self.devices
        self.groups = [founder.found()]
        if others:
            self.add(*others)

    def add(self, *devices: Device) -> None:
        founder = self.groups[0]
        commit, welcome = founder.commit(adds=[device.key_package() for device in devices])
        assert welcome is not None
        founder.merge_pending()
        for group in self.groups[1:]:
            group.process(commit)
            group.merge_staged()
        self.groups += [device.engine.join(welcome, founder.tree()) for device in devices]

    def spread(self, committer: int, commit: bytes) -> None:
        """The commit was accepted: everybody merges it."""
        for number, group in enumerate(self.groups):
            if number == committer:
                group.merge_pending()
            else:
                group.process(commit)
                group.merge_staged()

    def agrees(self) -> bool:
        active = [group for group in self.groups if group.is_active]
        return len({(group.epoch, group.epoch_authenticator()) for group in active}) == 1

"""What does a group of 1,000 members cost: to make, add, remove, join, post; and how does it heal after a mass add?

MLS itself, in the default suite unless asked otherwise, with credentials, leaves and payloads as in real groups; no network, no store.
One founder lets 999 in by one commit without an update path. Then nobody knows a key of the nodes between the
joiners, so that every commit with a path has a ciphertext for each member. The 32 joiners whose leaves lie farthest
apart (in the order that apps use) update one after the other, each having joined and read what came before, and the commits
of all get shorter. Times are of the one device that does it, on one core.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import TypeVar

from _record import Figure, middle, tell
from whimbrel.chat.healing import MANY, place_among
from whimbrel.crypto.accounts import make_credential, new_account
from whimbrel.crypto.leaf import LeafExtension, Reach, Roles, encode_leaf, encode_roles
from whimbrel.crypto.mls import CLASSICAL, HYBRID, SUITE_NAMES, Engine, Group
from whimbrel.crypto.payload import Payload, PayloadKind, encode_payload

T = TypeVar("T")
TIMES = 20
NOW = 1_795_000_000
TEXT = b"Are you coming tonight? We meet at eight at the old bridge, bring warm clothes and something to eat."


class Device:
    """One member: its engine, and its group once it is in."""

    def __init__(self, suite: int) -> None:
        self.private, self.public = Engine.new_signature_key()
        self.engine = Engine(self.private, self.public)
        self.suite = suite
        account = new_account(os.urandom(32))
        self.credential = make_credential(account.private, self.public, NOW)
        reach = Reach(
            os.urandom(32),
            (
                "wss://relay.example.org:443/abcdefghijklmnop",
                "https://relay.example.org:443/abcdefghijklmnop",
            ),
            *(os.urandom(32) for _ in range(4)),
        )
        self.leaf = encode_leaf(LeafExtension(os.urandom(32), (reach,), NOW))

    def key_package(self) -> bytes:
        package, _ = self.engine.key_package(self.suite, self.credential, self.leaf)
        return package

    def found(self) -> Group:
        roles = encode_roles(Roles((os.urandom(32),), name="A thousand"))
        return self.engine.create_group(os.urandom(32), self.suite, self.credential, self.leaf, roles)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--members", type=int, default=1000)
    parser.add_argument("--classical", action="store_true", help="the suite without ML-KEM")
    args = parser.parse_args()
    suite = CLASSICAL if args.classical else HYBRID
    figures = story(suite, args.members)
    tell(
        "group_thousand",
        figures,
        suite=f"{suite:#06x}: {SUITE_NAMES[suite]}",
        members=args.members,
        leaf_extension="one inbox with two ways",
    )


def story(suite: int, members: int) -> list[Figure]:
    figures: list[Figure] = []

    def note(what: str, seconds: float | None, size: int | None = None) -> None:
        if seconds is not None:
            figures.append(Figure(f"{what}: time", seconds * 1000, "ms"))
        if size is not None:
            figures.append(Figure(f"{what}: bytes", size, "bytes"))

    founder, joiners = Device(suite), [Device(suite) for _ in range(members - 1)]
    making, packages = timed(lambda: [device.key_package() for device in joiners])
    note("one key package", making / len(packages), len(packages[0]))
    group = founder.found()

    taken, (commit, welcome) = timed(lambda: group.commit(adds=packages))
    assert welcome is not None
    merging, _ = timed(group.merge_pending)
    reading, tree = timed(group.tree)
    note(f"make a group of {members:,}: the commit", taken + merging, len(commit))
    note("  the Welcome for all", None, len(welcome))
    note("  the tree, once for all", reading, len(tree))

    def join(device: Device) -> Group:
        return device.engine.join(welcome, tree)

    taken, reader = timed(lambda: join(joiners[0]))
    note("  one joins", taken)

    # A post, and the same in a group of two.
    post = encode_payload(Payload(PayloadKind.CONTENT, 1, os.urandom(32), TEXT))
    in_thousand = posting(group, reader, post)
    other = Device(suite)
    pair = founder.found()
    _, pair_welcome = pair.commit(adds=[other.key_package()])
    assert pair_welcome is not None
    pair.merge_pending()
    in_two = posting(pair, other.engine.join(pair_welcome, pair.tree()), post)
    for name, (size, sealing, opening) in (
        (f"a post in {members:,}", in_thousand),
        ("a post in two", in_two),
    ):
        figures.append(Figure(f"{name}: bytes", size, "bytes"))
        figures.append(middle(f"{name}: sealed in", sealing, "ms"))
        figures.append(middle(f"{name}: opened in", opening, "ms"))
    ratio = in_thousand[0] / in_two[0]
    figures.append(
        Figure("the post's bytes, as a multiple of those in two", ratio, "times", at_most=1.1, at_least=0.9)
    )

    # Before anybody has healed.
    taken, (update, _) = timed(lambda: group.commit(update=True))
    note("an update before the healing", taken, len(update))
    group.clear_pending()
    newcomer = Device(suite)
    taken, (adding, welcome_of_one) = timed(lambda: group.commit(adds=[newcomer.key_package()]))
    assert welcome_of_one is not None
    note("add one", taken, len(adding))
    note("  its Welcome (the tree beside it)", None, len(welcome_of_one))
    group.clear_pending()
    taken, (removal, _) = timed(lambda: group.commit(removes=[reader.own_index]))
    note("remove one before the healing", taken, len(removal))
    group.clear_pending()

    healed, sizes, updating, processing = healing(group, joiners, join)
    for n, size in enumerate(sizes, 1):
        if n & (n - 1) == 0:
            figures.append(Figure(f"healing: the update of joiner {n}", size, "bytes"))
    figures.append(Figure(f"healing: {healed} updates together", sum(sizes), "bytes"))
    figures.append(middle("healing: one update made in", updating, "ms"))
    figures.append(middle("healing: one read in", processing, "ms"))
    taken, (update, _) = timed(lambda: group.commit(update=True))
    note(f"an update after {healed} have healed", taken, len(update))
    group.clear_pending()
    taken, (removal, _) = timed(lambda: group.commit(removes=[members - 1]))
    note(f"remove one after {healed} have healed", taken, len(removal))
    return figures


def posting(group: Group, reader: Group, post: bytes) -> tuple[int, list[float], list[float]]:
    """Bytes, and the milliseconds of sealing and opening, several times."""
    sealing, opening = [], []
    for _ in range(TIMES):
        taken, sealed = timed(lambda: group.encrypt(post))
        sealing.append(taken * 1000)
        taken, opened = timed(lambda sealed=sealed: reader.process(sealed))  # type: ignore[misc]
        opening.append(taken * 1000)
        assert opened.plaintext == post
    return len(sealed), sealing, opening


def healing(
    group: Group, joiners: list[Device], join: Callable[[Device], Group]
) -> tuple[int, list[int], list[float], list[float]]:
    """The first joiners in the order of apps update: how many, bytes of each commit, milliseconds to make and to read one."""
    leaves = [member.index for member in group.members()]
    whose = {member.signature_key: member.index for member in group.members()}
    order = sorted(joiners, key=lambda device: place_among(whose[device.public], leaves))[:MANY]
    commits: list[bytes] = []
    making, reading = [], []
    for device in order:
        # It joined with all others, and has read what came since. (The first one joined already, and takes no part.)
        if device is joiners[0]:
            continue
        own = join(device)
        for earlier in commits:
            own.process(earlier)
            own.merge_staged()
        taken, (commit, _) = timed(lambda own=own: own.commit(update=True))  # type: ignore[misc]
        own.merge_pending()
        making.append(taken * 1000)
        taken, _ = timed(lambda commit=commit: (group.process(commit), group.merge_staged()))  # type: ignore[misc]
        reading.append(taken * 1000)
        assert group.epoch_authenticator() == own.epoch_authenticator()
        commits.append(commit)
    return len(commits), [len(commit) for commit in commits], making, reading


def timed(call: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    result = call()
    return time.perf_counter() - started, result


if __name__ == "__main__":
    main()

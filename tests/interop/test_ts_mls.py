"""A client that is not ours is in our group: ts-mls (TypeScript), and shares no code with OpenMLS.

Suite 0x0003, the profile of `docs/protocol/mls.md` to the letter: capabilities, required capabilities, both extensions with real
bytes in them, credentials signed by accounts, private messages, the tree beside the Welcome, key packages without an end.

What ts-mls 1.6.4 cannot do, so that it is not shown here:

- The hybrid suite. ts-mls has ML-KEM-512 at number 0x004E, and X-Wing only with other hashes and numbers of its own.
  That its leaf names 0x004E nevertheless is what the page asks of every leaf.
- A new leaf extension in an update: its leaf in a commit repeats the extensions that it had.
- Judging credentials and roles. It takes what it is given to be true, as MLS leaves that to the application.
- An own commit that waits until it was accepted: the state after it is simply the next one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.mls import Device
from support.people import DAY, Person, person, secret
from whimbrel.chat.line import epoch_tokens
from whimbrel.crypto.accounts import make_credential, open_credential
from whimbrel.crypto.leaf import LeafExtension, Roles, decode_leaf, decode_roles, encode_leaf, encode_roles
from whimbrel.crypto.mls import (
    CLASSICAL,
    LEAF_EXTENSION,
    ROLES_EXTENSION,
    CommitInfo,
    Group,
    Invalid,
    NotMember,
    WrongEpoch,
    inspect_key_package,
)

pytestmark = pytest.mark.processes

HERE = Path(__file__).parent
SECONDS = 60
"""For a whole test; a peer that hangs is killed, and the answer that does not come fails the test."""

raw = bytes.fromhex
ANA, BEN, TESS, TOM = (person(name) for name in ("Ana", "Ben", "Tess", "Tom"))
ROLES = Roles(tuple(sorted(who.account.public for who in (ANA, TESS))), name="Terns")


class Refused(Exception):
    """ts-mls did not do it; the text is its error."""


class Peer:
    """A process of node with one ts-mls client; its device key is its own, its account's key is here."""

    def __init__(self, who: Person) -> None:
        self.process = subprocess.Popen(
            ["node", "peer.mjs"], cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.watchdog = threading.Timer(SECONDS, self.process.kill)
        self.watchdog.start()
        self.signature_key = raw(self.call("signature_key")["public"])
        self.credential = make_credential(who.account.private, self.signature_key, DAY)
        self.leaf_extension = leaf_of(who)

    def call(self, command: str, **given: object) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        words = {name: value.hex() if isinstance(value, bytes) else value for name, value in given.items()}
        self.process.stdin.write(json.dumps({"command": command, **words}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the peer ended during {command}"
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    def message(self, command: str, **given: object) -> bytes:
        return raw(self.call(command, **given)["message"])

    def key_package(self, **given: object) -> bytes:
        return self.message("key_package", credential=self.credential, leaf=self.leaf_extension, **given)

    def process_commit(self, commit: bytes) -> None:
        assert self.call("process", message=commit)["kind"] == "commit"

    def read(self, post: bytes) -> bytes:
        answer = self.call("process", message=post)
        assert answer["kind"] == "post"
        return raw(answer["plaintext"])

    def end(self) -> None:
        self.watchdog.cancel()
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()


def leaf_of(who: Person) -> bytes:
    return encode_leaf(LeafExtension(secret(f"log key of {who.name}"), (who.reach,), DAY))


def device(who: Person) -> Device:
    """One of ours, with the credential and the leaf that the account signs and the page describes."""
    made = Device(who.name, CLASSICAL)
    made.credential = make_credential(who.account.private, made.signature_key, DAY)
    made.leaf_extension = leaf_of(who)
    return made


@pytest.fixture
def peer() -> Iterator[Callable[[Person], Peer]]:
    for missing in (
        None if shutil.which("node") else "node (Node.js 20.19 or newer)",
        None
        if (HERE / "node_modules" / "ts-mls").is_dir()
        else "ts-mls, which `make test` installs with npm",
    ):
        if missing:
            pytest.skip(f"An MLS client that is not ours cannot be tried without {missing}.")
    started: list[Peer] = []

    def start(who: Person) -> Peer:
        started.append(Peer(who))
        return started[-1]

    yield start
    for one in started:
        one.end()


def same_epoch(peer: Peer, *groups: Group) -> None:
    """Same epoch, same secrets, same context and the same leaves, whoever is asked."""
    first = groups[0]
    extensions: list[list[object]] = []
    for number, label in enumerate(("whimbrel/1 read", "whimbrel/1 write")):
        theirs = peer.call("epoch", label=label, context=first.group_id, length=32)
        for group in groups:
            assert theirs["number"] == group.epoch
            assert raw(theirs["group"]) == group.group_id
            assert raw(theirs["authenticator"]) == group.epoch_authenticator()
            assert raw(theirs["exported"]) == epoch_tokens(group.group_id, group.export)[number]
            assert group.required_ok
        assert theirs["active"] == "active"
        extensions = theirs["extensions"]
    roles = first.roles()
    assert roles is not None
    decode_roles(roles)
    assert extensions == [["required_capabilities", "04f000f00100020001"], [ROLES_EXTENSION, roles.hex()]]
    seen = [
        (
            member["index"],
            raw(member["signature_key"]),
            raw(member["credential"]),
            [(kind, raw(data)) for kind, data in member["extensions"]],
        )
        for member in peer.call("members")["members"]
    ]
    for group in groups:
        assert seen == [
            (one.index, one.signature_key, one.credential, [(LEAF_EXTENSION, one.leaf_extension)])
            for one in group.members()
        ]
    for member in first.members():
        assert open_credential(member.credential, member.signature_key).account
        assert member.leaf_extension is not None
        decode_leaf(member.leaf_extension)


def accepted(group: Group, commit: bytes) -> CommitInfo:
    """One of ours takes the commit, which has nothing in it that version 1 does not know."""
    processed = group.process(commit)
    assert processed.kind == "commit"
    info = processed.commit
    assert info is not None
    assert info.others == []
    assert info.required_ok
    assert info.updates == []
    group.merge_staged()
    return info


def both_ways(peer: Peer, *groups: Group) -> None:
    """Posts of several sizes, with everybody reading everybody."""
    for number, size in enumerate((0, 1, 256, 5000)):
        plaintext = secret(f"post {number}")[:1] * size
        post = peer.message("send", plaintext=plaintext)
        for group in groups:
            processed = group.process(post)
            assert (processed.kind, processed.plaintext) == ("application", plaintext)
            assert group.members()[processed.sender].signature_key == peer.signature_key
        for group in groups:
            post = group.encrypt(plaintext)
            assert peer.read(post) == plaintext
            for other in groups:
                if other is not group:
                    assert other.process(post).plaintext == plaintext


def joined(founder: Device, peer: Peer, *, last_resort: bool = False) -> Group:
    """A group of the founder's, and the peer added to it by the founder's commit."""
    group = founder.engine.create_group(
        secret("group")[:16], CLASSICAL, founder.credential, founder.leaf_extension, encode_roles(ROLES)
    )
    package = peer.key_package(last_resort=last_resort)
    info = inspect_key_package(package)
    assert (info.suite, info.signature_key, info.credential) == (
        CLASSICAL,
        peer.signature_key,
        peer.credential,
    )
    assert (info.leaf_extension, info.last_resort) == (peer.leaf_extension, last_resort)
    _, welcome = group.commit(adds=[package])
    assert welcome is not None
    group.merge_pending()
    peer.call("join", welcome=welcome, tree=group.tree())
    return group


def test_ts_mls_is_a_member_of_our_group(peer: Callable[[Person], Peer]) -> None:
    """Its whole life in a group: added, posts, commits of both sides, an Add by each, new roles, a removal by each."""
    ana, ben, tess = device(ANA), device(BEN), peer(TESS)
    ours = joined(ana, tess)
    same_epoch(tess, ours)
    both_ways(tess, ours)

    # Ours adds a third, without a path.
    commit, welcome = ours.commit(adds=[ben.key_package()])
    assert welcome is not None
    ours.merge_pending()
    tess.process_commit(commit)
    third = ben.engine.join(welcome, ours.tree())
    same_epoch(tess, ours, third)
    both_ways(tess, ours, third)

    # Each heals: ours with a new leaf, the third with the same, ts-mls with its own path.
    moved = encode_leaf(replace(decode_leaf(ana.leaf_extension), made_at=DAY + 1))
    commit, _ = ours.commit(update=True, leaf_extension=moved)
    ours.merge_pending()
    tess.process_commit(commit)
    assert accepted(third, commit).path is not None
    same_epoch(tess, ours, third)
    assert ours.members()[0].leaf_extension == moved

    commit = tess.message("update")
    for group in (ours, third):
        info = accepted(group, commit)
        assert info.path is not None
        assert (info.path.index, info.path.signature_key) == (1, tess.signature_key)
        assert (info.path.credential, info.path.leaf_extension) == (tess.credential, tess.leaf_extension)
        assert (info.adds, info.removes, info.roles, info.self_removed) == ([], [], None, False)
    same_epoch(tess, ours, third)

    commit, _ = third.commit(update=True)
    third.merge_pending()
    tess.process_commit(commit)
    accepted(ours, commit)
    same_epoch(tess, ours, third)
    both_ways(tess, ours, third)

    # New roles: the whole list of context extensions is replaced.
    renamed = encode_roles(replace(ROLES, name="Arctic terns"))
    commit, _ = ours.commit(roles=renamed)
    ours.merge_pending()
    tess.process_commit(commit)
    assert accepted(third, commit).roles == renamed
    same_epoch(tess, ours, third)
    assert third.roles() == renamed

    # ts-mls removes our third, and adds it again with a Welcome of its own.
    commit = tess.message("remove", index=2)
    assert accepted(ours, commit).removes == [2]
    farewell = third.process(commit).commit
    assert farewell is not None
    assert farewell.self_removed
    with pytest.raises(NotMember):
        third.staged_export("whimbrel/1 read", third.group_id, 32)
    third.merge_staged()
    assert not third.is_active
    same_epoch(tess, ours)
    both_ways(tess, ours)

    added = tess.call("add", key_package=ben.key_package())
    (newcomer,) = accepted(ours, raw(added["message"])).adds
    assert newcomer.signature_key == ben.signature_key
    ben.engine.delete_group(third.group_id)
    third = ben.engine.join(raw(added["welcome"]), raw(added["tree"]))
    assert third.welcome_sender == 1
    same_epoch(tess, ours, third)
    both_ways(tess, ours, third)

    # Ours removes ts-mls: it learns that, and neither reads nor writes from then on.
    commit, _ = ours.commit(removes=[1])
    ours.merge_pending()
    assert accepted(third, commit).removes == [1]
    before = tess.call("epoch", label="whimbrel/1 read", context=ours.group_id, length=32)
    tess.process_commit(commit)
    after = tess.call("epoch", label="whimbrel/1 read", context=ours.group_id, length=32)
    assert after["active"] == "removedFromGroup"
    assert after["authenticator"] == before["authenticator"] != ours.epoch_authenticator().hex()
    assert ours.epoch_authenticator() == third.epoch_authenticator()
    post = ours.encrypt(b"among ourselves")
    assert third.process(post).plaintext == b"among ourselves"
    with pytest.raises(Refused):
        tess.read(post)
    with pytest.raises(Refused, match="removed"):
        tess.call("send", plaintext=b"still here?")


def test_posts_of_ts_mls_are_refused_when_changed_repeated_or_of_another_epoch(
    peer: Callable[[Person], Peer],
) -> None:
    ana, tess = device(ANA), peer(TESS)
    ours = joined(ana, tess)
    post = tess.message("send", plaintext=b"once")
    damaged = post[:-1] + bytes([post[-1] ^ 1])
    with pytest.raises(Invalid):
        ours.process(damaged)
    assert ours.process(post).plaintext == b"once"
    late = tess.message("send", plaintext=b"too late")
    accepted(ours, tess.message("update"))
    with pytest.raises(WrongEpoch):
        ours.process(late)

    post = ours.encrypt(b"once")
    with pytest.raises(Refused):
        tess.read(post[:-1] + bytes([post[-1] ^ 1]))
    assert tess.read(post) == b"once"
    with pytest.raises(Refused):
        tess.read(post)
    same_epoch(tess, ours)


def test_two_of_ts_mls_in_one_group_of_ours(peer: Callable[[Person], Peer]) -> None:
    """Added one after another, the second by the first, with a key package of last resort."""
    ana, tess, tom = device(ANA), peer(TESS), peer(TOM)
    ours = joined(ana, tess, last_resort=True)
    added = tess.call("add", key_package=tom.key_package())
    accepted(ours, raw(added["message"]))
    tom.call("join", welcome=raw(added["welcome"]), tree=ours.tree())
    for one in (tess, tom):
        same_epoch(one, ours)
    commit, _ = ours.commit(update=True)
    ours.merge_pending()
    for one in (tess, tom):
        one.process_commit(commit)
        same_epoch(one, ours)
    commit = tom.message("update")
    accepted(ours, commit)
    tess.process_commit(commit)
    for one in (tess, tom):
        same_epoch(one, ours)
    post = tom.message("send", plaintext=b"from Tom")
    assert tess.read(post) == b"from Tom" == ours.process(post).plaintext


def test_a_key_package_of_ts_mls_that_ends_is_named(peer: Callable[[Person], Peer]) -> None:
    """Not `Invalid` in a commit of a stranger, but among `others`, which whoever calls must refuse."""
    ana, tess, tom = device(ANA), peer(TESS), peer(TOM)
    ours = joined(ana, tess)
    ending = tom.key_package(not_after=4_000_000_000)
    with pytest.raises(Invalid):
        inspect_key_package(ending)
    with pytest.raises(Invalid):
        ours.commit(adds=[ending])
    processed = ours.process(tess.message("add", key_package=ending))
    assert processed.commit is not None
    assert processed.commit.others == ["lifetime"]

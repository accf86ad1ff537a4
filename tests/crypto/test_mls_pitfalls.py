"""What OpenMLS gets wrong, or right only when asked: one test for each, named as the fact that we rely on.

Those that need a member who does not keep to our rules (lone proposals, keys shared by PSK, key packages with an end,
trees inside a Welcome) are in `native/proofs/strangers.rs`. One is no test at all: OpenMLS cannot be made deterministic, since HPKE draws from the operating system whatever its caller does. So no test here expects certain
ciphertexts; members are compared with each other.
"""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.mls import Circle, Device
from whimbrel.crypto import mls

FORK = """
import os
from whimbrel.crypto.mls import HYBRID, Engine

engine = Engine(*Engine.new_signature_key())
reader, writer = os.pipe()
child = os.fork()
_, ref = engine.key_package(HYBRID, b"", b"")
_, public = Engine.new_signature_key()
if child == 0:
    os.write(writer, ref + public)
    os._exit(0)
os.waitpid(child, 0)
theirs = os.read(reader, 80)
assert len(theirs) == 80
assert theirs[:48] != ref
assert theirs[48:] != public
"""


def test_a_forked_child_makes_other_key_packages_and_signature_keys() -> None:
    """The stock providers seed a generator once; parent and child would make the same private keys."""
    subprocess.run([sys.executable, "-c", FORK], check=True, timeout=60)


def test_no_past_epoch_is_kept() -> None:
    """OpenMLS would rewrite every leaf of every past epoch with each message."""
    circle = Circle(mls.CLASSICAL, "Ada", "Bo")
    ada, bo = circle.groups
    late = ada.encrypt(b"late")
    device = circle.devices[1]
    sizes = []
    for _ in range(3):
        circle.spread(0, ada.commit(update=True)[0])
        device.save()
        bo.process(ada.encrypt(b""))
        ((_, key, value),) = device.engine.take_changes()
        assert value is not None
        assert key == b"messages"
        sizes.append(len(value))
    assert max(sizes) - min(sizes) < 100
    with pytest.raises(mls.WrongEpoch):
        bo.process(late)


def test_an_add_without_a_path_costs_the_same_in_a_large_group() -> None:
    """After a mass add every path is as long as the group; an add alone has none."""
    small, large = Circle(mls.HYBRID, "Ada"), Circle(mls.HYBRID, "Ada", *(f"member {n}" for n in range(40)))
    (add_to_small, _), (add_to_large, _) = (
        circle.groups[0].commit(adds=[Device("Bo", mls.HYBRID).key_package()]) for circle in (small, large)
    )
    assert len(add_to_small) == len(add_to_large) < 3000
    large.groups[0].clear_pending()
    cold, _ = large.groups[0].commit(update=True)
    large.groups[0].clear_pending()
    assert len(cold) > 40_000


def test_joiners_who_update_make_the_next_paths_short() -> None:
    circle = Circle(mls.HYBRID, "Ada", *(f"member {n}" for n in range(15)))
    cold, _ = circle.groups[0].commit(update=True)
    circle.groups[0].clear_pending()
    for joiner in range(15, 0, -1):
        circle.spread(joiner, circle.groups[joiner].commit(update=True)[0])
    warm, _ = circle.groups[0].commit(update=True)
    assert len(warm) < len(cold) / 2


def test_rows_are_self_describing_and_numbered() -> None:
    """A codec without names would read a row of a later OpenMLS as nonsense. Rows are CBOR behind a format number."""
    ada = Device("Ada", mls.HYBRID)
    ada.found()
    ada.save()
    config = next(value for (_, key), value in ada.disk.items() if key == b"config")
    assert config[0] == 1
    assert b"sender_ratchet_configuration" in config


def test_a_commit_that_was_looked_at_can_be_processed_again_only_after_a_rollback() -> None:
    """Processing uses up the commit's key, whether it is merged or not."""
    circle = Circle(mls.HYBRID, "Ada", "Bo")
    ada, bo = circle.groups
    device = circle.devices[1]
    device.save()
    commit, _ = ada.commit(update=True)
    bo.process(commit)
    bo.discard_staged()
    with pytest.raises(mls.Replayed):
        bo.process(commit)
    device.engine.rollback()
    assert device.load(ada.group_id).process(commit).kind == "commit"


def test_a_failed_join_uses_up_the_key_package_unless_rolled_back() -> None:
    founder, bo = Circle(mls.HYBRID, "Ada").groups[0], Device("Bo", mls.HYBRID)
    _, welcome = founder.commit(adds=[bo.key_package()])
    assert welcome is not None
    bo.save()
    founder.merge_pending()
    with pytest.raises(mls.Invalid):
        bo.engine.join(welcome, b"no tree")
    with pytest.raises(mls.NoKeyPackage):
        bo.engine.join(welcome, founder.tree())
    bo.engine.rollback()
    assert bo.engine.join(welcome, founder.tree()).epoch == 1


def test_a_second_commit_does_not_replace_a_pending_one() -> None:
    circle = Circle(mls.CLASSICAL, "Ada", "Bo")
    ada = circle.groups[0]
    commit, _ = ada.commit(roles=b"first")
    expected = ada.pending_export("label", b"", 32)
    with pytest.raises(mls.PendingCommit):
        ada.commit(roles=b"second")
    assert ada.pending_export("label", b"", 32) == expected
    circle.spread(0, commit)
    assert circle.agrees()
    assert ada.roles() == b"first"


def test_an_update_is_made_where_openmls_would_make_none() -> None:
    """A commit with adds alone has no path unless it is forced."""
    circle = Circle(mls.CLASSICAL, "Ada", "Bo")
    ada, bo = circle.groups
    for update, leaf_extension in ((False, None), (True, None), (False, b"new")):
        cem = Device("Cem", mls.CLASSICAL).key_package()
        commit, _ = ada.commit(adds=[cem], update=update, leaf_extension=leaf_extension)
        info = bo.process(commit).commit
        assert info is not None
        assert (info.path is not None) == (update or leaf_extension is not None)
        bo.discard_staged()
        ada.clear_pending()


def test_roles_are_among_the_required_capabilities() -> None:
    """Without that, OpenMLS refuses to change a custom extension, and a member could come who cannot read it."""
    circle = Circle(mls.CLASSICAL, "Ada", "Bo")
    ada, bo = circle.groups
    assert ada.required_ok
    commit, _ = ada.commit(roles=b"changed")
    info = bo.process(commit).commit
    assert info is not None
    assert info.required_ok


def test_capabilities_are_ours_and_not_the_favourites_of_openmls() -> None:
    """versions, suites, extensions (reach, roles, last resort), no optional proposals, basic credentials: RFC 9420, 7.2."""
    capabilities = bytes.fromhex("02 0001  04 004e 0003  06 f000 f001 000a  00  02 0001")
    for suite in (mls.HYBRID, mls.CLASSICAL):
        ada = Device("Ada", suite)
        assert capabilities in ada.key_package()
        assert capabilities in ada.found().tree()


def test_leaves_have_no_beginning_and_no_end() -> None:
    """OpenMLS asks the clock about every Add: members would disagree about a commit. Source 1, from 0 to the last second."""
    lifetime = bytes.fromhex("01 0000000000000000 ffffffffffffffff")
    ada = Device("Ada", mls.HYBRID)
    assert lifetime in ada.key_package()
    assert lifetime in ada.found().tree()


def test_the_hybrid_suite_is_used_although_the_provider_does_not_list_it() -> None:
    """Its number is provisional: a release that changes it breaks this test and not people's groups."""
    package = Device("Ada", mls.HYBRID).key_package()
    assert package[:6] == bytes.fromhex("0001 0005 0001")
    assert package[6:8] == bytes.fromhex("004e")


def test_a_copied_home_is_caught_by_whoever_reads_both_copies() -> None:
    """Two copies use the same message keys. MLS alone shows it to others only, and late: sending waits for the disk."""
    circle = Circle(mls.HYBRID, "Ada", "Bo")
    ada, bo = circle.devices[0], circle.groups[1]
    ada.save()
    group_id = bo.group_id
    first = circle.groups[0].encrypt(b"from the home")
    ada.restart()
    second = ada.load(group_id).encrypt(b"from the copy")
    assert bo.process(first).plaintext == b"from the home"
    with pytest.raises(mls.Replayed):
        bo.process(second)


def test_errors_have_types() -> None:
    """OpenMLS nests enums five deep; here each kind is an exception, matched on the enums."""
    circle = Circle(mls.HYBRID, "Ada", "Bo")
    ada, bo = circle.groups
    post = ada.encrypt(b"once")
    bo.process(post)
    with pytest.raises(mls.Replayed):
        bo.process(post)
    tampered = bytearray(ada.encrypt(b"genuine"))
    tampered[-1] ^= 1
    with pytest.raises(mls.Invalid):
        bo.process(bytes(tampered))
    tampered[-1] ^= 1
    assert bo.process(bytes(tampered)).plaintext == b"genuine"
    commit, _ = ada.commit(update=True)
    circle.spread(0, commit)
    for other_epoch in (commit, post):
        with pytest.raises(mls.WrongEpoch):
            bo.process(other_epoch)
    commit, _ = ada.commit(update=True)
    ada.merge_pending()
    with pytest.raises(mls.WrongEpoch):
        bo.process(ada.encrypt(b"from the future"))
    with pytest.raises(mls.Invalid):
        bo.process(Circle(mls.HYBRID, "Eve").groups[0].encrypt(b"of another group"))
    assert bo.process(commit).kind == "commit"


def test_own_messages_come_back_as_own_and_prove_nothing() -> None:
    """Decided from sender data that any member can write: own entries are known by their id, not by this."""
    circle = Circle(mls.HYBRID, "Ada", "Bo")
    ada = circle.groups[0]
    post = ada.encrypt(b"to the others")
    commit, _ = ada.commit(update=True)
    for own in (post, commit):
        processed = ada.process(own)
        assert (processed.kind, processed.sender, processed.plaintext, processed.commit) == (
            "own",
            0,
            None,
            None,
        )
    assert ada.has_pending_commit
    circle.spread(0, commit)
    with pytest.raises(mls.WrongEpoch):
        ada.process(commit)
    assert circle.agrees()


def test_nothing_is_encrypted_while_a_commit_is_pending() -> None:
    """OpenMLS 0.9.2 would encrypt, for an epoch that is about to end: the crate refuses."""
    circle = Circle(mls.HYBRID, "Ada", "Bo")
    ada, bo = circle.groups
    post = bo.encrypt(b"others go on")
    ada.commit(update=True)
    with pytest.raises(mls.PendingCommit):
        ada.encrypt(b"in which epoch?")
    assert ada.process(post).plaintext == b"others go on"
    ada.clear_pending()
    assert bo.process(ada.encrypt(b"in the old one")).plaintext


def test_the_next_exporter_is_known_before_the_commit_is_sent() -> None:
    """The tokens of a log come from it, and change in the same operation as the epoch."""
    circle = Circle(mls.HYBRID, "Ada", "Bo")
    ada, bo = circle.groups
    commit, _ = ada.commit(update=True)
    coming = ada.pending_export("read", b"log", 32)
    bo.process(commit)
    assert bo.staged_export("read", b"log", 32) == coming
    assert ada.export("read", b"log", 32) == bo.export("read", b"log", 32) != coming
    bo.merge_staged()
    ada.merge_pending()
    assert ada.export("read", b"log", 32) == bo.export("read", b"log", 32) == coming


def test_a_removal_and_new_roles_fit_in_one_commit() -> None:
    circle = Circle(mls.HYBRID, "Ada", "Bo", "Cem")
    commit, _ = circle.groups[0].commit(removes=[1], roles=b"without Bo")
    circle.spread(0, commit)
    assert circle.agrees()
    assert circle.groups[2].roles() == b"without Bo"
    assert circle.groups[2].required_ok


def test_a_lost_device_is_removed_and_added_in_one_commit_with_its_signature_key() -> None:
    circle = Circle(mls.HYBRID, "Ada", "Bo", "Cem")
    ada, _, cem = circle.groups
    bo = circle.devices[1]
    commit, welcome = ada.commit(adds=[bo.key_package()], removes=[1])
    assert welcome is not None
    cem.process(commit)
    cem.merge_staged()
    ada.merge_pending()
    bo.engine.delete_group(ada.group_id)
    again = bo.engine.join(welcome, ada.tree())
    assert again.members()[again.own_index].signature_key == bo.signature_key
    assert again.epoch_authenticator() == ada.epoch_authenticator() == cem.epoch_authenticator()


def test_a_device_that_still_has_the_group_cannot_join_it_again() -> None:
    """An old Welcome would rewind a group. OpenMLS sees the rows that were fed, and no others."""
    circle = Circle(mls.HYBRID, "Ada")
    ada, bo = circle.groups[0], Device("Bo", mls.HYBRID)
    _, welcome = ada.commit(adds=[bo.key_package(last_resort=True)])
    assert welcome is not None
    ada.merge_pending()
    bo.engine.join(welcome, ada.tree())
    bo.save()
    with pytest.raises(mls.MlsError, match="exists"):
        bo.engine.join(welcome, ada.tree())


def test_a_last_resort_package_stays_and_is_taken_once_by_each_group() -> None:
    bo = Device("Bo", mls.HYBRID)
    package = bo.key_package(last_resort=True)
    for name in ("Ada", "Cem"):
        group = Circle(mls.HYBRID, name).groups[0]
        _, welcome = group.commit(adds=[package])
        assert welcome is not None
        group.merge_pending()
        assert bo.engine.join(welcome, group.tree()).epoch == 1
        with pytest.raises(mls.Invalid):
            group.commit(adds=[package])


def test_only_private_messages_reach_openmls() -> None:
    """It checks the wire format of no external message: anybody outside could propose something."""
    circle = Circle(mls.CLASSICAL, "Ada", "Bo")
    ada, bo = circle.groups
    ada.commit(adds=[Device("Cem", mls.CLASSICAL).key_package()])
    _, welcome = Circle(mls.CLASSICAL, "Eve").groups[0].commit(adds=[circle.devices[0].key_package()])
    assert welcome is not None
    group_id, epoch = bo.group_id, bo.epoch.to_bytes(8, "big")
    remove_0_by_external_sender_0 = (
        bytes.fromhex("0001 0001 20")
        + group_id
        + epoch
        + bytes.fromhex("02 00000000  00  02  0003 00000000  4040")
    ) + bytes(64)
    for other in (remove_0_by_external_sender_0, welcome, circle.devices[0].key_package()):
        with pytest.raises(mls.Invalid, match="not a private message"):
            bo.process(other)
    for nonsense in (b"", b"\0", bytes(100), b"\0\1\0\2"):
        with pytest.raises(mls.Invalid):
            bo.process(nonsense)


def test_posts_may_overtake_each_other_and_many_may_be_missing() -> None:
    """OpenMLS tolerates 5 back and 1,000 forward unless told otherwise."""
    circle = Circle(mls.CLASSICAL, "Ada", "Bo")
    ada, bo = circle.groups
    posts = [ada.encrypt(b"%d" % number) for number in range(1600)]
    assert bo.process(posts[0]).plaintext == b"0"
    assert bo.process(posts[1599]).plaintext == b"1599"
    assert bo.process(posts[1599 - 63]).plaintext == b"1536"
    with pytest.raises(mls.Replayed):
        bo.process(posts[1599 - 64])


def test_devices_work_side_by_side_in_threads() -> None:
    """The interpreter lock is released in every call; one engine with its groups belongs to one thread."""

    def talk(number: int) -> bool:
        circle = Circle(mls.HYBRID, f"Ada {number}", f"Bo {number}")
        ada, bo = circle.groups
        for _ in range(20):
            assert bo.process(ada.encrypt(b"hello")).plaintext == b"hello"
            circle.spread(1, bo.commit(update=True)[0])
        return circle.agrees()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(talk, range(8)))

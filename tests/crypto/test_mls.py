"""Every call of the MLS module, on real groups, in both suites."""

import os

import pytest

from support.mls import ROLES, Circle, Device
from whimbrel.crypto import mls

both_suites = pytest.mark.parametrize("suite", [mls.HYBRID, mls.CLASSICAL], ids=["hybrid", "classical"])
pytestmark = both_suites


def test_the_suites_have_the_numbers_of_the_standards(suite: int) -> None:
    assert (mls.HYBRID, mls.CLASSICAL) == (0x004E, 0x0003)
    assert suite in mls.SUITE_NAMES


def test_a_signature_key_is_a_seed_and_a_public_key(suite: int) -> None:
    private, public = mls.Engine.new_signature_key()
    assert (len(private), len(public)) == (32, 32)
    with pytest.raises(mls.Invalid):
        mls.Engine(private, mls.Engine.new_signature_key()[1])
    with pytest.raises(mls.Invalid):
        mls.Engine(private[:31], public)


def test_a_key_package_tells_whose_it_is(suite: int) -> None:
    ada = Device("Ada", suite)
    package, ref = ada.engine.key_package(suite, ada.credential, ada.leaf_extension, last_resort=False)
    info = mls.inspect_key_package(package)
    assert (info.suite, info.signature_key, info.credential) == (suite, ada.signature_key, ada.credential)
    assert (info.leaf_extension, info.last_resort, info.ref) == (ada.leaf_extension, False, ref)
    assert len(ref) == {mls.HYBRID: 48, mls.CLASSICAL: 32}[suite]
    assert mls.inspect_key_package(ada.key_package(last_resort=True)).last_resort


def test_a_changed_key_package_is_invalid(suite: int) -> None:
    package = Device("Ada", suite).key_package()
    for changed in (package[:-1], package + b"\0", package[:-1] + bytes([package[-1] ^ 1]), b"", b"\0\1\0\5"):
        with pytest.raises(mls.Invalid):
            mls.inspect_key_package(changed)


def test_a_founder_is_alone_in_epoch_0(suite: int) -> None:
    ada = Device("Ada", suite)
    group_id = os.urandom(32)
    group = ada.engine.create_group(group_id, suite, ada.credential, ada.leaf_extension, ROLES)
    assert (group.group_id, group.suite, group.epoch, group.own_index) == (group_id, suite, 0, 0)
    assert group.is_active
    assert not group.has_pending_commit
    assert group.required_ok
    assert group.roles() == ROLES
    (member,) = group.members()
    assert (member.index, member.signature_key) == (0, ada.signature_key)
    assert (member.credential, member.leaf_extension) == (ada.credential, ada.leaf_extension)


def test_a_group_cannot_be_founded_twice(suite: int) -> None:
    ada = Device("Ada", suite)
    group = ada.found()
    with pytest.raises(mls.MlsError):
        ada.engine.create_group(group.group_id, suite, ada.credential, ada.leaf_extension, ROLES)


def test_who_is_added_joins_by_the_welcome_and_the_tree(suite: int) -> None:
    ada, bo = Device("Ada", suite), Device("Bo", suite)
    ours = ada.found()
    package, ref = bo.engine.key_package(suite, bo.credential, bo.leaf_extension)
    commit, welcome = ours.commit(adds=[package])
    assert welcome is not None
    assert mls.welcome_refs(welcome) == [ref]
    assert ours.has_pending_commit
    assert ours.epoch == 0
    ours.merge_pending()
    theirs = bo.engine.join(welcome, ours.tree())
    assert (theirs.group_id, theirs.epoch, theirs.own_index) == (ours.group_id, 1, 1)
    assert theirs.members() == ours.members()
    assert theirs.roles() == ROLES
    assert theirs.required_ok
    assert theirs.epoch_authenticator() == ours.epoch_authenticator()
    assert commit


def test_posts_go_both_ways(suite: int) -> None:
    circle = Circle(suite, "Ada", "Bo")
    ada, bo = circle.groups
    for sender, receiver, name in ((ada, bo, "Ada"), (bo, ada, "Bo")):
        post = receiver.process(sender.encrypt(f"from {name}".encode()))
        assert (post.kind, post.sender, post.commit) == ("application", sender.own_index, None)
        assert (post.sender_credential, post.plaintext) == (
            f"credential of {name}".encode(),
            f"from {name}".encode(),
        )


def test_a_welcome_for_others_is_no_key_package_of_ours(suite: int) -> None:
    circle = Circle(suite, "Ada")
    founder = circle.groups[0]
    _, welcome = founder.commit(adds=[Device("Bo", suite).key_package()])
    assert welcome is not None
    founder.merge_pending()
    with pytest.raises(mls.NoKeyPackage):
        Device("Cem", suite).engine.join(welcome, founder.tree())


def test_a_deleted_key_package_cannot_be_used(suite: int) -> None:
    circle = Circle(suite, "Ada")
    founder, bo = circle.groups[0], Device("Bo", suite)
    package, ref = bo.engine.key_package(suite, bo.credential, bo.leaf_extension)
    bo.engine.delete_key_package(ref)
    bo.save()
    assert not bo.disk
    _, welcome = founder.commit(adds=[package])
    assert welcome is not None
    founder.merge_pending()
    with pytest.raises(mls.NoKeyPackage):
        bo.engine.join(welcome, founder.tree())


def test_a_welcome_with_another_tree_is_invalid(suite: int) -> None:
    circle = Circle(suite, "Ada")
    founder, bo = circle.groups[0], Device("Bo", suite)
    _, welcome = founder.commit(adds=[bo.key_package()])
    assert welcome is not None
    tree_before = founder.tree()
    bo.save()
    for tree in (tree_before, b"", b"\0", Circle(suite, "Eve").groups[0].tree()):
        with pytest.raises(mls.Invalid):
            bo.engine.join(welcome, tree)
        bo.engine.rollback()
    founder.merge_pending()
    assert bo.engine.join(welcome, founder.tree()).epoch == 1


def test_an_add_alone_has_no_path_and_an_update_has_one(suite: int) -> None:
    circle = Circle(suite, "Ada", "Bo")
    ada, bo = circle.groups
    for update in (False, True):
        device = Device("Cem", suite)
        commit, welcome = ada.commit(adds=[device.key_package()], update=update)
        assert welcome is not None
        info = bo.process(commit).commit
        assert info is not None
        assert [added.signature_key for added in info.adds] == [device.signature_key]
        assert (info.path is not None) == update
        assert info.others == []
        assert info.required_ok
        bo.merge_staged()
        ada.merge_pending()
        assert circle.agrees()


def test_an_update_changes_the_leaf_of_its_committer_alone(suite: int) -> None:
    circle = Circle(suite, "Ada", "Bo", "Cem")
    bo = circle.groups[1]
    before = circle.groups[0].members()
    commit, welcome = bo.commit(update=True)
    assert welcome is None
    processed = circle.groups[0].process(commit)
    assert (processed.kind, processed.sender, processed.plaintext) == ("commit", 1, None)
    assert processed.commit is not None
    assert processed.commit.path == before[1]
    assert (processed.commit.adds, processed.commit.removes, processed.commit.updates) == ([], [], [])
    assert processed.commit.roles is None
    circle.groups[0].discard_staged()
    circle.groups = [bo, circle.groups[2]]
    circle.spread(0, commit)
    assert circle.agrees()
    assert bo.members() == before


def test_a_new_leaf_extension_travels_with_an_update(suite: int) -> None:
    circle = Circle(suite, "Ada", "Bo")
    commit, _ = circle.groups[1].commit(leaf_extension=b"I have moved")
    info = circle.groups[0].process(commit).commit
    assert info is not None
    assert info.path is not None
    assert (info.path.index, info.path.leaf_extension) == (1, b"I have moved")
    circle.groups[0].merge_staged()
    circle.groups[1].merge_pending()
    circle.spread(1, circle.groups[1].commit(update=True)[0])
    assert circle.groups[0].members()[1].leaf_extension == b"I have moved"
    assert circle.agrees()


def test_roles_are_changed_by_a_commit_and_known_before_merging(suite: int) -> None:
    circle = Circle(suite, "Ada", "Bo")
    ada, bo = circle.groups
    commit, _ = ada.commit(roles=b"Bo may add")
    info = bo.process(commit).commit
    assert info is not None
    assert (info.roles, info.required_ok, info.others) == (b"Bo may add", True, [])
    assert info.path is not None
    assert bo.roles() == ROLES
    bo.merge_staged()
    ada.merge_pending()
    assert ada.roles() == bo.roles() == b"Bo may add"
    assert ada.required_ok
    assert circle.agrees()


def test_who_was_removed_knows_it_and_can_do_nothing_more(suite: int) -> None:
    circle = Circle(suite, "Ada", "Bo", "Cem")
    ada, bo, cem = circle.groups
    commit, _ = ada.commit(removes=[1])
    for_bo, for_cem = bo.process(commit).commit, cem.process(commit).commit
    assert for_bo is not None
    assert for_cem is not None
    assert for_bo.removes == for_cem.removes == [1]
    assert (for_bo.self_removed, for_cem.self_removed) == (True, False)
    with pytest.raises(mls.NotMember):
        bo.staged_export("label", b"", 32)
    for group in (bo, cem):
        group.merge_staged()
    ada.merge_pending()
    assert not bo.is_active
    assert [member.index for member in ada.members()] == [0, 2]
    post = ada.encrypt(b"without Bo")
    for use in (
        lambda: bo.encrypt(b""),
        lambda: bo.process(post),
        lambda: bo.commit(update=True),
        lambda: bo.export("label", b"", 32),
    ):
        with pytest.raises(mls.NotMember):
            use()
    assert cem.process(post).plaintext == b"without Bo"


def test_who_is_named_twice_is_removed_once(suite: int) -> None:
    circle = Circle(suite, "Ada", "Bo", "Cem")
    commit, _ = circle.groups[0].commit(removes=[1, 1])
    info = circle.groups[2].process(commit).commit
    assert info is not None
    assert info.removes == [1]


def test_one_commit_can_do_everything_at_once(suite: int) -> None:
    circle = Circle(suite, "Ada", "Bo", "Cem")
    ada, _, cem = circle.groups
    dana = Device("Dana", suite)
    commit, welcome = ada.commit(
        adds=[dana.key_package()], removes=[1], roles=b"new roles", update=True, leaf_extension=b"new reach"
    )
    assert welcome is not None
    info = cem.process(commit).commit
    assert info is not None
    assert ([added.credential for added in info.adds], info.removes) == ([dana.credential], [1])
    assert info.roles == b"new roles"
    assert info.path is not None
    assert info.path.leaf_extension == b"new reach"
    cem.merge_staged()
    ada.merge_pending()
    theirs = dana.engine.join(welcome, ada.tree())
    assert theirs.own_index == 1
    assert theirs.epoch_authenticator() == ada.epoch_authenticator() == cem.epoch_authenticator()


def test_an_exported_secret_depends_on_epoch_label_and_context(suite: int) -> None:
    circle = Circle(suite, "Ada", "Bo")
    ada, bo = circle.groups
    secrets = [ada.export(*how) for how in (("a", b"", 32), ("b", b"", 32), ("a", b"x", 32), ("a", b"", 48))]
    assert len(set(secrets)) == 4
    assert [len(secret) for secret in secrets] == [32, 32, 32, 48]
    assert bo.export("a", b"", 32) == secrets[0]
    circle.spread(0, ada.commit(update=True)[0])
    assert ada.export("a", b"", 32) != secrets[0]


def test_a_pending_commit_can_be_cleared_or_lose_against_another(suite: int) -> None:
    circle = Circle(suite, "Ada", "Bo")
    ada, bo = circle.groups
    ada.commit(update=True)
    ada.clear_pending()
    assert not ada.has_pending_commit
    assert bo.process(ada.encrypt(b"still the same epoch")).plaintext
    ada.commit(removes=[1])
    commit, _ = bo.commit(update=True)
    ada.process(commit)
    ada.merge_staged()
    bo.merge_pending()
    assert not ada.has_pending_commit
    assert circle.agrees()
    assert len(ada.members()) == 2


def test_calls_out_of_order_change_nothing(suite: int) -> None:
    circle = Circle(suite, "Ada", "Bo")
    ada, bo = circle.groups
    for call in (
        ada.merge_pending,
        ada.merge_staged,
        ada.discard_staged,
        lambda: ada.pending_export("label", b"", 32),
        lambda: ada.staged_export("label", b"", 32),
        lambda: ada.export("label", b"", 1 << 16),
    ):
        with pytest.raises(mls.MlsError):
            call()
    ada.clear_pending()
    commit, _ = bo.commit(update=True)
    ada.process(commit)
    with pytest.raises(mls.MlsError):
        ada.process(commit)
    ada.merge_staged()
    bo.merge_pending()
    assert circle.agrees()


def test_a_commit_against_the_rules_of_mls_is_refused_and_leaves_nothing_pending(suite: int) -> None:
    circle = Circle(suite, "Ada", "Bo")
    ada, bo = circle.groups
    other_suite = mls.CLASSICAL if suite == mls.HYBRID else mls.HYBRID
    bo_again = circle.devices[1].key_package()
    for against in (
        lambda: ada.commit(removes=[0]),
        lambda: ada.commit(removes=[7]),
        lambda: ada.commit(adds=[bo_again]),
        lambda: ada.commit(adds=[b"no key package"]),
        lambda: ada.commit(adds=[Device("Eve", other_suite).key_package()]),
    ):
        with pytest.raises(mls.Invalid):
            against()
        assert not ada.has_pending_commit
    assert bo.process(ada.encrypt(b"all is well")).plaintext == b"all is well"


def test_a_suite_that_is_not_ours_is_invalid(suite: int) -> None:
    ada = Device("Ada", suite)
    for number in (0, 1, 0x004D, 0x004F, 0xFFFF):
        with pytest.raises(mls.Invalid):
            ada.engine.key_package(number, ada.credential, ada.leaf_extension)


def test_posts_are_not_padded_and_commits_are(suite: int) -> None:
    circle = Circle(suite, "Ada", "Bo", "Cem")
    ada = circle.groups[0]
    lengths = [len(ada.encrypt(bytes(length))) for length in (100, 101, 102, 256)]
    assert lengths[1] - lengths[0] == lengths[2] - lengths[1] == 1
    sizes = set()
    for roles in (b"", b"x" * 10, b"x" * 20):
        commit, _ = ada.commit(roles=roles)
        ada.clear_pending()
        sizes.add(len(commit) % 256)
    assert len(sizes) == 1
    assert len(ada.encrypt(bytes(256))) == lengths[3]

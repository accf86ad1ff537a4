"""What is kept of MLS: rows that survive a restart, a rollback that undoes everything, damage that is noticed."""

import os

import pytest

from support.mls import Circle, Device
from whimbrel.crypto import mls

both_suites = pytest.mark.parametrize("suite", [mls.HYBRID, mls.CLASSICAL], ids=["hybrid", "classical"])


@both_suites
def test_a_group_goes_on_after_a_restart(suite: int) -> None:
    circle = Circle(suite, "Ada", "Bo")
    for device, group in zip(circle.devices, circle.groups, strict=True):
        device.save()
        device.restart()
        assert not device.engine.has_changes()
        again = device.load(group.group_id)
        assert (again.epoch, again.own_index, again.suite) == (group.epoch, group.own_index, suite)
        assert again.members() == group.members()
        assert again.epoch_authenticator() == group.epoch_authenticator()
        assert again.tree() == group.tree()
    ada, bo = (device.load(circle.groups[0].group_id) for device in circle.devices)
    assert bo.process(ada.encrypt(b"back again")).plaintext == b"back again"
    commit, _ = bo.commit(update=True)
    ada.process(commit)
    ada.merge_staged()
    bo.merge_pending()
    assert ada.epoch_authenticator() == bo.epoch_authenticator()


@both_suites
def test_a_pending_commit_survives_a_restart(suite: int) -> None:
    circle = Circle(suite, "Ada", "Bo")
    device = circle.devices[0]
    commit, _ = circle.groups[0].commit(roles=b"after the restart")
    expected = circle.groups[0].pending_export("label", b"", 32)
    device.save()
    device.restart()
    circle.groups[0] = device.load(circle.groups[0].group_id)
    assert circle.groups[0].has_pending_commit
    assert circle.groups[0].pending_export("label", b"", 32) == expected
    circle.spread(0, commit)
    assert circle.agrees()
    assert circle.groups[0].export("label", b"", 32) == expected


@both_suites
def test_a_key_package_survives_a_restart(suite: int) -> None:
    founder, bo = Circle(suite, "Ada").groups[0], Device("Bo", suite)
    _, welcome = founder.commit(adds=[bo.key_package()])
    assert welcome is not None
    founder.merge_pending()
    bo.save()
    assert {scope for scope, _ in bo.disk} == {b""}
    bo.restart()
    group = bo.engine.join(welcome, founder.tree())
    bo.save()
    assert {scope for scope, _ in bo.disk} == {group.group_id}


@both_suites
def test_a_rollback_undoes_everything_since_the_last_take(suite: int) -> None:
    circle = Circle(suite, "Ada", "Bo")
    (ada, _), (group, peer) = circle.devices, circle.groups
    ada.save()
    epoch = group.epoch
    post = peer.encrypt(b"read it twice")
    commit, _ = peer.commit(update=True)
    assert group.process(post).plaintext
    group.process(commit)
    group.merge_staged()
    ada.key_package()
    assert ada.engine.has_changes()
    ada.engine.rollback()
    assert not ada.engine.has_changes()
    with pytest.raises(mls.OutOfDate):
        group.encrypt(b"with a key of the lost future")
    again = ada.load(peer.group_id)
    assert again.epoch == epoch
    assert again.process(post).plaintext == b"read it twice"
    assert again.process(commit).kind == "commit"
    again.merge_staged()
    peer.merge_pending()
    assert again.epoch_authenticator() == peer.epoch_authenticator()


def test_a_group_founded_and_rolled_back_never_was() -> None:
    ada = Device("Ada", mls.CLASSICAL)
    group = ada.found()
    group_id = group.group_id
    ada.engine.rollback()
    with pytest.raises(mls.OutOfDate):
        group.members()
    assert ada.engine.load_group(group_id) is None
    assert ada.engine.take_changes() == []


def test_a_rollback_leaves_alone_what_was_saved_before() -> None:
    ada = Device("Ada", mls.CLASSICAL)
    first, second = ada.found(), ada.found()
    ada.save()
    second.encrypt(b"not saved")
    ada.engine.rollback()
    assert first.epoch == 0
    with pytest.raises(mls.OutOfDate):
        second.encrypt(b"the same key again")


def test_a_group_that_is_loaded_twice_is_one_group() -> None:
    circle = Circle(mls.CLASSICAL, "Ada", "Bo")
    group, peer = circle.groups
    same = circle.devices[0].load(group.group_id)
    for sender in (group, same, group):
        assert peer.process(sender.encrypt(b"no key is used twice")).plaintext


def test_a_take_empties_the_batch_and_each_row_is_in_it_once() -> None:
    ada = Device("Ada", mls.CLASSICAL)
    group = ada.found()
    changes = ada.engine.take_changes()
    assert len({(scope, key) for scope, key, _ in changes}) == len(changes)
    assert ada.engine.take_changes() == []
    group.encrypt(b"")
    (change,) = ada.engine.take_changes()
    assert change[0] == group.group_id


def test_every_row_begins_with_the_format_version() -> None:
    circle = Circle(mls.HYBRID, "Ada", "Bo")
    circle.groups[0].commit(update=True)
    ada = circle.devices[0]
    ada.key_package(last_resort=True)
    ada.save()
    assert {value[0] for value in ada.disk.values()} == {1}


def test_a_row_of_a_newer_format_is_refused() -> None:
    ada = Device("Ada", mls.CLASSICAL)
    ada.found()
    ada.save()
    rows = [(scope, key, b"\2" + value[1:]) for (scope, key), value in ada.disk.items()]
    with pytest.raises(mls.StorageDamaged, match="format 2"):
        mls.Engine(*ada.keys).feed(rows)
    with pytest.raises(mls.StorageDamaged, match="empty"):
        mls.Engine(*ada.keys).feed([(b"", b"tree", b"")])


def test_a_damaged_row_is_noticed_and_its_id_is_not_told() -> None:
    ada = Device("Ada", mls.CLASSICAL)
    group_id = ada.found().group_id
    ada.save()
    for (scope, key), value in list(ada.disk.items()):
        if key.startswith(b"epoch keys"):
            continue
        engine = mls.Engine(*ada.keys)
        engine.feed([(s, k, v) for (s, k), v in ada.disk.items()])
        engine.feed([(scope, key, value[: len(value) // 2])])
        with pytest.raises(mls.StorageDamaged, match=key.decode()) as caught:
            engine.load_group(group_id)
        assert group_id.hex() not in str(caught.value)


def test_a_group_whose_rows_were_not_fed_is_not_there() -> None:
    ada = Device("Ada", mls.CLASSICAL)
    assert ada.engine.load_group(os.urandom(32)) is None
    group_id = ada.found().group_id
    ada.save()
    ada.engine.forget(group_id)
    assert ada.engine.load_group(group_id) is None
    ada.restart()
    assert ada.load(group_id).epoch == 0


def test_a_scope_with_changes_is_not_forgotten() -> None:
    ada = Device("Ada", mls.CLASSICAL)
    group = ada.found()
    with pytest.raises(mls.MlsError):
        ada.engine.forget(group.group_id)


def test_a_deleted_group_leaves_no_row() -> None:
    circle = Circle(mls.CLASSICAL, "Ada", "Bo")
    (ada, _), (group, peer) = circle.devices, circle.groups
    ada.save()
    group_id = group.group_id
    circle.spread(0, group.commit(update=True)[0])
    ada.engine.delete_group(group_id)
    with pytest.raises(mls.OutOfDate):
        group.encrypt(b"from the grave")
    assert ada.engine.load_group(group_id) is None
    ada.save()
    assert not ada.disk
    assert peer.is_active


def test_a_deleted_group_is_back_after_a_rollback() -> None:
    ada = Device("Ada", mls.CLASSICAL)
    group_id = ada.found().group_id
    ada.save()
    ada.engine.delete_group(group_id)
    ada.engine.rollback()
    assert ada.load(group_id).epoch == 0


def test_nothing_of_a_past_epoch_stays_on_disk() -> None:
    circle = Circle(mls.HYBRID, "Ada", "Bo")
    ada = circle.devices[0]
    ada.save()
    rows = len(ada.disk)
    for committer in (0, 1, 0, 1):
        circle.spread(committer, circle.groups[committer].commit(update=True)[0])
        ada.save()
        assert len(ada.disk) == rows

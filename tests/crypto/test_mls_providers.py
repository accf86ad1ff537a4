"""libcrux, which people use, against RustCrypto: members of one group, each over one of the two.

Both are asked the same by the same code of ours and of OpenMLS, so what differs here is cryptography alone. A mistake
that both share would not show; that is what the vectors are for.
"""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import mls_proofs
from support.mls import Circle, Device
from whimbrel.crypto import _mls, mls

proofs = mls_proofs.load()

ENGINES: dict[str, type[mls.Engine]] = {"libcrux": mls.Engine, "rustcrypto": proofs.Engine}
both_suites = pytest.mark.parametrize("suite", [mls.HYBRID, mls.CLASSICAL], ids=["hybrid", "classical"])
both_ways = pytest.mark.parametrize(
    ("founder", "joiner"), [("libcrux", "rustcrypto"), ("rustcrypto", "libcrux")]
)


def circle_of(suite: int, **members: str) -> Circle:
    return Circle(suite, *members, engines=[ENGINES[provider] for provider in members.values()])


def assert_one_group(circle: Circle) -> None:
    """The same epoch, tree and secrets for all members, and whatever one writes all others read."""
    groups = [group for group in circle.groups if group.is_active]
    assert circle.agrees()
    assert len({group.tree() for group in groups}) == 1
    for label, context, length in (("read", b"", 32), ("write", os.urandom(40), 48)):
        assert len({group.export(label, context, length) for group in groups}) == 1
    for sender in groups:
        post = sender.encrypt(b"from %d" % sender.own_index)
        for receiver in groups:
            if receiver is not sender:
                processed = receiver.process(post)
                assert (processed.sender, processed.plaintext) == (
                    sender.own_index,
                    b"from %d" % sender.own_index,
                )


@both_suites
@both_ways
def test_a_group_of_both_providers_adds_updates_and_removes(suite: int, founder: str, joiner: str) -> None:
    circle = circle_of(suite, Ada=founder, Bo=joiner, Cem=founder, Dana=joiner)
    assert_one_group(circle)
    for committer in (1, 0, 3, 2, 1):
        commit, _ = circle.groups[committer].commit(update=True)
        circle.spread(committer, commit)
        assert_one_group(circle)
    newcomer = Device("Eve", suite, ENGINES[joiner])
    circle.add(newcomer)
    assert_one_group(circle)
    commit, _ = circle.groups[1].commit(removes=[2], roles=b"without Cem")
    circle.spread(1, commit)
    assert not circle.groups[2].is_active
    del circle.groups[2]
    assert circle.groups[0].roles() == circle.groups[-1].roles() == b"without Cem"
    assert_one_group(circle)
    commit, _ = circle.groups[-1].commit(removes=[0], update=True)
    circle.spread(len(circle.groups) - 1, commit)
    assert_one_group(circle)


@both_suites
@both_ways
def test_the_next_epoch_is_the_same_for_both_before_it_is_merged(
    suite: int, founder: str, joiner: str
) -> None:
    circle = circle_of(suite, Ada=founder, Bo=joiner)
    ada, bo = circle.groups
    for ours, theirs in ((ada, bo), (bo, ada)):
        commit, _ = ours.commit(update=True)
        theirs.process(commit)
        assert ours.pending_export("read", b"log", 32) == theirs.staged_export("read", b"log", 32)
        theirs.merge_staged()
        ours.merge_pending()


@both_suites
@both_ways
def test_a_device_goes_on_under_the_other_provider_with_the_same_rows(
    suite: int, founder: str, joiner: str
) -> None:
    circle = circle_of(suite, Ada=founder, Bo=founder)
    bo = circle.devices[1]
    group_id = circle.groups[1].group_id
    bo.save()
    bo.made_by = ENGINES[joiner]
    bo.restart()
    circle.groups[1] = bo.load(group_id)
    for committer in (0, 1):
        circle.spread(committer, circle.groups[committer].commit(update=True)[0])
        assert_one_group(circle)


@both_suites
@both_ways
def test_a_key_package_of_one_provider_says_the_same_to_the_other(
    suite: int, founder: str, joiner: str
) -> None:
    package = Device("Ada", suite, ENGINES[founder]).key_package()
    ours, theirs = mls.inspect_key_package(package), proofs.inspect_key_package(package)
    for name in ("suite", "signature_key", "credential", "leaf_extension", "last_resort", "ref"):
        assert getattr(ours, name) == getattr(theirs, name)


# ------------------------------------------------------------------ who seals wrongly, and for some members alone


@pytest.fixture
def unspoiled() -> Iterator[None]:
    yield
    proofs.spoil([])


@both_suites
@pytest.mark.parametrize("swapped", [False, True], ids=["does not open", "another secret"])
@pytest.mark.usefixtures("unspoiled")
def test_a_commit_can_be_valid_for_half_of_the_members_and_the_others_stay_where_they_were(
    suite: int, swapped: bool
) -> None:
    """RFC 9420 cannot prevent it: nobody sees what was sealed to others. What a chat makes of it is its own affair."""
    ada = Device("Ada", suite, proofs.Engine)
    bo, cem = Device("Bo", suite), Device("Cem", suite)
    packages = [bo.key_package(), cem.key_package()]
    group = ada.found()
    _, welcome = group.commit(adds=packages)
    assert welcome is not None
    group.merge_pending()
    for_bo, for_cem = (device.engine.join(welcome, group.tree()) for device in (bo, cem))
    bo.save()
    proofs.spoil([packages[0]], swapped)
    commit, _ = group.commit(update=True)
    late = for_cem.encrypt(b"in the old epoch")
    assert for_cem.process(commit).kind == "commit"
    for_cem.merge_staged()
    group.merge_pending()
    assert for_cem.epoch_authenticator() == group.epoch_authenticator()
    with pytest.raises(mls.Invalid):
        for_bo.process(commit)
    bo.engine.rollback()
    for_bo = bo.load(group.group_id)
    assert for_bo.epoch == group.epoch - 1
    assert for_bo.process(late).plaintext == b"in the old epoch"


# ------------------------------------------------------------------------------------- what people do not get


def test_the_module_that_people_get_has_what_its_types_say_and_nothing_for_tests() -> None:
    """Its types are a list by hand, of what is meant for everybody."""
    types = ast.parse(Path(mls.__file__).with_name("_mls.pyi").read_text(encoding="utf-8"))
    declared = {node.name for node in types.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    declared |= {
        node.target.id
        for node in types.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }
    public = {name for name in vars(_mls) if not name.startswith("__")}
    assert public == declared
    for_tests = {name for name in vars(proofs) if not name.startswith("__")} - public
    assert for_tests == {"PassiveClient", "spoil", "names_of_strangers", "play_stranger"}
    product, tests = Path(_mls.__file__).read_bytes(), mls_proofs.PLACE.read_bytes()
    for name in for_tests:
        assert (product.find(name.encode()) >= 0, tests.find(name.encode()) >= 0) == (False, True)


def test_both_modules_have_the_same_classes_with_the_same_calls() -> None:
    for name in ("Engine", "Group", "KeyPackageInfo", "Member", "CommitInfo", "Processed"):
        assert set(vars(getattr(_mls, name))) == set(vars(getattr(proofs, name)))

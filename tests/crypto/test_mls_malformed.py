"""Whatever arrives: an `MlsError` or an answer, never a panic, and the group goes on."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.mls import Circle, Device
from whimbrel.crypto import mls

Damage = tuple[int, bytes, int]
#: Where, what is put there, and how many bytes it replaces.
damages = st.tuples(st.integers(0, 4000), st.binary(max_size=8), st.integers(0, 8))


def damaged(data: bytes, damage: Damage) -> bytes:
    place, new, replaced = damage
    place %= len(data)
    return data[:place] + new + data[place + replaced :]


@given(damages)
def test_a_damaged_key_package_is_invalid(damage: Damage) -> None:
    package = damaged(PACKAGE, damage)
    if package != PACKAGE:
        with pytest.raises(mls.Invalid):
            mls.inspect_key_package(package)


@given(damages)
def test_a_damaged_message_is_refused_and_the_genuine_one_still_read(damage: Damage) -> None:
    ada, bo = CIRCLE.groups
    for message in (ada.encrypt(b"genuine"), COMMIT):
        changed = damaged(message, damage)
        if changed != message:
            with pytest.raises((mls.Invalid, mls.WrongEpoch, mls.Replayed)):
                bo.process(changed)
    assert bo.process(ada.encrypt(b"genuine")).plaintext == b"genuine"


@given(damages, st.booleans())
def test_a_damaged_welcome_or_tree_is_refused_and_the_genuine_one_still_joins(
    damage: Damage, in_tree: bool
) -> None:
    welcome, tree = (WELCOME, damaged(TREE, damage)) if in_tree else (damaged(WELCOME, damage), TREE)
    if (welcome, tree) != (WELCOME, TREE):
        with pytest.raises(mls.MlsError):
            CEM.engine.join(welcome, tree)
    CEM.engine.rollback()
    assert CEM.engine.join(WELCOME, TREE).is_active
    CEM.engine.rollback()


@given(st.binary(max_size=200))
def test_noise_is_invalid(noise: bytes) -> None:
    with pytest.raises(mls.Invalid):
        mls.inspect_key_package(noise)
    with pytest.raises(mls.Invalid):
        mls.welcome_refs(noise)
    with pytest.raises(mls.Invalid):
        CIRCLE.groups[1].process(noise)
    with pytest.raises(mls.Invalid):
        CEM.engine.join(noise, noise)


@given(damages, st.integers(0, 100))
def test_a_damaged_row_is_noticed_or_read(damage: Damage, which: int) -> None:
    scope, key, value = ROWS[which % len(ROWS)]
    engine = mls.Engine(*KEEPER.keys)
    try:
        engine.feed([*ROWS, (scope, key, damaged(value, damage))])
        engine.load_group(scope)
    except mls.StorageDamaged:
        pass


PACKAGE = Device("Ada", mls.HYBRID).key_package()
CIRCLE = Circle(mls.HYBRID, "Ada", "Bo")
CEM = Device("Cem", mls.HYBRID)
CEM_PACKAGE = CEM.key_package()
CEM.save()
KEEPER = Device("Keeper", mls.HYBRID)
KEEPER.engine.create_group(os.urandom(32), mls.HYBRID, b"credential", b"reach", b"roles")
KEEPER.save()
ROWS = [(scope, key, value) for (scope, key), value in KEEPER.disk.items()]

_founder = Circle(mls.HYBRID, "Dana", "Eli").groups[0]
_, _welcome = _founder.commit(adds=[CEM_PACKAGE], update=True)
assert _welcome is not None
WELCOME = _welcome
_founder.merge_pending()
TREE = _founder.tree()

COMMIT, _ = CIRCLE.groups[0].commit(update=True)
CIRCLE.groups[0].clear_pending()

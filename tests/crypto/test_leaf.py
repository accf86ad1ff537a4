"""Leaf extension and roles."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.mangling import hostile
from support.people import ADA, BO, DAY, secret
from whimbrel.crypto.errors import CryptoError, Malformed, Newer
from whimbrel.crypto.leaf import (
    ADMINS,
    EVERYBODY,
    PICTURE_MAX,
    TIMER_LEAST,
    TIMER_MOST,
    LeafExtension,
    Picture,
    Reach,
    Roles,
    decode_leaf,
    decode_roles,
    encode_leaf,
    encode_roles,
)
from whimbrel.wire.cbor import decode, encode

keys = st.binary(min_size=32, max_size=32)
routes = st.lists(st.text(min_size=1, max_size=100), max_size=8).map(tuple)
reaches = st.builds(Reach, keys, routes, keys, keys, keys, keys)
leaves = st.builds(LeafExtension, keys, st.lists(reaches, max_size=4).map(tuple), st.integers(0, 2**63 - 1))
rights = st.sampled_from((ADMINS, EVERYBODY))
names = st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), max_size=64)
timers = st.just(0) | st.integers(TIMER_LEAST, TIMER_MOST)
pictures = st.none() | st.builds(Picture, keys, keys, st.integers(1, PICTURE_MAX), keys, keys)
roles = st.builds(
    Roles, st.lists(keys, min_size=1, max_size=9).map(tuple), rights, rights, rights, names, timers, pictures
)

LEAF = LeafExtension(secret("log key"), (ADA.reach, BO.reach), DAY)
PICTURE = Picture(secret("relay"), secret("blob"), 20_000, secret("hash"), secret("key"))
ROLES = Roles((ADA.account.public, BO.account.public), name="Migration", timer=3600, picture=PICTURE)


@given(leaves)
def test_a_leaf_comes_back(leaf: LeafExtension) -> None:
    assert decode_leaf(encode_leaf(leaf)) == leaf


@given(roles)
def test_roles_come_back(value: Roles) -> None:
    assert decode_roles(encode_roles(value)) == value


@given(st.permutations([secret(str(n)) for n in range(5)]))
def test_the_order_in_which_admins_are_named_changes_nothing(order: list[bytes]) -> None:
    first = Roles(tuple(sorted(order)))
    assert Roles((*order, order[0])) == first
    assert encode_roles(Roles(tuple(order))) == encode_roles(first)


def test_admins_out_of_order_are_refused_so_that_all_members_hold_the_same_bytes() -> None:
    low, high = sorted((ADA.account.public, BO.account.public))
    for admins in ([high, low], [low, low]):
        with pytest.raises(Malformed):
            decode_roles(encode([1, admins, 1, 0, 0, "", 0, None]))


def test_by_default_everybody_posts_and_admins_change() -> None:
    assert (ROLES.may_post, ROLES.may_add, ROLES.may_change, ROLES.version) == (EVERYBODY, ADMINS, ADMINS, 1)


@pytest.mark.parametrize("name", ["a\nb", "\x00", "x" * 257, "é" * 129, "\u202egnp.exe", "\x7f", "\u2028"])
def test_a_group_name_that_deceives_or_is_too_long_is_refused(name: str) -> None:
    with pytest.raises(Malformed):
        decode_roles(encode([1, [ADA.account.public], 1, 0, 0, name, 0, None]))
    with pytest.raises(ValueError, match="name"):
        encode_roles(replace(ROLES, name=name))


@pytest.mark.parametrize("name", ["", "شب\u200cخیر", "👩🏽\u200d⚕️", "é" * 128, "Ünïcode & Co."])
def test_a_group_may_be_called_so(name: str) -> None:
    assert decode_roles(encode_roles(replace(ROLES, name=name))).name == name


def test_rules_of_a_later_version_are_not_guessed_at() -> None:
    with pytest.raises(Newer):
        decode_roles(encode([2, [ADA.account.public], 1, 0, 0, "", 0, None, {}]))


@pytest.mark.parametrize(
    "value",
    [
        [1, [], 1, 0, 0, "", 0, None],
        [0, [secret("a")], 1, 0, 0, "", 0, None],
        [1, [secret("a")], 2, 0, 0, "", 0, None],
        [1, [secret("a")], 1, 2, 0, "", 0, None],
        [1, [secret("a")], 1, 0, -1, "", 0, None],
        [1, [secret("a")[:31]], 1, 0, 0, "", 0, None],
        [1, [secret("a")], 1, 0, 0, ""],
        [1, [secret("a")], 1, 0, 0, "", 0],
        [1, [secret("a")], 1, 0, 0, "", 0, None, None],
        [1, [secret("a")], 1, 0, 0, b"", 0, None],
        [1, [secret("a")], 1, 0, 0, "", False, None],
        [1, [secret("a")], 1, 0, 0, "", 0, []],
        [1, [secret("a")], 1, 0, 0, "", 0, b""],
        [True, [secret("a")], 1, 0, 0, "", 0, None],
        [],
        {},
    ],
)
def test_roles_without_sense_are_refused(value: object) -> None:
    with pytest.raises(Malformed):
        decode_roles(encode(value))


@pytest.mark.parametrize("timer", [1, TIMER_LEAST - 1, TIMER_MOST + 1, 2**62, -1, "3600", None])
def test_messages_vanish_after_five_minutes_to_ninety_days_or_stay(timer: object) -> None:
    with pytest.raises(Malformed):
        decode_roles(encode([1, [ADA.account.public], 1, 0, 0, "", timer, None]))
    with pytest.raises(ValueError, match="encoded"):
        encode_roles(replace(ROLES, timer=timer))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"relay": secret("relay")[:31]},
        {"relay": "relay.example"},
        {"blob": b""},
        {"size": 0},
        {"size": PICTURE_MAX + 1},
        {"size": -1},
        {"hash": bytes(20)},
        {"key": bytes(33)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_picture_that_could_not_be_fetched_or_is_too_large_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="encoded"):
        encode_roles(replace(ROLES, picture=replace(PICTURE, **change)))  # type: ignore[arg-type]


def test_roles_are_the_array_that_the_page_says() -> None:
    admins = sorted((ADA.account.public, BO.account.public))
    picture = [PICTURE.relay, PICTURE.blob, PICTURE.size, PICTURE.hash, PICTURE.key]
    assert decode(encode_roles(ROLES)) == [1, admins, 1, 0, 0, "Migration", 3600, picture]
    assert decode(encode_roles(Roles(ROLES.admins)))[-2:] == [0, None]


def test_a_leaf_has_few_inboxes_and_few_ways() -> None:
    for leaf in (
        replace(LEAF, reach=(ADA.reach,) * 5),
        replace(LEAF, reach=(replace(ADA.reach, routes=("wss://x",) * 9),)),
        replace(LEAF, reach=(replace(ADA.reach, routes=("x" * 513,)),)),
        replace(LEAF, reach=(replace(ADA.reach, routes=("",)),)),
        replace(LEAF, log_key=b"short"),
        replace(LEAF, made_at=-1),
        replace(LEAF, reach=[ADA.reach]),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match="encoded"):
            encode_leaf(leaf)


@given(hostile(encode_leaf(LEAF)))
def test_any_bytes_are_a_leaf_with_this_encoding_or_an_error(data: bytes) -> None:
    try:
        leaf = decode_leaf(data)
    except CryptoError:
        return
    assert encode_leaf(leaf) == data


@given(hostile(encode_roles(ROLES)))
def test_any_bytes_are_roles_with_this_encoding_or_an_error(data: bytes) -> None:
    try:
        value = decode_roles(data)
    except CryptoError:
        return
    assert encode_roles(value) == data


def test_a_leaf_is_the_array_that_the_page_says() -> None:
    assert decode(encode_leaf(replace(LEAF, reach=()))) == [LEAF.log_key, [], DAY]

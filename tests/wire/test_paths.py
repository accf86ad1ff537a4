"""Secret paths: handed on without the server, found again without a list, cut with all that came of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.wire.errors import Malformed
from whimbrel.wire.paths import NAME, NAMES_MAX, PLACE, TAG, SecretPath, is_cut, names_of, parse_path

names = st.lists(st.binary(min_size=NAME, max_size=NAME), max_size=NAMES_MAX)
bridges = st.builds(
    lambda place, tag: SecretPath(place, (), tag),
    st.binary(min_size=PLACE, max_size=PLACE),
    st.binary(min_size=TAG, max_size=TAG),
)
OWN = SecretPath(bytes(PLACE), (), bytes(TAG))


def handed_down(own: SecretPath, chain: list[bytes]) -> SecretPath:
    path = own
    for name in chain:
        path = path.handed_on(name)
    return path


@given(bridges, names)
def test_the_server_finds_by_which_names_a_path_came(own: SecretPath, chain: list[bytes]) -> None:
    path = handed_down(own, chain)
    assert names_of(path.text.encode(), own) == tuple(chain)
    assert parse_path(path.text) == path
    assert len(path.text) == 25 + 8 * len(chain)


@given(bridges, bridges, names, names)
def test_paths_of_another_server_lead_nowhere(
    own: SecretPath, other: SecretPath, chain: list[bytes], others: list[bytes]
) -> None:
    if own != other:
        assert names_of(handed_down(own, chain).text.encode(), other) is None
    if chain != others:
        assert handed_down(own, chain).tag != handed_down(own, others).tag


@given(bridges, names, st.data())
def test_no_other_path_is_made_by_changing_one(
    own: SecretPath, chain: list[bytes], data: st.DataObject
) -> None:
    text = bytearray(handed_down(own, chain).text.encode())
    at = data.draw(st.integers(1, len(text) - 1))
    text[at] = data.draw(st.sampled_from([c for c in b"abcdefghijklmnopqrstuvwxyz234567" if c != text[at]]))
    assert names_of(bytes(text), own) is None


@given(bridges, names)
def test_who_was_handed_a_path_cannot_leave_the_names_out(own: SecretPath, chain: list[bytes]) -> None:
    path = handed_down(own, chain)
    for less in range(len(chain)):
        assert names_of(SecretPath(own.place, tuple(chain[:less]), path.tag).text.encode(), own) is None


@pytest.mark.parametrize(
    "target",
    [
        b"",
        b"/",
        b"/index.html",
        b"/" + b"a" * 16,
        b"/" + b"a" * 23,
        b"/" + b"a" * 25,
        b"/" + b"a" * 28,
        b"/" + b"a" * 64,
        b"/" + b"A" * 24,
        b"/" + b"a" * 23 + b"1",
        b"/" + b"a" * 24 + b"?",
        b"/" + b"a" * 24 + b"\n",
        b"/" + b"a" * 24 + b"/",
        b"a" * 25,
        "/ääääääää".encode(),
        b"\xff" * 17,
    ],
)
def test_what_is_no_secret_path_is_none(target: bytes) -> None:
    assert names_of(target, OWN) is None
    with pytest.raises(Malformed):
        parse_path(target.decode("utf-8", "surrogateescape"))


def test_what_was_cut_is_cut_with_all_that_came_of_it() -> None:
    a, b, c = bytes([1]) * NAME, bytes([2]) * NAME, bytes([3]) * NAME
    assert is_cut((a, b), [(a,)])
    assert is_cut((a,), [(a,)])
    assert not is_cut((), [(a,)])
    assert not is_cut((b, a), [(a,)])
    assert not is_cut((a, c), [(a, b)])
    assert not is_cut((a, b), [])


def test_a_path_is_handed_on_so_often_and_no_more() -> None:
    path = handed_down(OWN, [bytes([n]) * NAME for n in range(NAMES_MAX)])
    with pytest.raises(ValueError, match="too often"):
        path.handed_on(bytes(NAME))
    with pytest.raises(ValueError, match="bytes"):
        OWN.handed_on(b"too short")

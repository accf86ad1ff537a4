"""Accounts, device lists, credentials, and the two things that two accounts have in common."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.mangling import hostile
from support.people import ADA, BO, DAY, MALLORY, secret
from whimbrel.crypto.accounts import (
    DEVICES_MAX,
    DeviceList,
    make_credential,
    new_account,
    next_number,
    open_credential,
    open_device_list,
    pair_id,
    safety_number,
    sign_device_list,
)
from whimbrel.crypto.errors import CryptoError, Malformed, NotSigned
from whimbrel.wire.cbor import encode
from whimbrel.wire.purpose import sign

keys = st.binary(min_size=32, max_size=32)
times = st.integers(0, 2**63 - 1)


def test_an_account_is_its_seed() -> None:
    assert new_account(secret("x")) == new_account(secret("x"))
    assert new_account(secret("x")).public != new_account(secret("y")).public


def test_a_signing_key_is_ed25519_of_rfc_8032() -> None:
    # RFC 8032, 7.1, test 1
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
    assert new_account(seed).public.hex() == public


# --------------------------------------------------------------------------------------------- device lists


@given(st.lists(st.tuples(keys, times), max_size=DEVICES_MAX, unique_by=lambda d: d[0]), times)
def test_a_device_list_comes_back_as_it_was_signed(devices: list[tuple[bytes, int]], number: int) -> None:
    made = DeviceList(ADA.account.public, number, tuple(devices))
    assert open_device_list(sign_device_list(ADA.account.private, made)) == made


def test_a_device_list_is_not_signed_by_somebody_else() -> None:
    with pytest.raises(ValueError, match="own account"):
        sign_device_list(MALLORY.account.private, ADA.devices)
    signed = sign_device_list(ADA.account.private, ADA.devices)
    forged = signed[:-64] + sign(MALLORY.account.private, "device list", signed[:-64])
    with pytest.raises(NotSigned):
        open_device_list(forged)


def test_a_signature_for_another_purpose_is_no_signature_of_a_device_list() -> None:
    body = sign_device_list(ADA.account.private, ADA.devices)[:-64]
    with pytest.raises(NotSigned):
        open_device_list(body + sign(ADA.account.private, "card", body))


def test_a_device_list_names_each_device_once() -> None:
    twice = encode([ADA.account.public, 1, [[secret("d"), 1], [secret("d"), 2]]])
    with pytest.raises(Malformed, match="twice"):
        open_device_list(twice + sign(ADA.account.private, "device list", twice))


def test_a_device_list_has_an_end() -> None:
    many = tuple((secret(f"device {n}"), DAY) for n in range(DEVICES_MAX + 1))
    with pytest.raises(Malformed):
        sign_device_list(ADA.account.private, DeviceList(ADA.account.public, 1, many))


@pytest.mark.parametrize("data", [b"", bytes(64), bytes(1024 * 1024)])
def test_what_is_too_short_or_too_long_for_a_device_list_is_not_looked_into(data: bytes) -> None:
    with pytest.raises(Malformed, match="too short or too long"):
        open_device_list(data)


@given(hostile(sign_device_list(ADA.account.private, ADA.devices)))
def test_any_bytes_are_a_device_list_or_an_error(data: bytes) -> None:
    try:
        found = open_device_list(data)
    except CryptoError:
        return
    # What opens was signed: nothing but the list itself was signed by Ada here.
    assert found == ADA.devices


def test_numbers_of_lists_rise_even_where_the_last_one_is_not_known_or_the_clock_is_wrong() -> None:
    assert next_number(0, DAY) == DAY
    assert next_number(DAY, DAY) == DAY + 1
    assert next_number(DAY + 5, DAY) == DAY + 6


# ---------------------------------------------------------------------------------------------- credentials


def test_a_credential_says_whose_device_it_is() -> None:
    opened = open_credential(ADA.credential, ADA.device.public)
    assert (opened.account, opened.number) == (ADA.account.public, DAY)


def test_a_credential_holds_for_one_device_only() -> None:
    with pytest.raises(NotSigned):
        open_credential(ADA.credential, MALLORY.device.public)


def test_a_credential_cannot_be_made_in_anothers_name() -> None:
    own = open_credential(
        make_credential(MALLORY.account.private, MALLORY.device.public, 1), MALLORY.device.public
    )
    forged = encode([ADA.account.public, own.number, own.signature])
    with pytest.raises(NotSigned):
        open_credential(forged, MALLORY.device.public)


def test_a_credential_of_another_list_is_another_credential() -> None:
    opened = open_credential(ADA.credential, ADA.device.public)
    with pytest.raises(NotSigned):
        open_credential(encode([opened.account, DAY + 1, opened.signature]), ADA.device.public)


@given(hostile(ADA.credential), st.one_of(st.just(ADA.device.public), st.binary(max_size=40)))
def test_any_bytes_are_a_credential_or_an_error(data: bytes, device: bytes) -> None:
    try:
        found = open_credential(data, device)
    except CryptoError:
        return
    assert (found.account, device) == (ADA.account.public, ADA.device.public)


# ------------------------------------------------------------------------------------------------- of two


@given(keys, keys)
def test_a_pair_is_the_same_from_both_sides(a: bytes, b: bytes) -> None:
    assert pair_id(a, b) == pair_id(b, a)


def test_pairs_differ() -> None:
    ada, bo, mallory = ADA.account.public, BO.account.public, MALLORY.account.public
    assert len({pair_id(ada, bo), pair_id(ada, mallory), pair_id(bo, mallory)}) == 3


def test_a_safety_number_is_the_same_60_digits_on_both_sides() -> None:
    ada, bo = ADA.account.public, BO.account.public
    number = safety_number(ada, bo)
    assert number == safety_number(bo, ada)
    assert len(number) == 60
    assert number.isdecimal()


def test_a_safety_number_changes_with_either_account() -> None:
    numbers = {
        safety_number(ADA.account.public, BO.account.public),
        safety_number(ADA.account.public, MALLORY.account.public),
        safety_number(MALLORY.account.public, BO.account.public),
    }
    assert len(numbers) == 3


def test_a_safety_number_is_made_as_the_page_says() -> None:
    def half(key: bytes) -> str:
        last = b"whimbrel/1 safety number" + key
        for _ in range(5200):
            last = hashlib.sha512(last + key).digest()
        return "".join(str(int.from_bytes(last[i : i + 5], "big") % 100000).zfill(5) for i in range(0, 30, 5))

    halves = sorted((half(ADA.account.public), half(BO.account.public)))
    assert safety_number(ADA.account.public, BO.account.public) == "".join(halves)


@pytest.mark.parametrize("key", [b"", b"x" * 31, b"x" * 33])
def test_what_is_no_key_has_no_safety_number(key: bytes) -> None:
    with pytest.raises(ValueError, match="32"):
        safety_number(key, ADA.account.public)
    with pytest.raises(ValueError, match="32"):
        pair_id(ADA.account.public, key)

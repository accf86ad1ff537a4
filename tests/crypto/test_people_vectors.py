"""The vectors of people.md and files.md: another implementation that agrees with them agrees with us."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest

from support.vectors_people import FOLDER, counting, files, people, plain
from whimbrel.crypto import errors
from whimbrel.crypto.accounts import (
    new_account,
    open_credential,
    open_device_list,
    pair_id,
    safety_number,
)
from whimbrel.crypto.cards import decode_card, open_card
from whimbrel.crypto.envelopes import decode_letter
from whimbrel.crypto.files import chunk_count, open_whole, padded_size, seal_whole, sealed_size
from whimbrel.crypto.invites import from_seed, ready_log
from whimbrel.crypto.leaf import decode_leaf, decode_roles
from whimbrel.crypto.padding import padded_length
from whimbrel.crypto.payload import decode_payload
from whimbrel.crypto.sealing import open_sealed
from whimbrel.wire.codec import encode_log_body, log_id
from whimbrel.wire.keydoc import public_kem_key

PEOPLE: dict[str, Any] = json.loads((FOLDER / "people.json").read_text("utf-8"))
FILES: dict[str, Any] = json.loads((FOLDER / "files.json").read_text("utf-8"))
raw = bytes.fromhex


def test_the_vectors_are_what_the_program_makes() -> None:
    assert people(PEOPLE["sealed"]) == PEOPLE
    assert files() == FILES


def test_accounts() -> None:
    for account in PEOPLE["accounts"]:
        assert new_account(raw(account["private"])).public.hex() == account["public"]


def test_the_device_list_opens_to_what_is_said() -> None:
    vector = PEOPLE["device_list"]
    assert plain(open_device_list(raw(vector["signed"]))) == vector["value"]


def test_the_credential_opens_to_what_is_said() -> None:
    vector = PEOPLE["credential"]
    opened = open_credential(raw(vector["credential"]), raw(vector["device"]))
    assert opened.account == new_account(raw(vector["account_private"])).public
    assert opened.number == vector["number"]


def test_pairs_and_safety_numbers() -> None:
    for vector in PEOPLE["pairs"]:
        assert pair_id(*map(raw, vector["accounts"])).hex() == vector["conversation"]
    for vector in PEOPLE["safety_numbers"]:
        assert safety_number(*map(raw, vector["accounts"])) == vector["digits"]


@pytest.mark.parametrize(("name", "decode"), [("leaf", decode_leaf), ("roles", decode_roles)])
def test_the_extensions_decode_to_what_is_said(name: str, decode: Callable[[bytes], Any]) -> None:
    assert plain(decode(raw(PEOPLE[name]["encoded"]))) == PEOPLE[name]["value"]


def test_the_card_opens_to_what_is_said() -> None:
    vector = PEOPLE["card"]
    signed = open_card(raw(vector["key"]), [raw(chunk) for chunk in vector["chunks"]])
    assert signed.hex() == vector["signed"]
    assert plain(decode_card(signed)) == vector["value"]


@pytest.mark.parametrize("vector", PEOPLE["letters"], ids=lambda vector: vector["value"]["type"])
def test_the_letters_decode_to_what_is_said(vector: dict[str, Any]) -> None:
    assert plain(decode_letter(raw(vector["encoded"]))) == vector["value"]


def test_the_sealed_letter_opens() -> None:
    vector = PEOPLE["sealed"]
    assert public_kem_key(raw(vector["private"])).hex() == vector["public"]
    opened = open_sealed(
        raw(vector["private"]), vector["purpose"], raw(vector["sealed"]), raw(vector["context"])
    )
    assert opened.hex() == vector["opened"]


def test_the_invite_is_derived_as_is_said() -> None:
    vector = PEOPLE["invite"]
    assert plain(from_seed(raw(vector["seed"]))) == vector["value"]
    body = encode_log_body(ready_log(raw(vector["seed"])))
    assert (body.hex(), log_id(body).hex()) == (vector["log_body"], vector["log"])


def test_the_payloads_decode_to_what_is_said() -> None:
    for vector in PEOPLE["payloads"]:
        assert plain(decode_payload(raw(vector["padded"]))) == vector["value"]
    for length, padded in PEOPLE["padded_lengths"]:
        assert padded_length(length) == padded


@pytest.mark.parametrize("vector", PEOPLE["refused"], ids=lambda vector: f"{vector['kind']}: {vector['why']}")
def test_what_must_be_refused_is_refused(vector: dict[str, Any]) -> None:
    readers: dict[str, Callable[[bytes], Any]] = {
        "device list": open_device_list,
        "credential": lambda data: open_credential(data, raw(vector["device"])),
        "card": decode_card,
        "leaf": decode_leaf,
        "roles": decode_roles,
        "letter": decode_letter,
        "payload": decode_payload,
    }
    with pytest.raises(getattr(errors, vector["error"])):
        readers[vector["kind"]](raw(vector["bytes"]))


def test_the_sizes_of_files() -> None:
    for vector in FILES["sizes"]:
        size = vector["size"]
        found = {
            "size": size,
            "padded": padded_size(size),
            "chunks": chunk_count(size),
            "sealed": sealed_size(size),
        }
        assert found == vector


def test_the_files_open_to_what_is_said() -> None:
    key, small, large = raw(FILES["key"]), FILES["small"], FILES["large"]
    chunks = [raw(chunk) for chunk in small["chunks"]]
    assert open_whole(key, small["size"], raw(small["sha256"]), chunks) == counting(small["size"])
    sealed = seal_whole(key, counting(large["size"]))
    assert [sha256(chunk).hexdigest() for chunk in sealed] == large["sha256_of_chunks"]

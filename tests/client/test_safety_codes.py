"""The QR code of a safety number: only what the other side shows for us counts as compared."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.neighbours import Neighbours, ask, neighbours
from whimbrel.client.errors import ServiceError
from whimbrel.client.safety import code_of


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Neighbours]:
    async with neighbours(tmp_path) as street:
        yield street


async def test_each_scans_the_others_code(street: Neighbours) -> None:
    [ada] = await ask(street.ada, "verify", name="Bo")
    [bo] = await ask(street.bo, "verify", name="Ada")
    assert ada["code"] != bo["code"]
    assert ada["safety_number"] == bo["safety_number"]
    assert not ada["verified"]
    [compared] = await ask(street.ada, "verify", name="Bo", code=bo["code"])
    assert compared["verified"]
    [compared] = await ask(street.bo, "verify", name="Ada", code=f"  {ada['code'].lower()}\n")
    assert compared["verified"]


async def test_the_code_fits_the_dense_form_of_qr_codes(street: Neighbours) -> None:
    [ada] = await ask(street.ada, "verify", name="Bo")
    assert set(ada["code"]) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")
    assert len(ada["code"]) < 130


@pytest.mark.parametrize(
    ("code", "error", "exit"),
    [
        ("own", "code-own", 2),
        ("another contact", "code-of-another", 2),
        ("a stranger in between", "code-differs", 5),
        ("theirs, for a stranger", "code-differs", 5),
        ("theirs for us, turned round", "code-own", 2),
        ("", "no-code", 2),
        ("WHIMBREL-SAFETY:1:", "no-code", 2),
        ("WHIMBREL-SAFETY:2:A:B", "no-code", 2),
        ("https://evil.example/", "no-code", 2),
        ("WHIMBREL-SAFETY:1:" + "A" * 51 + "B:" + "A" * 52, "no-code", 2),
    ],
)
async def test_anything_else_is_no_comparison(street: Neighbours, code: str, error: str, exit: int) -> None:
    me, bo = (service.person().identity.account for service in (street.ada, street.bo))
    cleo = b"c" * 32
    if code == "another contact":
        from dataclasses import replace

        known = street.ada.person().contacts[bo]
        other = replace(known, account=cleo, name="Cleo")
        await street.ada.shell.do(lambda person, now, fx: person.put_contact(other, fx))
    codes = {
        "own": code_of(me, bo),
        "another contact": code_of(cleo, me),
        "a stranger in between": code_of(b"m" * 32, me),
        "theirs, for a stranger": code_of(bo, b"m" * 32),
        "theirs for us, turned round": code_of(me, bo),
    }
    with pytest.raises(ServiceError) as raised:
        await ask(street.ada, "verify", name=bo.hex(), code=codes.get(code, code))
    assert (raised.value.code, raised.value.exit) == (error, exit)
    [item] = await ask(street.ada, "verify", name=bo.hex())
    assert not item["verified"]

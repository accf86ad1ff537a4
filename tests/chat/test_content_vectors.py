"""The vectors of content.md."""

from __future__ import annotations

import json
from typing import Any

import pytest

from support.vectors_people import FOLDER, content, plain
from whimbrel.chat.composing import id_of
from whimbrel.chat.content import ContentError, decode, encode
from whimbrel.chat.receipts_report import decode_report

VECTORS: dict[str, Any] = json.loads((FOLDER / "content.json").read_text("utf-8"))
raw = bytes.fromhex


def test_the_vectors_are_what_the_program_makes() -> None:
    assert content() == VECTORS


@pytest.mark.parametrize("vector", VECTORS["messages"], ids=lambda vector: vector["what"])
def test_a_message_decodes_to_what_is_said_and_has_the_id_that_is_said(vector: dict[str, Any]) -> None:
    encoded = raw(vector["encoded"])
    assert plain(decode(encoded)) == vector["value"]
    assert encode(decode(encoded)) == encoded
    assert id_of(encoded, raw(VECTORS["account"]), raw(VECTORS["conversation"])).hex() == vector["id"]


def test_the_report_decodes_to_what_is_said() -> None:
    report = VECTORS["report"]
    assert [[message.hex(), status] for message, status in decode_report(raw(report["encoded"]))] == report[
        "value"
    ]


@pytest.mark.parametrize("vector", VECTORS["refused"], ids=lambda vector: vector["why"])
def test_what_must_be_refused_is_refused(vector: dict[str, Any]) -> None:
    with pytest.raises(ContentError):
        decode(raw(vector["bytes"]))

"""Good inputs from the pages' vectors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from fuzz import ROOT

_FOLDER = ROOT / "docs" / "protocol" / "vectors"


@cache
def vectors(name: str) -> Any:
    """docs/protocol/vectors/NAME.json"""
    return json.loads((_FOLDER / f"{name}.json").read_text("utf-8"))


def encoded(name: str, part: str, key: str = "encoded") -> Iterator[bytes]:
    """The bytes under one key in a list of vectors."""
    for vector in vectors(name)[part]:
        yield bytes.fromhex(vector[key])

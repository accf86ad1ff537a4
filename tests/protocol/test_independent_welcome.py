"""mls.md, checked with no MLS library: by RFC 9420 and the page alone a Welcome opens to the tokens that the letter names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import independent_welcome
import pytest
from independent_welcome import Reader
from test_independent_client import imported
from test_stories import flipped

from support.vectors_stories import FOLDER
from whimbrel.crypto.accounts import open_credential
from whimbrel.crypto.leaf import decode_leaf, decode_roles

SCRIPT = Path(independent_welcome.__file__)
STORIES = [("pair",), ("group",), ("ways-back",), ("ways-back", "again"), ("ways-back", "moved")]
raw = bytes.fromhex


def story(name: str, *part: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return found[part[0]] if part else found  # type: ignore[no-any-return]


def run(path: Path, *part: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(SCRIPT), str(path), *part]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_it_has_at_most_120_lines_and_imports_nothing_of_ours() -> None:
    assert len(SCRIPT.read_text().splitlines()) <= 120
    assert imported(SCRIPT) - sys.stdlib_module_names == {"cryptography", "independent_client"}


@pytest.mark.parametrize("where", STORIES, ids=" ".join)
def test_a_welcome_opens_to_the_tokens_of_its_letter(where: tuple[str, ...]) -> None:
    """Who is let in again comes by a commit with a path: the key that its secret gives is in the tree."""
    ran = run(FOLDER / f"{where[0]}.json", *where[1:])
    assert ran.returncode == 0, ran.stderr
    said = json.loads(ran.stdout)
    assert said["beside"] == 0
    assert sorted(said["context"]) == ["0003", "f001"]
    assert said["context"]["0003"] == "04f000f00100020001"
    assert decode_roles(raw(said["context"]["f001"])).name == ("" if where[0] == "pair" else "Boat")
    assert said["path"] == (where[1:] == ("again",))
    assert said["epoch"] == (2 if where[1:] == ("again",) else 1)


def test_a_welcome_for_another_key_does_not_open(tmp_path: Path) -> None:
    altered = story("pair")
    altered["key package"]["init private"] = flipped(altered["key package"]["init private"], 10)
    (tmp_path / "pair.json").write_text(json.dumps(altered))
    assert run(tmp_path / "pair.json").returncode != 0


@pytest.mark.parametrize("where", STORIES, ids=" ".join)
def test_a_key_package_is_as_the_page_says(where: tuple[str, ...]) -> None:
    """RFC 9420 §10, field by field."""
    found = Reader(raw(story(*where)["key package"]["message"]))
    assert [found.number(2) for _ in range(4)] == [1, 5, 1, 0x004E]
    assert (len(found.vector()), len(found.vector())) == (1216, 1216)  # init key, encryption key
    device = found.vector()
    assert found.number(2) == 1  # basic
    credential = open_credential(found.vector(), device)
    assert credential.account
    capabilities = [found.vector().hex() for _ in range(5)]
    assert capabilities == ["0001", "004e0003", "f000f001000a", "", "0001"]
    assert (found.number(1), found.number(8), found.number(8)) == (
        1,
        0,
        2**64 - 1,
    )  # key package, its lifetime
    [(kind, leaf)] = found.extensions().items()
    assert kind == 0xF000
    assert decode_leaf(leaf).reach
    assert len(found.vector()) == 64
    assert found.extensions() == {}  # for one use
    assert len(found.vector()) == 64
    assert found.at == len(found.data)

"""People's formats, messages and files, checked by scripts that were written from the pages alone."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import independent_content
import independent_people
import pytest
from test_independent_client import imported

from support.vectors_people import FOLDER

SCRIPT = Path(independent_people.__file__)
PEOPLE: dict[str, Any] = json.loads((FOLDER / "people.json").read_text("utf-8"))


def run(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), str(path)], capture_output=True, text=True, check=False
    )


def test_it_has_at_most_100_lines_and_imports_nothing_of_ours() -> None:
    assert len(SCRIPT.read_text().splitlines()) <= 100
    assert imported(SCRIPT) - sys.stdlib_module_names == {"independent_client", "independent_reader"}


def test_what_the_vectors_say_holds_by_the_pages_alone() -> None:
    """Pairs, safety numbers, credential, card, device list, letters of every kind, payloads, padding, and what is refused."""
    ran = run(FOLDER / "people.json")
    assert ran.returncode == 0, ran.stderr
    kinds = {"device list", "card", "letter"}
    refused = [one for one in PEOPLE["refused"] if one["kind"] in kinds]
    assert json.loads(ran.stdout) == {"letters": len(PEOPLE["letters"]), "refused": len(refused)}
    assert {letter["value"]["type"] for letter in PEOPLE["letters"]} == {
        "WelcomeEnvelope",
        "ContactRequest",
        "ReAdd",
        "Move",
    }


def flipped(text: str) -> str:
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def altered(what: str) -> dict[str, Any]:
    people = copy.deepcopy(PEOPLE)
    name, _, n = what.partition(" ")
    if name == "letters":
        people["letters"][int(n)]["encoded"] = flipped(people["letters"][int(n)]["encoded"])
    elif name == "card":
        people["card"]["signed"] = flipped(people["card"]["signed"])
    elif name == "credential":
        people["credential"]["credential"] = flipped(people["credential"]["credential"])
    elif name == "padding":
        people["padded_lengths"][-1][1] += 1
    return people


@pytest.mark.parametrize(
    "what", [*(f"letters {n}" for n in range(len(PEOPLE["letters"]))), "card", "credential", "padding"]
)
def test_what_was_altered_does_not_hold(what: str, tmp_path: Path) -> None:
    path = tmp_path / "people.json"
    path.write_text(json.dumps(altered(what)))
    assert run(path).returncode != 0


# ------------------------------------------------------------------------------------------ messages and files

CONTENT = Path(independent_content.__file__)


def run_content(messages: Path, files: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(CONTENT), str(messages), str(files)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_messages_and_files_hold_by_the_pages_alone() -> None:
    """Ids of messages, the one encoding, receipts; sizes, padding and sealed chunks of files."""
    assert imported(CONTENT) - sys.stdlib_module_names == {
        "cbor2",
        "cryptography",
        "independent_client",
        "independent_people",
    }
    ran = run_content(FOLDER / "content.json", FOLDER / "files.json")
    assert ran.returncode == 0, ran.stderr
    assert min(json.loads(ran.stdout).values()) > 0


@pytest.mark.parametrize("what", ["id", "chunk"])
def test_an_altered_message_or_file_does_not_hold(what: str, tmp_path: Path) -> None:
    content = json.loads((FOLDER / "content.json").read_text("utf-8"))
    files = json.loads((FOLDER / "files.json").read_text("utf-8"))
    if what == "id":
        content["messages"][0]["id"] = flipped(content["messages"][0]["id"])
    else:
        files["small"]["chunks"][0] = flipped(files["small"]["chunks"][0])
    (tmp_path / "content.json").write_text(json.dumps(content))
    (tmp_path / "files.json").write_text(json.dumps(files))
    assert run_content(tmp_path / "content.json", tmp_path / "files.json").returncode != 0

"""docs/threat-model.md keeps its word: each *cannot* names tests, and each test that it names is there and can run."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "threat-model.md").read_text()
NAMED = re.compile(r"^  - `(tests/[\w/]+\.py)::(test_\w+)`$", re.MULTILINE)
PARTIES = {
    title: body
    for title, body in re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    if title != "Not shown yet"
}


def statements(party: str, word: str) -> list[str]:
    """What stands under *Can* or *Cannot* of a party: each with the lines that belong to it."""
    found = re.search(
        rf"^{word}:\n(.*?)(?=^Can|^$\n^[^ -]|\Z)", PARTIES[party] + "\n", re.MULTILINE | re.DOTALL
    )
    assert found, (party, word)
    return [one for one in re.split(r"^- ", found[1], flags=re.MULTILINE) if one.strip()]


@cache
def functions(file: str) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse((ROOT / file).read_text())
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("party", PARTIES)
def test_each_party_can_and_cannot_do_something(party: str) -> None:
    assert len(statements(party, "Can")) >= 2
    assert len(statements(party, "Cannot")) >= 2


@pytest.mark.parametrize("party", PARTIES)
def test_each_cannot_names_a_test(party: str) -> None:
    for statement in statements(party, "Cannot"):
        assert NAMED.search(statement), statement
    for statement in statements(party, "Can"):
        assert "::" not in statement, statement


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED.findall(PAGE))))
def test_each_test_that_is_named_is_there_and_is_not_passed_over(file: str, name: str) -> None:
    function = functions(file).get(name)
    assert function is not None
    marks = " ".join(ast.unparse(mark) for mark in function.decorator_list)
    assert not re.search(r"\b(skip|skipif|xfail)\b", marks), "what is expected to fail shows nothing"
    assert any(isinstance(node, ast.Assert | ast.With | ast.AsyncWith) for node in ast.walk(function))


def test_nothing_else_on_the_page_looks_like_a_test_and_is_none() -> None:
    assert PAGE.count("::test_") == len(NAMED.findall(PAGE))
    assert len(PARTIES) >= 10


def test_a_cannot_without_a_test_would_be_noticed() -> None:
    assert not NAMED.search("- read a message\n")
    assert not NAMED.search("- read a message\n  - `tests/nowhere::test_x`\n")
    assert "test_that_is_not_there" not in functions("tests/test_threat_model.py")

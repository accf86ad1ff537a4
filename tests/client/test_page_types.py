"""The page's TypeScript types are those of the client: written by web/types.py, and never stale."""

import ast
import runpy
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"
WRITER = runpy.run_path(str(WEB / "types.py"))


def test_the_types_of_the_page_are_those_of_the_client() -> None:
    written = (WEB / "src" / "api" / "types.ts").read_text(encoding="utf-8")
    assert written == WRITER["generate"](), "stale; write them anew: .venv/bin/python web/types.py --write"


@pytest.mark.parametrize(
    ("python", "typescript"),
    [
        ("str | None", "string | null"),
        ("list[int]", "number[]"),
        ("list[str | int]", "(string | number)[]"),
        ("Literal['a', 'b'] | None", '"a" | "b" | null'),
        ("list[FileItem]", "FileItem[]"),
        ("dict[str, list[int]]", "Record<string, number[]>"),
        ("NotRequired[bool]", "boolean"),
    ],
)
def test_a_type_of_python_in_the_words_of_typescript(python: str, typescript: str) -> None:
    assert WRITER["type_of"](ast.parse(python, mode="eval").body) == typescript


def test_a_type_that_has_no_words_in_typescript_is_an_error() -> None:
    with pytest.raises(TypeError, match="teach it"):
        WRITER["type_of"](ast.parse("set[int]", mode="eval").body)

"""The page's words as tests see them: the files, the forms of each text, and where the page uses them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

WEB = Path(__file__).parents[2] / "web"
WORDS = WEB / "src" / "words"
COMPLETE = ("en", "ru")
PLURALS = {"en": {"one", "other"}, "ru": {"one", "few", "many", "other"}, "fa": {"one", "other"}}
"""The categories of CLDR that whole numbers can have, and `other`, which fractions have."""


@dataclass(frozen=True)
class Entry:
    """One text of the catalogue: its forms by plural category, or the only one under `text`."""

    key: str
    area: str
    forms: dict[str, str]
    note: str

    @property
    def is_plural(self) -> bool:
        return "text" not in self.forms

    @property
    def placeholders(self) -> set[str]:
        return {name for form in self.forms.values() for name in placeholders(form)}


def placeholders(text: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", text)


@cache
def catalogue(language: str) -> dict[str, Entry]:
    """All texts of a language. A key that stands in two files would be lost in one of them, so it is refused."""
    found: dict[str, Entry] = {}
    for file in sorted((WORDS / language).glob("*.json")):
        for key, value in json.loads(file.read_text()).items():
            assert key not in found, f"{key} stands in {found[key].area} and in {file.stem}"
            given = {"text": value} if isinstance(value, str) else dict(value)
            note = given.pop("note", "")
            found[key] = Entry(key, file.stem, given, note)
    return found


@cache
def sources() -> dict[Path, str]:
    """The page's program, without its tests."""
    return {
        path: path.read_text()
        for path in sorted((WEB / "src").rglob("*"))
        if path.suffix in (".ts", ".svelte") and not path.name.endswith(".test.ts")
    }


KEY = re.compile(r"""["'`]([a-z][a-z0-9]*(?:\.[A-Za-z0-9_-]+)+)["'`]""")
"""A string that looks like a key."""
CALL = re.compile(r"""\bt\(\s*["'`]([^"'`$]+)["'`]""")
"""A text that is asked for by its whole key."""
GLUED = re.compile(r"`([a-z][a-z0-9]*\.[A-Za-z0-9._-]*)\$\{")
"""A key of which the beginning is known: `errors.${code}`."""


def asked_for() -> dict[str, Path]:
    """The keys that the page asks for by name, and where."""
    return {key: path for path, text in sources().items() for key in CALL.findall(text)}


def mentioned() -> set[str]:
    """All strings of the page that could be keys: in a call, a table or a condition."""
    return {key for text in sources().values() for key in KEY.findall(text)}


def beginnings() -> set[str]:
    """How the keys begin that are made of a beginning and something that is only known later."""
    return {start for text in sources().values() for start in GLUED.findall(text)}

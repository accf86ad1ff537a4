"""The catalogue: complete in every language, all of it used, and nothing shown that does not stand in it."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.catalogue import (
    COMPLETE,
    PLURALS,
    WEB,
    WORDS,
    Entry,
    asked_for,
    beginnings,
    catalogue,
    mentioned,
    placeholders,
    sources,
)

LANGUAGES = (*COMPLETE, "fa")
BEGUN = ("shell", "conversation")
"""Areas that every language has in full."""
SAME = re.compile(r"[^\W\d_]{3,}")
NAMES = {
    "whimbrel",
    "qr",
    "ctrl",
    "alt",
    "shift",
    "enter",
    "esc",
    "opus",
    "english",
    "russian",
    "русский",
    "فارسی",
}


def areas(language: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for entry in catalogue(language).values():
        found.setdefault(entry.area, set()).add(entry.key)
    return found


def test_there_is_a_catalogue_and_the_page_uses_it() -> None:
    assert len(catalogue("en")) > 100
    assert len(asked_for()) > 100


def test_every_key_begins_with_its_area() -> None:
    for language in LANGUAGES:
        for entry in catalogue(language).values():
            assert entry.key.startswith(f"{entry.area}."), (language, entry.key)


def test_every_english_text_has_a_note_for_translators() -> None:
    assert [entry.key for entry in catalogue("en").values() if len(entry.note) < 5] == []


@pytest.mark.parametrize("language", COMPLETE)
def test_a_complete_language_has_every_text(language: str) -> None:
    assert sorted(catalogue("en").keys() - catalogue(language).keys()) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_language_has_a_text_that_english_has_not(language: str) -> None:
    assert sorted(catalogue(language).keys() - catalogue("en").keys()) == []


def test_persian_has_begun() -> None:
    for area in BEGUN:
        assert sorted(areas("en").get(area, set()) - areas("fa").get(area, set())) == []
        assert areas("en").get(area)


@pytest.mark.parametrize("language", LANGUAGES)
def test_plural_forms_are_those_of_the_language(language: str) -> None:
    for entry in catalogue(language).values():
        if entry.is_plural:
            assert entry.forms.keys() == PLURALS[language], entry.key
            assert catalogue("en")[entry.key].is_plural, entry.key
            assert "count" in entry.placeholders or "count" not in catalogue("en")[entry.key].placeholders
        else:
            assert not catalogue("en")[entry.key].is_plural, entry.key


@pytest.mark.parametrize("language", LANGUAGES)
def test_placeholders_are_the_same_in_all_languages(language: str) -> None:
    for entry in catalogue(language).values():
        english = catalogue("en")[entry.key]
        assert entry.placeholders == english.placeholders, entry.key
        for category, form in entry.forms.items():
            # "1" may be written as a word; everything else is in every form.
            lost = english.placeholders - {*placeholders(form), "count"}
            assert not lost, (entry.key, category)
            assert not re.search(r"[{}]", re.sub(r"\{\w+\}", "", form)), (entry.key, form)


def test_every_text_that_is_asked_for_is_there() -> None:
    missing = {key: path.name for key, path in asked_for().items() if key not in catalogue("en")}
    assert missing == {}


def test_every_key_that_is_made_later_has_texts() -> None:
    for start in beginnings():
        area = start.partition(".")[0]
        if area in areas("en"):
            assert any(key.startswith(start) for key in catalogue("en")), start


def test_every_text_is_used() -> None:
    used, starts = mentioned(), tuple(beginnings())
    unused = [key for key in catalogue("en") if key not in used and not key.startswith(starts or "\0")]
    assert unused == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_tone_is_kept(language: str) -> None:
    """No exclamation marks, no apology, no shouting."""
    for entry in catalogue(language).values():
        for form in entry.forms.values():
            assert form == form.strip(), entry.key
            assert form, entry.key
            assert not re.search(r"[!！]", form), entry.key
            assert not re.search(
                r"\b(sorry|oops|unfortunately|whoops|извините|простите|к сожалению|упс)\b",
                form,
                re.IGNORECASE,
            ), entry.key
            assert "  " not in form, entry.key
            assert "..." not in form, (entry.key, "… is one character")


def letters(entry: Entry) -> str:
    text = " ".join(entry.forms.values())
    return " ".join(
        word for word in SAME.findall(re.sub(r"\{\w+\}|\S+[:/.]\S+", "", text)) if word.lower() not in NAMES
    )


@pytest.mark.parametrize(("language", "script"), [("ru", r"[а-яё]"), ("fa", r"[\u0600-\u06ff]")])
def test_a_translation_is_in_its_own_letters(language: str, script: str) -> None:
    for entry in catalogue(language).values():
        if letters(entry) and letters(catalogue("en")[entry.key]):
            assert re.search(script, letters(entry), re.IGNORECASE), entry.key


def in_markup(*files: Path) -> list[dict[str, str]]:
    if shutil.which("node") is None or not (WEB / "node_modules" / "svelte").is_dir():
        pytest.skip("Svelte's parser is missing: npm ci in web/")
    script = Path(__file__).with_name("markup.mjs")
    ran = subprocess.run(
        ["node", str(script), str(WEB), *map(str, files)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in ran.stdout.splitlines()]


ONLY_SIGNS = {"Whimbrel", "whimbrel app"}
"""The name, and a command as it is typed."""


def test_no_text_stands_in_a_component_itself() -> None:
    components = [path for path in sources() if path.suffix == ".svelte"]
    assert len(components) > 20
    found = [one for one in in_markup(*components) if one["what"] not in ONLY_SIGNS]
    assert [f"{Path(one['file']).relative_to(WEB)}:{one['line']} {one['what']}" for one in found] == []


def test_a_text_in_a_component_would_be_noticed(tmp_path: Path) -> None:
    component = tmp_path / "Wrong.svelte"
    component.write_text(
        """<script lang="ts">const t = (key: string) => key; let open = $state("not shown here");</script>
<p class="two words">{t("shell.fine")}</p>
<p>Nobody translates me</p>
<button aria-label="Nor me" class={open ? "is open" : "shut it"}>{open ? "or these words" : t("shell.fine")}</button>
{#if open}<img alt={`pictured by ${t("shell.fine")}`} />{/if}
"""
    )
    found = [one["what"] for one in in_markup(component)]
    assert found[:3] == ["Nobody translates me", 'aria-label="Nor me"', "or these words"]


def test_every_folder_of_words_is_a_language_that_is_tested() -> None:
    assert {path.name for path in WORDS.iterdir() if path.is_dir()} == set(LANGUAGES)

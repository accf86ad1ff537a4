"""*What this keeps and who can read it*, in the app, says of everybody what docs/threat-model.md says of them."""

import re

import pytest

from support.catalogue import COMPLETE, WEB, catalogue

MODEL = (WEB.parent / "docs" / "threat-model.md").read_text()
PARTIES = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", MODEL, flags=re.MULTILINE | re.DOTALL))
OPEN = "Not shown yet"
TRUTH = "settings.truth."


def name_of(title: str) -> str:
    """The part of the key under which the page speaks of a party."""
    [key] = [
        key
        for key, entry in catalogue("en").items()
        if key.startswith(TRUTH) and entry.forms.get("text") == title
    ]
    return key.removeprefix(TRUTH)


def said(name: str, what: str, language: str = "en") -> list[str]:
    """What the page says that a party can do, or cannot."""
    pattern = re.compile(rf"{re.escape(TRUTH + name)}\.{what}\.\d+")
    return [entry.forms["text"] for key, entry in catalogue(language).items() if pattern.fullmatch(key)]


def listed(title: str, what: str) -> int:
    """How many things the model lists there."""
    found = re.search(rf"^{what}:\n(.*?)(?=^Can|\Z)", PARTIES[title], re.MULTILINE | re.DOTALL)
    return len(re.findall(r"^- ", found[1], flags=re.MULTILINE)) if found else 0


@pytest.mark.parametrize("title", PARTIES)
def test_every_party_is_on_the_page_under_its_name(title: str) -> None:
    assert name_of(title)


@pytest.mark.parametrize("title", [title for title in PARTIES if title != OPEN])
@pytest.mark.parametrize("what", ["can", "cannot"])
def test_of_each_party_the_page_says_what_it_can_and_cannot_do(title: str, what: str) -> None:
    texts = said(name_of(title), what)
    assert len(texts) >= 2 or listed(title, what.capitalize()) < 2
    # Several lines of the model may be one sentence for people; a page that leaves out half of them is another matter.
    assert len(texts) * 2 >= listed(title, what.capitalize())
    assert len(set(texts)) == len(texts)


def test_what_is_not_shown_yet_is_said_too() -> None:
    items = re.findall(r"^- ", PARTIES[OPEN], flags=re.MULTILINE)
    assert len(said(name_of(OPEN), "can")) * 2 >= len(items) >= 3


@pytest.mark.parametrize("language", COMPLETE)
def test_it_is_the_same_in_every_language(language: str) -> None:
    for title in PARTIES:
        for what in ("can", "cannot"):
            english = said(name_of(title), what)
            assert len(said(name_of(title), what, language)) == len(english)


def test_it_is_plain() -> None:
    """Words of the trade stay in the model."""
    jargon = re.compile(
        r"\b(MLS|HPKE|KEM|TLS|AEAD|nonce|ciphertext|metadata|epoch|handshake)\b", re.IGNORECASE
    )
    texts = {key: entry.forms["text"] for key, entry in catalogue("en").items() if key.startswith(TRUTH) and "text" in entry.forms}  # fmt: skip
    assert {key: text for key, text in texts.items() if jargon.search(text)} == {}

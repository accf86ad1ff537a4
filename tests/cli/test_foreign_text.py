"""What others wrote can neither move the cursor nor turn the direction of the line, and is measured right."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from whimbrel.cli.foreign import fit, in_lines, in_one_line, width

anything = st.text(st.characters(codec=None, categories=None))  # with lone surrogates and control characters


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Ada", "Ada"),
        ("\x1b]0;owned\x07\x1b[2J", "␛]0;owned␇␛[2J"),
        ("a\x9b31mb", "a\ufffd31mb"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("\u2066x\u2069", "x"),
        ("two\nlines", "two lines"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("\ud800", "\ufffd"),
        ("\x00", "␀"),
        ("del\x7f", "del␡"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("", ""),
    ],
)
def test_a_name_is_one_harmless_line(written: str, shown: str) -> None:
    assert in_one_line(written) == shown


def test_a_text_keeps_its_lines_and_tabs_become_spaces() -> None:
    assert in_lines("one\r\ntwo\rthree\n\n\tfour\u2028five") == [
        "one",
        "two",
        "three",
        "",
        "    four",
        "five",
    ]


@given(anything)
def test_nothing_that_a_terminal_obeys_is_left_in_any_text(text: str) -> None:
    for line in in_lines(text):
        assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in line)
        assert not set(line) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
        line.encode()


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("Ada", 3),
        ("Åda", 3),
        ("A\u030ada", 3),
        ("ばし", 4),
        ("مرحبا", 5),
        ("☺", 1),
        ("☺\ufe0f", 2),
        ("😀", 2),
        ("🇳🇱", 2),
        ("", 0),
    ],
)
def test_columns_are_those_of_a_terminal(text: str, columns: int) -> None:
    assert width(text) == columns


@given(anything.map(in_one_line), st.integers(1, 50))
def test_a_text_is_cut_to_what_fits(text: str, columns: int) -> None:
    cut = fit(text, columns)
    assert width(cut) <= columns
    assert cut == text or cut.endswith("…")


def test_a_text_of_any_length_is_cut_at_once() -> None:
    assert fit("漢" * 500_000, 40) == "漢" * 19 + "…"

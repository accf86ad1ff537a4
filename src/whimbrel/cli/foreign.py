"""Text that other people wrote, made harmless and measured for a terminal.

A name, a message or a file name may hold control characters that move the cursor or change the window's title, and
marks that turn the direction of what follows. In the output for people they cannot do either. Programs get JSON in
ASCII, where all of these are escaped and nothing is lost.
"""

from __future__ import annotations

import unicodedata

# Embeddings, overrides and isolates (UAX #9 §2.1-2.4): they reorder what stands beside them. The plain marks
# (LRM, RLM, ALM) and the joiners that Persian, Hindi and emoji need are not among them.
_TURNS_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

# What ends a line somewhere: NEL, LINE SEPARATOR, PARAGRAPH SEPARATOR, vertical tab, form feed.
_ENDS_LINE = frozenset("\x85\u2028\u2029\x0b\x0c")

_EMOJI_STYLE = "\ufe0f"


def in_one_line(text: str) -> str:
    """A name or another short text: line ends become spaces."""
    return " ".join(in_lines(text))


def in_lines(text: str) -> list[str]:
    """The lines of a text, each harmless; at least one."""
    if text.isascii() and text.isprintable():
        return [text]
    whole = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    return ["".join(map(_shown, line)) for line in _split(whole)]


def _split(text: str) -> list[str]:
    return "".join("\n" if character in _ENDS_LINE else character for character in text).split("\n")


def _shown(character: str) -> str:
    code = ord(character)
    if 0x20 <= code < 0x7F:
        return character
    if code < 0x20:
        return chr(0x2400 + code)  # U+2400 CONTROL PICTURES: ␛ for ESC
    if code == 0x7F:
        return "␡"
    if code < 0xA0 or 0xD800 <= code < 0xE000:
        return "\ufffd"
    if character in _TURNS_DIRECTION:
        return ""
    return character


def width(text: str) -> int:
    """How many columns a terminal gives to a harmless text.

    Wide and full-width characters (UAX #11) take two, combining marks and format characters none. Emoji that are
    joined from several are counted as most terminals draw them, one after the other.
    """
    if text.isascii():
        return len(text)
    columns = 0
    before = 0
    for character in text:
        if character == _EMOJI_STYLE:
            columns += 1 if before == 1 else 0  # a narrow symbol becomes an emoji of two columns
            before = 2
        elif unicodedata.category(character) not in ("Mn", "Me", "Cf"):
            before = 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
            columns += before
    return columns


def fit(text: str, columns: int) -> str:
    """The text, cut to so many columns with an ellipsis at its end where it is longer."""
    if width(text) <= columns:
        return text
    # Nothing that follows makes a beginning narrower: the longest that fits is found by halving.
    least, most = 0, len(text)
    while least < most:
        half = (least + most + 1) // 2
        if width(text[:half]) < columns:
            least = half
        else:
            most = half - 1
    return text[:least] + "…"

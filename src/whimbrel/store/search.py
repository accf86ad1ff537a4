"""From the words that a person types to a query for the full-text index. Any input gives a query or None."""

from __future__ import annotations

from typing import Final

# A person does not type more; a program that does gets an answer in bounded time.
MOST_WORDS: Final = 16
LONGEST_WORD: Final = 64

# From this length on the beginning of a word is enough to find it.
SHORTEST_PREFIX: Final = 3

# Chinese, Japanese and Korean write without spaces: what the index holds is a whole clause, and two signs begin it.
SHORTEST_PREFIX_EAST_ASIAN: Final = 2
_EAST_ASIAN_FROM: Final = "\u2e80"


def query_of(words: str) -> str | None:
    """All words must occur, in any order; None when there is nothing to search for.

    Each word goes into the query as a quoted string, where nothing has a meaning to FTS5 but the quotation mark
    (https://www.sqlite.org/fts5.html#fts5_strings). NUL would end the query for SQLite, and what is not
    valid Unicode cannot be handed over: both separate words.
    """
    separated = "".join(sign if sign.isprintable() else " " for sign in words)
    terms = [_term(word[:LONGEST_WORD]) for word in separated.split() if any(sign.isalnum() for sign in word)]
    return " AND ".join(terms[:MOST_WORDS]) or None


def _term(word: str) -> str:
    quoted = '"' + word.replace('"', '""') + '"'
    letters = sum(sign.isalnum() for sign in word)
    enough = SHORTEST_PREFIX_EAST_ASIAN if max(word) >= _EAST_ASIAN_FROM else SHORTEST_PREFIX
    return quoted + "*" if letters >= enough else quoted

"""The parameters of a call as they come from JSON: each is of a kind that its method takes, or the call is refused.

The kinds are those that stand at the method, in its own words.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, get_args

NUMBER_MAX = (1 << 53) - 1
"""The largest whole number that every reader of JSON keeps (RFC 8259, 6)."""

_FITS: Mapping[str, Callable[[Any], bool]] = {
    "str": lambda value: type(value) is str,
    "bool": lambda value: type(value) is bool,
    "int": lambda value: type(value) is int and 0 <= value <= NUMBER_MAX,
    # Neither infinity nor NaN is at most anything.
    "float": lambda value: type(value) in (int, float) and abs(value) <= NUMBER_MAX,
    "list[str]": lambda value: type(value) is list and all(type(one) is str for one in value),
    "None": lambda value: value is None,
}
_IN_WORDS = {
    "str": "a text",
    "bool": "true or false",
    "int": "a whole number from 0 on",
    "float": "a number",
    "list[str]": "a list of texts",
}


def fault_of(method: Callable[..., Any], given: Mapping[str, Any]) -> str | None:
    """What is wrong with the first parameter that is of no kind that the method takes; None when all are."""
    for name, value in given.items():
        kinds = [kind.strip() for kind in method.__annotations__[name].split("|")]
        if not any(_fits(method, kind, value) for kind in kinds):
            wanted = " or ".join(_in_words(method, kind) for kind in kinds if kind != "None")
            return f"{name} has to be {wanted}"
    return None


def _fits(method: Callable[..., Any], kind: str, value: Any) -> bool:
    if kind in _FITS:
        return _FITS[kind](value)
    return type(value) is str and value in _words(method, kind)


def _in_words(method: Callable[..., Any], kind: str) -> str:
    return _IN_WORDS.get(kind) or f"one of {', '.join(_words(method, kind))}"


def _words(method: Callable[..., Any], kind: str) -> tuple[str, ...]:
    """The words of a Literal, as the method's own module understands it."""
    return get_args(eval(kind, inspect.unwrap(method).__globals__))

"""The page's colours as `looks/tokens.css` defines them, in light and in dark, and what can be told of two of them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

TOKENS = Path(__file__).parents[2] / "web" / "src" / "looks" / "tokens.css"
Colour = tuple[float, float, float, float]
"""Red, green, blue from 0 to 255, and how much of it covers what is below, from 0 to 1."""
SCHEMES = ("light", "dark")


@cache
def colours(scheme: str) -> dict[str, Colour]:
    """Every role that is a colour."""
    text = re.sub(r"/\*.*?\*/", "", TOKENS.read_text(), flags=re.DOTALL)
    root = re.search(r":root\s*\{(.*?)\n\}", text, re.DOTALL)
    assert root is not None
    found: dict[str, Colour] = {}
    for name, value in re.findall(r"--([\w-]+):\s*([^;]+);", root[1]):
        both = re.fullmatch(r"light-dark\(\s*(.+?)\s*,\s*((?:#|rgb)[^,]*)\s*\)", value)
        chosen = both[1 if scheme == "light" else 2] if both else value
        if (colour := parse(chosen)) is not None:
            found[name] = colour
    return found


def parse(value: str) -> Colour | None:
    """A colour as the file writes them; None for a length, a font, a shadow."""
    value = value.strip()
    if re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        return (int(value[1:3], 16), int(value[3:5], 16), int(value[5:7], 16), 1.0)
    found = re.fullmatch(r"rgb\(\s*(\d+) (\d+) (\d+)\s*(?:/\s*([\d.]+)(%?))?\s*\)", value)
    if found is None:
        return None
    covers = float(found[4] or 1) / (100 if found[5] else 1)
    return (int(found[1]), int(found[2]), int(found[3]), covers)


def over(top: Colour, below: Colour) -> Colour:
    """What is seen where one lies on the other."""
    red, green, blue = (a * top[3] + b * (1 - top[3]) for a, b in zip(top[:3], below[:3], strict=True))
    return (red, green, blue, 1.0)


def luminance(colour: Colour) -> float:
    """Relative luminance (WCAG 2.2)."""

    def linear(part: float) -> float:
        part /= 255
        return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(part) for part in colour[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: Colour, other: Colour) -> float:
    """Contrast ratio (WCAG 2.2): 1 for the same, 21 for black on white."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)

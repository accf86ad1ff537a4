"""A QR code drawn with half blocks, two rows of it in one line of text."""

from __future__ import annotations

_LIGHT_DRAWN = "█▀▄ "
_DARK_DRAWN = " ▄▀█"


def drawn(text: str, dark_on_light: bool) -> list[str]:
    """The lines of the code, each as wide as its modules.

    `dark_on_light`: dark modules are drawn, for a light ground. Otherwise light ones are, which is right on a dark
    screen; most readers also take the inverse. Upper case needs fewer modules (QR's alphanumeric mode), and our texts
    mean the same in both.
    """
    import segno

    blocks = _DARK_DRAWN if dark_on_light else _LIGHT_DRAWN
    rows = [list(row) for row in segno.make(text.upper(), error="l", micro=False).matrix_iter(border=2)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    return [
        "".join(blocks[2 * bool(above) + bool(below)] for above, below in zip(upper, lower, strict=True))
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    ]

"""A QR code drawn with half blocks, two rows of it in one line of text."""

from __future__ import annotations


def drawn(text: str, colours: bool) -> list[str]:
    """The lines of the code.

    With colours it is black on white whatever the terminal's own are. Without, light modules are drawn, which is
    right on a dark screen; most readers also take the inverse. Upper case needs fewer modules (QR's alphanumeric
    mode), and our texts mean the same in both.
    """
    import segno

    rows = [list(row) for row in segno.make(text.upper(), error="l", micro=False).matrix_iter(border=2)]
    if len(rows) % 2:
        rows.append([0] * len(rows[0]))
    lines = []
    for upper, lower in zip(rows[::2], rows[1::2], strict=True):
        if colours:
            line = "".join(" ▄▀█"[2 * bool(a) + bool(b)] for a, b in zip(upper, lower, strict=True))
            line = f"\x1b[30;107m{line}\x1b[0m"
        else:
            line = "".join("█▀▄ "[2 * bool(a) + bool(b)] for a, b in zip(upper, lower, strict=True))
        lines.append(line)
    return lines

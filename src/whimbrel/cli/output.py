"""Where lines go: JSON Lines for programs, text for people. Colours only on a terminal that wants them."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from whimbrel.cli.foreign import in_one_line, width
from whimbrel.cli.trouble import Trouble

Item = dict[str, Any]

OUTPUT = "output"
"""The code of the trouble that the output itself cannot be written."""


def write(text: str, stream: TextIO) -> None:
    """Written at once. BrokenPipeError when nobody reads any more, Trouble when the disk or device takes it not."""
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise cannot_write(error) from error


def cannot_write(error: OSError) -> Trouble:
    return Trouble(
        OUTPUT,
        f"The output cannot be written: {error.strerror or error}. What was asked may have been done.",
        "Make room, or send the output elsewhere, then look with `whimbrel status`.",
    )


def write_json(item: Item, stream: TextIO) -> None:
    """One line, in ASCII: no line end of any kind and nothing that a terminal obeys can be in it."""
    write(json.dumps(item, ensure_ascii=True, separators=(",", ":")) + "\n", stream)


def wants_colours(stream: TextIO) -> bool:
    """On a terminal, unless NO_COLOR is set to something (https://no-color.org) or the terminal has none."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Paper:
    """Lines for people, on one stream. What others wrote has to be harmless before it comes here (`foreign`)."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.colours = wants_colours(stream)
        self.columns = shutil.get_terminal_size((100, 24)).columns if stream.isatty() else 100

    def line(self, text: str = "") -> None:
        write(text.rstrip() + "\n", self.stream)

    def table(self, rows: Iterable[Sequence[str]]) -> None:
        """Columns two spaces apart, each as wide as its widest cell."""
        rows = [list(row) for row in rows]
        if not rows:
            return
        widths = [max(width(_unstyled(row[n])) for row in rows) for n in range(len(rows[0]))]
        for row in rows:
            spaces = [" " * (widths[n] - width(_unstyled(cell))) for n, cell in enumerate(row)]
            self.line("  ".join(cell + space for cell, space in zip(row, spaces, strict=True)))

    def bold(self, text: str) -> str:
        return self._styled("1", text)

    def dim(self, text: str) -> str:
        return self._styled("2", text)

    def on_white(self, text: str) -> str:
        """Black on white, whatever the terminal's own colours are."""
        return self._styled("30;107", text)

    def warning(self, text: str) -> str:
        return self._styled("33", text)

    def _styled(self, style: str, text: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.colours and text else text


def _unstyled(text: str) -> str:
    return re.sub("\x1b\\[[0-9;]+m", "", text)


def show_trouble(trouble: Trouble, as_json: bool) -> None:
    """As the last line: of stdout for programs, of stderr for people."""
    if as_json:
        write_json(trouble.as_json(), sys.stdout)
        return
    paper = Paper(sys.stderr)
    paper.line(f"{paper.bold('whimbrel:')} {in_one_line(trouble.message)}")
    for candidate in trouble.candidates:
        paper.line(f"  {in_one_line(candidate)}")
    if trouble.do:
        paper.line(in_one_line(trouble.do))

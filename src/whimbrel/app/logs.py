"""What libraries log: never onto the terminal, where it would be a traceback among what people read."""

from __future__ import annotations

import logging
from pathlib import Path

from whimbrel.app import unforeseen


class _KeepDetails(logging.Handler):
    """Errors with an exception are kept as other unforeseen ones are; the rest is for developers and goes nowhere."""

    def __init__(self, home: Path) -> None:
        super().__init__(logging.ERROR)
        self._home = home

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            unforeseen.told(record.exc_info[1], self._home)


def keep_off_the_terminal(home: Path) -> None:
    """For the whole process: the root logger gets this handler alone."""
    root = logging.getLogger()
    for handler in [*root.handlers]:
        root.removeHandler(handler)
    root.addHandler(_KeepDetails(home))

"""What is told about an error that nobody foresaw: one sentence, and where the details are."""

from __future__ import annotations

import os
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

CODE = "unexpected"
DO = "Try again. If it happens again, send that file to the people who make Whimbrel."
FILE_NAME = "last-error.txt"


def told(error: BaseException, home: Path | None) -> str:
    """The sentence. The details go to a file that only its owner can read: never to a terminal, never to the page."""
    place = _write_details(error, home)
    where = f"The details are in {place}." if place else "The details could not be written to a file."
    return f"Something happened that Whimbrel was not made for ({type(error).__name__}). {where}"


def _write_details(error: BaseException, home: Path | None) -> Path | None:
    """Lines of code and messages, no values of variables. In the home; without one, in the folder for temporary files."""
    text = f"{datetime.now(UTC).isoformat(timespec='seconds')}\n" + "".join(traceback.format_exception(error))
    try:
        if home is not None and home.is_dir():
            place = home / FILE_NAME
            handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        else:
            handle, name = tempfile.mkstemp(prefix="whimbrel-error-", suffix=".txt")
            place = Path(name)
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError:
        return None
    return place

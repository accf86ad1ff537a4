"""How this command is typed, for the lines that say what to type next."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path


def typed_as(home: Path) -> str:
    """`whimbrel` where the shell finds this program under that name, else its path; with the home that was typed."""
    program = os.path.abspath(sys.argv[0])
    found = shutil.which("whimbrel")
    if found is not None and os.path.realpath(found) == os.path.realpath(program):
        name = "whimbrel"
    else:
        name = min(program, os.path.relpath(program), key=len)
    usual = Path(os.environ.get("WHIMBREL_HOME") or Path.home() / ".whimbrel")
    if home != Path(os.path.abspath(usual.expanduser())):
        return f"{shlex.quote(name)} --home {shlex.quote(str(home))}"
    return shlex.quote(name)

"""The program as it is, on a machine whose clock somebody sets: `python clock_set.py FILE WORDS…`.

The file holds by how many seconds the clock is wrong, and may change at any moment. Timers do not jump, as on any machine.
"""

import sys
import time
from pathlib import Path


def set_by(file: Path) -> None:
    """Before anything of the program is loaded."""
    right = time.time
    time.time = lambda: right() + float(file.read_text())


if __name__ == "__main__":
    set_by(Path(sys.argv[1]))
    from whimbrel.cli.main import main

    sys.exit(main(sys.argv[2:]))

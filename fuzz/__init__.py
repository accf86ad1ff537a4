"""Fuzzing: every parser of bytes and texts from outside, against inputs that libFuzzer makes (`make fuzz MINUTES=n`).

    target     what a target is, and the list of them
    targets/   the targets, by subject
    mutation   how inputs are changed: bytes, CBOR, texts
    kept       the inputs that the repository keeps, in corpus/
    one        one target under atheris; what `run` starts for each
    run        all of them, and their table
    table      that table as Markdown, from the record of a run

Nothing here is part of the program, and only `one` needs atheris. docs/howto/fuzzing.md says how it is used.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

# People with fixed keys, a relay and a village of real stores are the tests' own (tests/support).
if str(ROOT / "tests") not in sys.path:
    sys.path.append(str(ROOT / "tests"))

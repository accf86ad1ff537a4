"""Configurations as they are kept in `configs/`: real files of each program, with places to be filled in as `@word@`."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent / "configs"
_PLACE = re.compile(r"@([a-z_]+)@")


def template(name: str) -> str:
    """One as it is kept."""
    return (HERE / name).read_text()


def filled(name: str, /, **values: object) -> str:
    """One with everything filled in. What is asked for and not given, or given and not asked for, is a mistake of ours."""
    text = template(name)
    asked = set(_PLACE.findall(text))
    if asked != set(values):
        raise ValueError(f"{name} wants {sorted(asked)}, and gets {sorted(values)}")
    return _PLACE.sub(lambda found: str(values[found[1]]), text)


def write(folder: Path, name: str, /, **values: object) -> Path:
    """Fill one in, into a folder; where it is."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(filled(name, **values))
    return path

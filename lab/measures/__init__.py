"""The measures: one small file each. `load` takes the name of one of them, or the path of a file that nobody here wrote."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from pathlib import Path

from lab.policy import Measure

_HERE = Path(__file__).parent


class UnknownMeasure(Exception):
    """There is no such measure, or the file has none in it."""


@cache
def names() -> dict[str, str]:
    """Name of each measure here → its module, in the order of the ladder."""
    found: dict[str, str] = {}
    for file in sorted(_HERE.glob("s[0-9]*.py")):
        module = f"lab.measures.{file.stem}"
        measures = getattr(importlib.import_module(module), "MEASURES", None)
        if measures is None:
            measures = (importlib.import_module(module).MEASURE,)
        for measure in measures:
            found[measure.name] = module
    return found


def load(spec: str) -> Measure:
    """The measure of that name (`S4`), or `MEASURE` of the file at that path (`FILE.py`). `S16@7` is the mixture of seed 7."""
    if spec.endswith(".py"):
        return _from_file(Path(spec).resolve())
    name, _, seed = spec.partition("@")
    module = names().get(name)
    if module is None or (seed and not seed.isdecimal()):
        raise UnknownMeasure(
            f"there is no measure {spec}; `python -m lab list` shows all, and a path that ends in .py loads a file"
        )
    loaded = importlib.import_module(module)
    for measure in getattr(loaded, "MEASURES", None) or (loaded.MEASURE,):
        if measure.name == name:
            assert isinstance(measure, Measure)
            return measure.mixed(int(seed)) if seed else measure
    raise UnknownMeasure(spec)


def _from_file(path: Path) -> Measure:
    name = f"lab_measure_{path.stem}_{abs(hash(str(path)))}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UnknownMeasure(f"{path} cannot be read as a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    measure = getattr(module, "MEASURE", None)
    if not isinstance(measure, Measure):
        raise UnknownMeasure(f"{path} defines no MEASURE that is a lab.policy.Measure")
    return measure

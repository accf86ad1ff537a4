"""The crate built for tests alone (`native/proofs/`), which `make test` leaves in `.setup`.

It is loaded from there: no package has it, and nothing that people run can import it.
"""

from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

PLACE = Path(__file__).parents[2] / ".setup" / "_mls_proofs.abi3.so"


def load() -> ModuleType:
    """To be called while a test file is read: without the module the whole file is skipped."""
    if not PLACE.is_file():
        pytest.skip(
            f"the crate for tests is not there: `make test` builds {PLACE.name}", allow_module_level=True
        )
    loader = ExtensionFileLoader("_mls_proofs", str(PLACE))
    spec = spec_from_loader("_mls_proofs", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module

"""What all tests about those who do harm stand on: several people and a relay in one process, with a clock of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.village import Village


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    village = Village(tmp_path)
    yield village
    village.close()

from pathlib import Path

import pytest
from relay_paper import PaperRelay, Room


@pytest.fixture
def relay(tmp_path: Path) -> PaperRelay:
    return PaperRelay(tmp_path)


@pytest.fixture
def room(relay: PaperRelay) -> Room:
    return Room(relay)

"""The relay to which the bridges of these tests lead."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from whimbrel.relay.server import Relay
from whimbrel.relay.settings import Limits, RelaySettings


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    """In this loop."""
    one = Relay(RelaySettings(tmp_path / "relay", limits=Limits(drain=1)))
    await one.start()
    yield one
    await one.close()

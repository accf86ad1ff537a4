"""A browser for the tests of the demo."""

from collections.abc import Iterator

import pytest

from support.browser import Chromium, chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as running:
        yield running

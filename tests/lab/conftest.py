"""A city for tests of the lab: skipped where the machine cannot have one, which with CI=true is a failure."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab.city import City, missing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    lacking = missing()
    if lacking is not None:
        for item in items:
            if item.get_closest_marker("lab"):
                item.add_marker(pytest.mark.skip(reason=f"this machine has not {lacking}"))


@pytest.fixture(scope="module")
def city() -> Iterator[City]:
    """One for all tests of a file."""
    with City() as built:
        yield built

"""The servers that the tests of this folder look at from outside."""

from collections.abc import Iterator

import pytest

from support.street import Street, built


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    with built(tmp_path_factory.mktemp("street")) as street:
        yield street

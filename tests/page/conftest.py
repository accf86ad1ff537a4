"""What every test of the page gets: a browser for each file, a relay, and a look at what left loopback or went wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.browser import Chromium, chromium, is_quiet
from support.homes import RelayProcess


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    folder: Path = tmp_path_factory.mktemp("relay")
    with RelayProcess(folder / "data") as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_leaves_and_nothing_breaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test with a browser: no request left loopback, and no window threw or complained.

    A test that brings complaints about on purpose names them: `@pytest.mark.complaints("403")`.
    """
    if "browser" not in request.fixturenames or request.module.__name__.endswith("test_browser_record"):
        yield
        return
    running: Chromium = request.getfixturevalue("browser")
    running.requests.clear()
    running.faults.clear()
    running.proxy.asked.clear()
    yield
    assert running.left_loopback() == []
    mark = request.node.get_closest_marker("complaints")
    assert is_quiet(running.faults, mark.args if mark else ()) == []

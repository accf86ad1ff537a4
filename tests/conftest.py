"""Rules for all tests: nothing is skipped where the machine decides, and files with real processes come last."""

import os
from collections.abc import Generator

import pytest
from hypothesis import settings

# A shared machine has slow moments: a deadline for one example would fail for reasons that are not ours.
settings.register_profile("whimbrel", deadline=None)
settings.load_profile("whimbrel")

# No test asks a resolver of the world, whatever name it uses, or has a router of somebody open a port.
os.environ["WHIMBREL_RESOLVERS"] = ""
os.environ["WHIMBREL_ROUTER"] = ""

MISSING_IS_FAILURE = os.environ.get("CI") == "true"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick tests first (a file with one test that starts processes counts as slow, it stays in one piece)."""
    slow_files = {item.path for item in items if item.get_closest_marker("processes")}
    items.sort(key=lambda item: item.path in slow_files)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true a test that skips has failed: what it needs is missing."""
    report = yield
    if MISSING_IS_FAILURE and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and with CI=true that is a failure: {_reason(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole file that skips while it is read."""
    report = yield
    if MISSING_IS_FAILURE and report.skipped:
        report.outcome = "failed"
        report.longrepr = (
            f"{collector.nodeid} was skipped, and with CI=true that is a failure: {_reason(report)}"
        )
    return report


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    place = report.longrepr
    return str(place[2]) if isinstance(place, tuple) else str(place)

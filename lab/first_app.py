"""Whimbrel with its first way only, to compare with: the program itself, but nothing is made of a route when it does not get through as
it is (no other hello, no letters, no way without a name), and its addresses are one way. Run as `whimbrel` is:

    python -m lab.first_app --home DIR app …
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from whimbrel.cli.main import main
from whimbrel.link import variants
from whimbrel.wire.routes import Route


def _as_it_is(route: Route) -> Iterable[tuple[Route, str, int, bool]]:
    yield route, variants.PLAIN, 0, False


def _all_addresses(route: Route) -> list[Route]:
    return [route]


if __name__ == "__main__":
    variants._tricks = _as_it_is
    variants._by_subnet = _all_addresses
    sys.exit(main())

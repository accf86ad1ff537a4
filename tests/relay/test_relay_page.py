"""docs/protocol/relay.md names every limit, with the value that it has."""

import re
from dataclasses import fields
from pathlib import Path

from whimbrel.relay.settings import Limits

PAGE = Path(__file__).resolve().parents[2] / "docs" / "protocol" / "relay.md"


def test_the_page_has_every_limit_and_its_value() -> None:
    stated: dict[str, float] = {}
    for line in PAGE.read_text().splitlines():
        row = re.match(r"\| (`\w+`(?:, `\w+`)*) \| ([0-9., ]+) \|", line)
        if row:
            names = re.findall(r"\w+", row[1])
            values = row[2].split(", ")
            assert len(names) == len(values), line
            stated |= dict(zip(names, map(float, values), strict=True))
    limits = Limits()
    assert stated == {field.name: float(getattr(limits, field.name)) for field in fields(Limits)}

"""Days as people are told them."""

from __future__ import annotations

from datetime import UTC, datetime


def day_of(now: int) -> str:
    """The day of a time in milliseconds, in UTC."""
    return datetime.fromtimestamp(now / 1000, UTC).strftime("%Y-%m-%d")

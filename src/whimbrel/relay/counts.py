"""What a relay counts while it runs: plain numbers, read by the metrics. Nothing in them belongs to anybody."""

from __future__ import annotations


class Counts:
    """Since the start of the process."""

    __slots__ = (
        "commits",
        "connections",
        "cut_off",
        "failures",
        "letters",
        "operations",
        "pages",
        "records",
        "streams",
    )

    def __init__(self) -> None:
        self.commits = 0
        self.connections = 0
        """Open now, of every kind."""
        self.cut_off = 0
        """Clients that were too slow or silent for too long."""
        self.failures = 0
        """Groups that the disk refused."""
        self.letters = 0
        self.operations = 0
        self.pages = 0
        """Answers of the web site."""
        self.records = 0
        self.streams = 0
        """Open now."""

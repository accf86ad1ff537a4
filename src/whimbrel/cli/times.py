"""Times as people read them: in the local zone. Programs get RFC 3339 in UTC, as the client gives it."""

from __future__ import annotations

from datetime import datetime


def local(at: str) -> datetime:
    """An RFC 3339 time, in the zone of this machine."""
    return datetime.fromisoformat(at).astimezone()


def day(when: datetime) -> str:
    return f"{when:%A} {when.day} {when:%B %Y}"


def clock(when: datetime) -> str:
    return f"{when:%H:%M}"


def day_and_clock(at: str) -> str:
    """For a line that stands alone, e.g. in a list of chats."""
    return f"{local(at):%Y-%m-%d %H:%M}"


def span(seconds: int) -> str:
    """How long, in the largest unit that it is a whole number of."""
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length and seconds % length == 0:
            count = seconds // length
            return f"{count} {unit}" + ("s" if count != 1 else "")
    return f"{seconds} second" + ("s" if seconds != 1 else "")


def size(octets: int) -> str:
    """A file's size in the decimal units that disks and networks are sold by (SI)."""
    if octets < 1000:
        return f"{octets} B"
    for unit, octets_in_it in (("kB", 10**3), ("MB", 10**6)):
        if octets < 999_950 * octets_in_it // 1000:
            return f"{octets / octets_in_it:.1f} {unit}"
    return f"{octets / 10**9:.1f} GB"

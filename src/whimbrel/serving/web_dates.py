"""Dates in headers of requests, as nginx reads them: the three forms of RFC 9110, section 5.6.7, and what it takes for them."""

from __future__ import annotations

import calendar
import re

NONE = -1
"""What is no date; every other value is later."""

_MONTHS = {
    name: n + 1
    for n, name in enumerate(
        (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
    )
}
_TIME = rb"(\d\d):(\d\d):(\d\d)"
_SPACED = re.compile(rb"[^, ]*, *(\d\d) ([A-Z][a-z][a-z]) (\d{4}) " + _TIME)
_DASHED = re.compile(rb"[^, ]*, *(\d\d)-([A-Z][a-z][a-z])-(\d\d) " + _TIME)
_OF_C = re.compile(rb"[^, ]* +([A-Z][a-z][a-z]) ([ \d]\d) " + _TIME + rb" (\d{4})")


def seconds_of(value: bytes) -> int:
    """Unix seconds, or NONE."""
    if (found := _SPACED.match(value)) is not None:
        day, month, year, *time = found.groups()
        years = int(year)
    elif (found := _DASHED.match(value)) is not None:
        day, month, year, *time = found.groups()
        years = int(year) + (2000 if int(year) < 70 else 1900)
    elif (found := _OF_C.match(value)) is not None:
        month, day, *time, year = found.groups()
        years = int(year)
    else:
        return NONE
    hours, minutes, seconds = (int(number) for number in time)
    months = _MONTHS.get(month, 0)
    if not months or hours > 23 or minutes > 59 or seconds > 59:
        return NONE
    days = int(day)
    if not 1 <= days <= 31 or years < 1970 or days > calendar.monthrange(years, months)[1]:
        return NONE
    return calendar.timegm((years, months, days, hours, minutes, seconds))

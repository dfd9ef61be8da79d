"""Dates and the clock of New York by arithmetic, without a time zone database, which small containers lack. Pure.

A day is a number, counted from 1970-01-01. Daylight saving time is on from the second Sunday of March to the first
Sunday of November, 02:00 (15 U.S.C. 260a, since 2007); a test compares every hour of the calendar's years with the
database.
"""

from __future__ import annotations

from functools import lru_cache

from quotebus.bus.clock import NS_PER_S

DAY_S = 86_400
HOUR_S = 3_600
WINTER_S, SUMMER_S = -5 * HOUR_S, -4 * HOUR_S
"""New York's clock less UTC."""
MONDAY, FRIDAY, SATURDAY, SUNDAY = 0, 4, 5, 6


def day_number(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the Gregorian calendar."""
    year -= month <= 2
    era, of_era = divmod(year, 400)
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468


def read_day(text: str) -> int:
    """The number of an ISO date such as 2026-11-27. Raises ValueError."""
    year, month, day = text.split("-")
    return day_number(int(year), int(month), int(day))


def write_day(day: int) -> str:
    """A day as an ISO date."""
    era, of_era = divmod(day + 719_468, 146_097)
    year_of_era = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + (3 if shifted < 10 else -9)
    year = era * 400 + year_of_era + (month <= 2)
    return f"{year:04}-{month:02}-{of_year - (153 * shifted + 2) // 5 + 1:02}"


def weekday(day: int) -> int:
    """0 for a Monday, 6 for a Sunday."""
    return (day + 3) % 7


@lru_cache(maxsize=64)
def _summer(year: int) -> tuple[int, int]:
    """When daylight saving time begins and ends in a year, UTC seconds."""
    first_of_march, first_of_november = day_number(year, 3, 1), day_number(year, 11, 1)
    begins = first_of_march + (SUNDAY - weekday(first_of_march)) % 7 + 7
    ends = first_of_november + (SUNDAY - weekday(first_of_november)) % 7
    return begins * DAY_S + 2 * HOUR_S - WINTER_S, ends * DAY_S + 2 * HOUR_S - SUMMER_S


def local_time(utc_ns: int) -> tuple[int, int]:
    """A UTC time as New York's day and nanoseconds since its midnight, as a clock on the wall shows them."""
    utc_s = utc_ns // NS_PER_S
    begins_s, ends_s = _summer(int(write_day(utc_s // DAY_S)[:4]))
    local_ns = utc_ns + (SUMMER_S if begins_s <= utc_s < ends_s else WINTER_S) * NS_PER_S
    day, ns = divmod(local_ns, DAY_S * NS_PER_S)
    return day, ns


def to_utc_ns(day: int, second: int) -> int:
    """The UTC time at which New York's clock shows this second of a day; of two, the earlier."""
    for offset_s in (SUMMER_S, WINTER_S):
        utc_ns = (day * DAY_S + second - offset_s) * NS_PER_S
        if local_time(utc_ns) == (day, second * NS_PER_S):
            return utc_ns
    return (day * DAY_S + second - WINTER_S) * NS_PER_S  # a time of night that the clock skips

"""Dates and New York's clock, beside the standard library and the time zone database."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus.clock import NS_PER_S
from quotebus.pricing.new_york import DAY_S, day_number, local_time, read_day, to_utc_ns, weekday, write_day
from tests.support.samples import QUICK

NEW_YORK = ZoneInfo("America/New_York")
EPOCH = date(1970, 1, 1)


@QUICK
@given(st.dates(date(1900, 1, 1), date(2400, 12, 31)))
def test_days_are_those_of_the_calendar(day: date) -> None:
    number = (day - EPOCH).days
    assert day_number(day.year, day.month, day.day) == number
    assert read_day(day.isoformat()) == number
    assert write_day(number) == day.isoformat()
    assert weekday(number) == day.weekday()


def utc_s(at: datetime) -> int:
    return int(at.timestamp())


def test_every_hour_of_twenty_four_years_is_that_of_the_database() -> None:
    at = datetime(2007, 1, 1, tzinfo=UTC)
    while at.year < 2031:
        local = at.astimezone(NEW_YORK)
        second = local.hour * 3_600
        expected = ((local.date() - EPOCH).days, second * NS_PER_S)
        assert local_time(utc_s(at) * NS_PER_S) == expected, at
        at += timedelta(hours=1)


@pytest.mark.parametrize("year", range(2026, 2031))
def test_the_clock_is_set_at_the_nanosecond(year: int) -> None:
    changes = [
        at
        for hours in range(24 * 366)
        if (at := datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=hours)).year == year
        and at.astimezone(NEW_YORK).utcoffset() != (at - timedelta(seconds=1)).astimezone(NEW_YORK).utcoffset()
    ]
    assert len(changes) == 2
    for at in changes:
        before, after = local_time(utc_s(at) * NS_PER_S - 1), local_time(utc_s(at) * NS_PER_S)
        assert before[1] == 2 * 3_600 * NS_PER_S - 1
        assert after[1] in (3_600 * NS_PER_S, 3 * 3_600 * NS_PER_S)


@QUICK
@given(st.integers(1_199_145_600, 2_208_988_800))
def test_there_and_back(seconds: int) -> None:
    day, ns = local_time(seconds * NS_PER_S)
    back = to_utc_ns(day, ns // NS_PER_S)
    assert back in (seconds * NS_PER_S, (seconds - 3_600) * NS_PER_S), "an hour comes twice in November"
    assert local_time(back) == (day, ns)


def test_a_time_that_the_clock_skips_has_an_instant_all_the_same() -> None:
    day = read_day("2026-03-08")
    assert to_utc_ns(day, 2 * 3_600 + 1_800) == (day * DAY_S + 7 * 3_600 + 1_800) * NS_PER_S

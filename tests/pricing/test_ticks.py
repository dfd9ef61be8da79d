"""Price increments: rows by price and date, and what is so few ticks that a ratio says nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus.clock import NS_PER_S
from quotebus.pricing.ticks import STOCK_TICKS, find_tick, is_few_ticks
from tests.support.samples import QUICK, UTC_NS

END_NS = int(datetime(2027, 11, 1, 4, tzinfo=UTC).timestamp()) * NS_PER_S
"""Midnight in New York before the first business day of November 2027."""


@pytest.mark.parametrize(
    ("symbol", "price", "utc_ns", "tick"),
    [
        ("SPY", 1.0, UTC_NS, 0.01),
        ("SPY", 700.0, UTC_NS, 0.01),
        ("PENNY", 0.9999, UTC_NS, 0.0001),
        ("PENNY", 0.0, UTC_NS, 0.0001),
        ("SPY", 700.0, END_NS - 1, 0.01),
        ("SPY", 700.0, END_NS, None),
        ("PENNY", 0.5, END_NS, None),
        ("SPY", 700.0, 1, None),
        ("SPY", 700.0, STOCK_TICKS[0].from_ns, 0.01),
        ("SPY", 700.0, STOCK_TICKS[0].from_ns - 1, None),
        ("BTC/USD", 100_000.0, UTC_NS, None),
        ("SPY", -1.0, UTC_NS, None),
    ],
)
def test_the_increment_follows_from_price_and_date(symbol: str, price: float, utc_ns: int, tick: float | None) -> None:
    assert find_tick(symbol, price, utc_ns) == tick


def test_every_row_names_its_source_and_rows_do_not_overlap() -> None:
    assert all(rule.source and rule.low < rule.high and rule.from_ns < rule.until_ns for rule in STOCK_TICKS)
    for one, other in pairwise(sorted(STOCK_TICKS)):
        assert one.high <= other.low or one.until_ns <= other.from_ns or other.until_ns <= one.from_ns


@pytest.mark.parametrize(
    ("difference", "symbol", "price", "few"),
    [
        (0.05, "SPY", 1.0, True),
        (0.051, "SPY", 1.0, False),
        (0.07 - 0.06, "PENNY", 0.06, True),
        (0.0101, "PENNY", 0.06, False),
        (0.01, "PENNY", 0.9999, True),
        (0.05, "PENNY", 0.9999, False),
        (0.0001, "SHIB/USD", 0.00001, False),
        (0.0, "SHIB/USD", 0.00001, True),
    ],
)
def test_five_ticks_or_a_cent_are_few(difference: float, symbol: str, price: float, few: bool) -> None:
    assert is_few_ticks(difference, symbol, price, UTC_NS) == few


def test_where_the_increment_is_not_known_a_cent_is_few_and_no_more() -> None:
    assert is_few_ticks(0.01, "SPY", 700.0, END_NS)
    assert not is_few_ticks(0.02, "SPY", 700.0, END_NS)


@QUICK
@given(st.integers(1, 99), st.integers(2005, 2030))
def test_a_cent_is_few_at_any_price_and_date(cents: int, year: int) -> None:
    utc_ns = int(datetime(year, 6, 1, tzinfo=UTC).timestamp()) * NS_PER_S
    assert is_few_ticks((cents + 1) / 100 - cents / 100, "PENNY", cents / 100, utc_ns)

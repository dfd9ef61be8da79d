"""No absent, negative, infinite or undefined price ever passes, and every oddity carries its flag."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quotebus.bus.events import Flag
from quotebus.pricing.quality import (
    BANDS_NS,
    MAX_PRICE,
    MAX_SIZE,
    Bands,
    apply_bands,
    is_sane_trade,
    judge,
    read_bands,
)
from tests.support.samples import QUICK, UTC_NS

NAN, INF = math.nan, math.inf
number = st.one_of(
    st.floats(),
    st.floats(0.01, 1000),
    st.sampled_from([0.0, -0.0, -1.0, 5e-324, 1.0, 100.0, 100.01, MAX_PRICE, MAX_SIZE, 1e308, INF, -INF, NAN]),
)


@QUICK
@given(number, number, number, number)
@example(100.0, 0.0, 100.0, 0.0)
@example(101.0, 1.0, 100.0, 1.0)
def test_what_passes_is_a_price_and_says_what_is_wrong_with_it(
    bid: float, bid_size: float, ask: float, ask_size: float
) -> None:
    judged = judge(bid, bid_size, ask, ask_size, "SPY", UTC_NS)
    if not all(map(math.isfinite, (bid, bid_size, ask, ask_size))) or bid_size < 0 or ask_size < 0:
        assert judged is None
    if judged is None:
        assert not all(-MAX_PRICE < price < MAX_PRICE for price in (bid, ask)) or not all(
            0 <= size < MAX_SIZE for size in (bid_size, ask_size)
        )
        return
    bid_out, bid_size_out, ask_out, ask_size_out, flags, doubled = judged
    for price, price_in, size, size_in in (
        (bid_out, bid, bid_size_out, bid_size),
        (ask_out, ask, ask_size_out, ask_size),
    ):
        assert (price, size) == ((price_in, size_in) if price_in > 0 else (None, None))
        assert price is None or 0 < price < MAX_PRICE
        assert size is None or 0 <= size < MAX_SIZE
    whole = bool(bid_out and ask_out and bid_size_out and ask_size_out)
    assert bool(flags & Flag.ONE_SIDED) == (not whole)
    both = bid_out is not None and ask_out is not None
    assert bool(flags & Flag.CROSSED) == (both and bid > ask)
    assert bool(flags & Flag.LOCKED) == (both and bid == ask)
    assert not flags & Flag.BACKWARD_TIME
    assert doubled == (bid + ask if both else 0)
    if flags == 0:
        assert whole
        assert bid < ask
        assert ask - bid <= max(0.1 * ask, 0.05 * (1 + 1e-9))


@pytest.mark.parametrize(
    ("quote", "flags"),
    [
        ((100.0, 1, 100.1, 1), 0),
        ((100.0, 1, 111.0, 1), 0),
        ((99.9, 1, 111.0, 1), 0),
        ((99.8, 1, 111.0, 1), Flag.SUSPICIOUS),
        ((100.0, 1, 111.2, 1), Flag.SUSPICIOUS),
        ((100.0, 1, 200.0, 1), Flag.SUSPICIOUS),
        ((100.0, 0, 100.1, 1), Flag.ONE_SIDED),
        ((100.0, 1, 100.1, 0), Flag.ONE_SIDED),
        ((100.0, 0, 200.0, 1), Flag.ONE_SIDED),
        ((100.1, 1, 100.0, 1), Flag.CROSSED),
        ((100.1, 0, 100.0, 1), Flag.CROSSED | Flag.ONE_SIDED),
        ((100.0, 1, 100.0, 1), Flag.LOCKED),
        ((0.0, 5, 100.0, 1), Flag.ONE_SIDED),
        ((100.0, 5, 0.0, 1), Flag.ONE_SIDED),
        ((0.0, 0, 0.0, 0), Flag.ONE_SIDED),
        ((0.05, 1, 0.06, 1), 0),
        ((0.06, 1, 0.07, 1), 0),
        ((0.05, 1, 0.061, 1), Flag.SUSPICIOUS),
        ((0.0001, 1, 0.01, 1), 0),
    ],
)
def test_flags(quote: tuple[float, float, float, float], flags: int) -> None:
    judged = judge(*quote, "SPY", UTC_NS)
    assert judged is not None
    assert judged[4] == flags


def test_a_pair_has_no_cent_below_which_a_spread_is_small() -> None:
    judged = judge(0.00001, 1, 0.009, 1, "SHIB/USD", UTC_NS)
    assert judged is not None
    assert judged[4] == Flag.SUSPICIOUS


@pytest.mark.parametrize(
    ("quote", "invalid"),
    [
        ((MAX_PRICE, 1, MAX_PRICE * 1.01, 1), True),
        ((MAX_PRICE * 0.98, 1, MAX_PRICE * 0.99, 1), False),
        ((100.0, 1, MAX_PRICE, 1), True),
        ((MAX_PRICE, 1, 100.0, 1), True),
        ((-MAX_PRICE, 1, 100.0, 1), True),
        ((100.0, 1, -MAX_PRICE, 1), True),
        ((100.0, MAX_SIZE, 100.1, 1), True),
        ((100.0, 1, 100.1, MAX_SIZE), True),
        ((100.0, -1, 100.1, 1), True),
        ((100.0, 1, 100.1, -1), True),
        ((-5.0, 1, 100.1, 1), False),
        ((100.0, MAX_SIZE / 2, 100.1, MAX_SIZE / 2), False),
    ],
)
def test_what_is_beyond_any_market_is_no_quote(quote: tuple[float, float, float, float], invalid: bool) -> None:
    assert (judge(*quote, "SPY", UTC_NS) is None) == invalid


BANDS = Bands(99.0, 101.0, UTC_NS)


@pytest.mark.parametrize(
    ("bid", "ask", "after_ns", "flags"),
    [
        (99.0, 101.0, 0, 0),
        (98.99, 100.0, 0, Flag.SUSPICIOUS),
        (99.5, 101.01, 0, Flag.SUSPICIOUS),
        (101.5, 102.0, 0, Flag.SUSPICIOUS),
        (97.0, 98.0, 0, Flag.SUSPICIOUS),
        (98.0, 100.0, -1, 0),
        (98.0, 100.0, BANDS_NS, Flag.SUSPICIOUS),
        (98.0, 100.0, BANDS_NS + 1, 0),
        (0.0, 100.0, 0, Flag.ONE_SIDED),
        (100.0, 0.0, 0, Flag.ONE_SIDED),
        (101.0, 0.0, 0, Flag.ONE_SIDED),
        (0.0, 99.0, 0, Flag.ONE_SIDED),
        (0.0, 102.0, 0, Flag.ONE_SIDED | Flag.SUSPICIOUS),
        (98.0, 0.0, 0, Flag.ONE_SIDED | Flag.SUSPICIOUS),
    ],
)
def test_outside_the_bands_is_suspicious_and_changes_nothing_else(
    bid: float, ask: float, after_ns: int, flags: int
) -> None:
    judged = judge(bid, 1, ask, 1, "SPY", UTC_NS)
    assert judged is not None
    banded = apply_bands(judged, BANDS, UTC_NS + after_ns)
    assert banded[4] == flags
    assert (banded[:4], banded[5]) == (judged[:4], judged[5])


@pytest.mark.parametrize(
    ("low", "high", "read"),
    [
        (99, 101, True),
        (0.4, 0.6, True),
        (101, 99, False),
        (100, 100, False),
        (0, 100, False),
        (99, MAX_PRICE, False),
        (99, NAN, False),
    ],
)
def test_bands_that_make_no_sense_are_none(low: float, high: float, read: bool) -> None:
    assert read_bands(low, high, 7) == (Bands(low, high, 7) if read else None)


@pytest.mark.parametrize(
    ("price", "size", "sane"),
    [(100, 1, True), (100, 0, True), (0, 1, False), (-1, 1, False), (MAX_PRICE, 1, False), (100, -1, False),
     (100, MAX_SIZE, False), (100, MAX_SIZE / 2, True), (0.0001, 1, True)],
)  # fmt: skip
def test_a_trade_has_a_price_and_no_negative_size(price: float, size: float, sane: bool) -> None:
    assert is_sane_trade(price, size) == sane


@QUICK
@given(number, number)
def test_trades(price: float, size: float) -> None:
    if is_sane_trade(price, size):
        assert 0 < price < MAX_PRICE
        assert 0 <= size < MAX_SIZE
    else:
        assert not (0.01 <= price <= 1e8 and 0 <= size <= 1e11)


def test_bounds_are_what_they_say() -> None:
    """A price below a billion, a size below a trillion, bands of ten minutes, a spread of a tenth of the ask."""
    beyond, below = 1e9, 1e9 - 1
    assert is_sane_trade(below, 1)
    assert not is_sane_trade(beyond, 1)
    assert not is_sane_trade(1, 1e12)
    assert is_sane_trade(1, 1e12 - 1)
    assert judge(beyond - 2, 1, below, 1, "SPY", UTC_NS) is not None
    assert judge(below, 1, beyond, 1, "SPY", UTC_NS) is None
    assert judge(1, 1e12, 1.01, 1, "SPY", UTC_NS) is None
    assert judge(1, 1, 1.01, 1e12, "SPY", UTC_NS) is None
    assert judge(-beyond, 0, 1, 1, "SPY", UTC_NS) is None
    assert judge(1, 1, -beyond, 0, "SPY", UTC_NS) is None
    bands = Bands(10.0, 20.0, 0)
    outside = (9.0, 1.0, 9.5, 1.0, 0, 18.5)
    assert apply_bands(outside, bands, 600 * 10**9)[4] == Flag.SUSPICIOUS
    assert apply_bands(outside, bands, 600 * 10**9 + 1) == outside
    assert read_bands(1.0, beyond, 0) is None
    assert read_bands(1.0, below, 0) is not None
    wide, just = judge(90.0, 1, 100.0, 1, "SPY", UTC_NS), judge(89.99, 1, 100.0, 1, "SPY", UTC_NS)
    assert wide is not None
    assert just is not None
    assert (wide[4], just[4]) == (0, Flag.SUSPICIOUS)

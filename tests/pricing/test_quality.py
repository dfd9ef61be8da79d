"""No absent, negative, infinite or undefined price ever passes, and every oddity carries its flag."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quotebus.bus.events import Flag
from quotebus.pricing.quality import MAX_PRICE, MAX_SIZE, is_sane_trade, judge
from tests.support.samples import QUICK

NAN, INF = math.nan, math.inf
number = st.one_of(
    st.floats(),
    st.floats(0.01, 1000),
    st.sampled_from([0.0, -0.0, -1.0, 5e-324, 1.0, 100.0, 100.01, MAX_PRICE, MAX_SIZE, 1e308, INF, -INF, NAN]),
)


@QUICK
@given(number, number, number, number, st.one_of(st.just(0.0), st.floats(0.01, 1000)))
@example(100.0, 0.0, 100.0, 0.0, 0.0)
@example(101.0, 1.0, 100.0, 1.0, 200.0)
def test_what_passes_is_a_price_and_says_what_is_wrong_with_it(
    bid: float, bid_size: float, ask: float, ask_size: float, held: float
) -> None:
    judged = judge(bid, bid_size, ask, ask_size, held)
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
        assert ask - bid <= 0.1 * ask
        assert held == 0 or 0.8 * held <= doubled <= 1.2 * held


@pytest.mark.parametrize(
    ("quote", "held", "flags"),
    [
        ((100.0, 1, 100.1, 1), 0.0, 0),
        ((100.0, 1, 100.1, 1), 200.0, 0),
        ((100.0, 1, 111.0, 1), 0.0, 0),
        ((100.0, 1, 111.2, 1), 0.0, Flag.SUSPICIOUS),
        ((130.0, 1, 130.1, 1), 200.0, Flag.SUSPICIOUS),
        ((70.0, 1, 70.1, 1), 200.0, Flag.SUSPICIOUS),
        ((100.0, 0, 100.1, 1), 0.0, Flag.ONE_SIDED),
        ((100.1, 1, 100.0, 1), 0.0, Flag.CROSSED),
        ((100.1, 0, 100.0, 1), 0.0, Flag.CROSSED | Flag.ONE_SIDED),
        ((100.0, 1, 100.0, 1), 0.0, Flag.LOCKED),
        ((0.0, 5, 100.0, 1), 0.0, Flag.ONE_SIDED),
        ((0.0, 0, 0.0, 0), 0.0, Flag.ONE_SIDED),
    ],
)
def test_flags(quote: tuple[float, float, float, float], held: float, flags: int) -> None:
    judged = judge(*quote, held)
    assert judged is not None
    assert judged[4] == flags


@QUICK
@given(number, number)
def test_trades(price: float, size: float) -> None:
    if is_sane_trade(price, size):
        assert 0 < price < MAX_PRICE
        assert 0 <= size < MAX_SIZE
    else:
        assert not (0.01 <= price <= 1e8 and 0 <= size <= 1e11)

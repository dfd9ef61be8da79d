"""Events are frozen values; a mid exists only where a market does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus import codec
from quotebus.bus.events import Cause, ConnectionHealth, ConnectionState, Flag, Quote, SymbolState, SymbolStatus
from quotebus.bus.protocol import CHANNELS
from tests.support.samples import HEALTH, QUOTE, STATUS, like


def test_mid_and_spread() -> None:
    quote = like(QUOTE, bid_price=10.0, ask_price=10.5)
    assert (quote.mid, quote.spread) == (10.25, 0.5)
    locked = like(QUOTE, bid_price=10.0, ask_price=10.0)
    assert (locked.mid, locked.spread) == (10.0, 0.0)


@pytest.mark.parametrize(
    ("bid", "ask", "mid", "spread"),
    [
        (479.78, 479.79, "479.785", "0.01"),
        (0.05, 0.06, "0.055", "0.01"),
        (65432.12345678, 65432.12345680, "65432.12345679", "2e-08"),
        (0.00001234, 0.00001235, "1.2345e-05", "1e-08"),
        (999.99, 1000.01, "1000.0", "0.02"),
    ],
)
def test_a_mid_and_a_spread_print_as_prices(bid: float, ask: float, mid: str, spread: str) -> None:
    quote = like(QUOTE, bid_price=bid, ask_price=ask)
    assert (repr(quote.mid), repr(quote.spread)) == (mid, spread)


@given(st.floats(1e-9, 1e9), st.floats(1, 1.5))
def test_a_mid_is_never_outside_the_market(bid: float, ratio: float) -> None:
    quote: Quote = like(QUOTE, bid_price=bid, ask_price=bid * ratio)
    assert quote.mid is not None
    assert quote.ask_price is not None
    assert bid <= quote.mid <= quote.ask_price
    assert quote.mid == pytest.approx((bid + quote.ask_price) / 2, rel=1e-14)


def test_a_state_and_a_cause_are_always_of_the_enums_type() -> None:
    health, status = codec.decode(codec.encode(HEALTH)), codec.decode(codec.encode(STATUS))
    assert isinstance(health, ConnectionHealth)
    assert isinstance(status, SymbolStatus)
    assert (health.state, status.state) == (ConnectionState.STREAMING, SymbolState.LIVE)
    assert health.state is ConnectionState.STREAMING
    assert (type(health.cause), type(status.state), type(status.cause)) == (Cause, SymbolState, Cause)
    newer = like(HEALTH, state="dozing", cause="new_moon")
    read = codec.decode(codec.encode(newer))
    assert isinstance(read, ConnectionHealth)
    assert (type(read.state), type(read.cause)) == (ConnectionState, Cause)
    assert f"{read.state} {read.cause}" == "dozing new_moon"
    assert codec.encode(read) == codec.encode(newer), "a newer publisher's names stay as they were"
    assert "dozing" not in [member.value for member in ConnectionState]


@pytest.mark.parametrize(("bid", "ask"), [(None, 10.0), (10.0, None), (None, None), (10.5, 10.0)])
def test_no_mid_without_a_market(bid: float | None, ask: float | None) -> None:
    quote: Quote = like(QUOTE, bid_price=bid, ask_price=ask)
    assert quote.mid is None
    assert quote.spread is None


def test_events_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        QUOTE.bid_price = 1.0  # type: ignore[misc]


def test_flag_bits_never_move() -> None:
    assert [(flag.name, flag.value) for flag in Flag] == [
        ("ONE_SIDED", 1),
        ("CROSSED", 2),
        ("LOCKED", 4),
        ("BACKWARD_TIME", 8),
        ("SUSPICIOUS", 16),
    ]
    assert CHANNELS == ("quotes", "trades")

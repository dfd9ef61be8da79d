"""Events are frozen values; a mid exists only where a market does."""

from __future__ import annotations

import pytest

from quotebus.bus.events import Flag, Quote
from quotebus.bus.protocol import CHANNELS
from tests.support.samples import QUOTE, like


def test_mid_and_spread() -> None:
    quote = like(QUOTE, bid_price=10.0, ask_price=10.5)
    assert (quote.mid, quote.spread) == (10.25, 0.5)
    locked = like(QUOTE, bid_price=10.0, ask_price=10.0)
    assert (locked.mid, locked.spread) == (10.0, 0.0)


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

"""Checks on one quote: absent sides removed, flags set, invalid values refused. Pure.

A price of 0 or less is the usual wire form of an absent side and is never passed on as a price. Limits are wide on
purpose: they separate garbage from markets, not good markets from bad ones. Whether the price jumped, which only the
quotes before it can tell, is for `level.py` to say.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Flag
from quotebus.pricing.ticks import is_few_ticks

MAX_PRICE = 1e9
MAX_SIZE = 1e12
SUSPICIOUS_SPREAD = 0.10
"""Spread over ask; a stock's normal quote is far below."""

BANDS_NS = 600 * NS_PER_S

_ONE_SIDED, _CROSSED, _LOCKED = int(Flag.ONE_SIDED), int(Flag.CROSSED), int(Flag.LOCKED)
_SUSPICIOUS = int(Flag.SUSPICIOUS)

Sides: TypeAlias = tuple[float | None, float | None, float | None, float | None, int, float]
"""Bid, bid size, ask, ask size, flags, and bid + ask (0 when there is no mid)."""


def judge(bid: float, bid_size: float, ask: float, ask_size: float, symbol: str, utc_ns: int) -> Sides | None:
    """The quote as it may be published, or None if it is invalid (NaN, infinite, beyond any market).

    `symbol` and `utc_ns`, the time of receipt, say how large a tick is.
    """
    if 0 < bid < ask < MAX_PRICE and 0 < bid_size < MAX_SIZE and 0 < ask_size < MAX_SIZE:
        if ask - bid > ask * SUSPICIOUS_SPREAD and not is_few_ticks(ask - bid, symbol, bid, utc_ns):
            return bid, bid_size, ask, ask_size, _SUSPICIOUS, bid + ask
        return bid, bid_size, ask, ask_size, 0, bid + ask
    # Written so that a NaN, which no comparison accepts, is refused.
    if not (-MAX_PRICE < bid < MAX_PRICE and -MAX_PRICE < ask < MAX_PRICE):
        return None
    if not (0 <= bid_size < MAX_SIZE and 0 <= ask_size < MAX_SIZE):
        return None
    has_bid, has_ask = bid > 0, ask > 0
    flags = 0 if has_bid and has_ask and bid_size > 0 and ask_size > 0 else _ONE_SIDED
    doubled = 0.0
    if has_bid and has_ask:
        doubled = bid + ask
        if bid > ask:
            flags |= _CROSSED
        elif bid == ask:
            flags |= _LOCKED
    return (
        bid if has_bid else None,
        bid_size if has_bid else None,
        ask if has_ask else None,
        ask_size if has_ask else None,
        flags,
        doubled,
    )


def is_sane_trade(price: float, size: float) -> bool:
    """Whether price and size are those of a real trade."""
    return 0 < price < MAX_PRICE and 0 <= size < MAX_SIZE


class Bands(NamedTuple):
    """Limit down and limit up of a symbol, and when they were published (UTC ns)."""

    low: float
    high: float
    given_ns: int


def read_bands(low: float, high: float, given_ns: int) -> Bands | None:
    """The bands of one record; None when they make no sense."""
    return Bands(low, high, given_ns) if 0 < low < high < MAX_PRICE else None


def apply_bands(sides: Sides, bands: Bands, exchange_ns: int) -> Sides:
    """The quote, flagged `suspicious` when a side lies outside the bands, where it cannot be executed.

    Source: the limit-up limit-down plan. Bands hold for `BANDS_NS` only: without a session calendar nothing else keeps
    yesterday's bands from being applied to today's prices.
    """
    bid, bid_size, ask, ask_size, flags, doubled = sides
    if not 0 <= exchange_ns - bands.given_ns <= BANDS_NS:
        return sides
    if (bid is not None and not bands.low <= bid <= bands.high) or (
        ask is not None and not bands.low <= ask <= bands.high
    ):
        return bid, bid_size, ask, ask_size, flags | _SUSPICIOUS, doubled
    return sides

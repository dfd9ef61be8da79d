"""Price increments as data, by kind of symbol, price and date, and what follows from them for a quote's check. Pure.

A ratio says nothing about a price of a few cents: 0.05 x 0.06 is one cent wide, and 18 % of the price.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from quotebus.pricing.new_york import read_day, to_utc_ns

MOST_TICKS = 5
CENT = 0.01
_ROUNDING = 1 + 1e-9
"""0.07 - 0.06 is a little more than 0.01."""


class TickRule(NamedTuple):
    """One row: prices from `low` up to below `high` move in steps of `tick`, from and until a time (UTC ns)."""

    low: float
    high: float
    tick: float
    from_ns: int
    until_ns: int
    source: str


_RULE_612_NS = to_utc_ns(read_day("2006-01-31"), 0)
_HALF_PENNY_NS = to_utc_ns(read_day("2027-11-01"), 0)
STOCK_TICKS: tuple[TickRule, ...] = (
    TickRule(1.0, inf, 0.01, _RULE_612_NS, _HALF_PENNY_NS, "17 CFR 242.612(a); SEC Release 34-105656 for its end"),
    TickRule(0.0, 1.0, 0.0001, _RULE_612_NS, _HALF_PENNY_NS, "17 CFR 242.612(b)"),
)
"""US stocks. On the first business day of November 2027 half-penny ticks begin for some symbols: from then on the
increment is not known here."""


def find_tick(symbol: str, price: float, utc_ns: int) -> float | None:
    """The increment of a price in dollars; None where it is not known: pairs such as BTC/USD, dates without a row."""
    if "/" in symbol:
        return None
    for rule in STOCK_TICKS:
        if rule.low <= price < rule.high and rule.from_ns <= utc_ns < rule.until_ns:
            return rule.tick
    return None


def is_few_ticks(difference: float, symbol: str, price: float, utc_ns: int) -> bool:
    """Whether a spread or a move is at most five ticks or, of a stock, a cent: too little to be suspicious."""
    tick = find_tick(symbol, price, utc_ns) or 0.0
    cent = 0.0 if "/" in symbol else CENT
    return difference <= max(MOST_TICKS * tick, cent) * _ROUNDING

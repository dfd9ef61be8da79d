"""Which symbols exist on the simulated exchange, and how each one behaves. Pure.

Every symbol that fits `[A-Z][A-Z0-9./-]{0,10}` ticks, except those that begin with `ZZ`: they stand for symbols unknown
to the exchange, which Alpaca acknowledges and which never tick. `QUIET…` ticks once when it is subscribed, then once a
minute.
"""

from __future__ import annotations

import random
import re
from typing import NamedTuple

TICKING = re.compile(r"[A-Z][A-Z0-9./-]{0,10}\Z")
ACCEPTED = re.compile(r"(?:\*|[A-Za-z0-9][A-Za-z0-9./_-]{0,31})\Z")
UNKNOWN_PREFIX = "ZZ"
QUIET_PREFIX = "QUIET"
TEST_FEED_SYMBOL = "FAKEPACA"

# For each symbol its price in dollars, its weight and its tape.
WELL_KNOWN: dict[str, tuple[float, float, str]] = {
    "SPY": (560.0, 120.0, "B"), "QQQ": (480.0, 90.0, "C"), "NVDA": (120.0, 80.0, "C"), "TSLA": (240.0, 70.0, "C"),
    "AAPL": (220.0, 60.0, "C"), "MSFT": (420.0, 45.0, "C"), "AMZN": (185.0, 45.0, "C"), "AMD": (150.0, 45.0, "C"),
    "META": (520.0, 35.0, "C"), "GOOGL": (165.0, 35.0, "C"), "GOOG": (167.0, 20.0, "C"), "IWM": (220.0, 50.0, "B"),
    "DIA": (410.0, 15.0, "B"), "VOO": (515.0, 15.0, "B"), "GLD": (235.0, 15.0, "B"), "TLT": (98.0, 25.0, "C"),
    "XLF": (44.0, 20.0, "B"), "EEM": (43.0, 12.0, "B"), "INTC": (22.0, 35.0, "C"), "NFLX": (680.0, 15.0, "C"),
    "BAC": (40.0, 20.0, "A"), "JPM": (210.0, 15.0, "A"), "F": (10.5, 25.0, "A"), "T": (21.0, 15.0, "A"),
    "GE": (175.0, 8.0, "A"), "IBM": (200.0, 6.0, "A"), "KO": (70.0, 8.0, "A"), "DIS": (90.0, 12.0, "A"),
    "WMT": (77.0, 10.0, "A"), "XOM": (115.0, 12.0, "A"), "PFE": (29.0, 15.0, "A"), "BA": (160.0, 10.0, "A"),
    "PLTR": (32.0, 40.0, "A"), "SOFI": (7.5, 30.0, "C"), "NIO": (4.6, 20.0, "A"), "COIN": (200.0, 20.0, "C"),
    "FAKEPACA": (134.0, 20.0, "C"), "BRK.B": (460.0, 4.0, "A"), "BRK.A": (690_000.0, 0.2, "A"),
}  # fmt: skip


class Profile(NamedTuple):
    """How one symbol behaves: its price at the start, widest spread and step, all in ticks, and its weight and tape."""

    symbol: str
    ticks_per_dollar: int
    price_ticks: int
    most_spread_ticks: int
    step_ticks: int
    weight: float
    tape: str


def ticks(symbol: str) -> bool:
    """Whether a symbol ever ticks."""
    return TICKING.match(symbol) is not None and not symbol.startswith(UNKNOWN_PREFIX)


def make_profile(seed: int, symbol: str) -> Profile:
    """The profile of a symbol, the same for the same seed. Weights are heavy-tailed: few symbols make most ticks."""
    rng = random.Random(f"profile/{seed}/{symbol}")
    price, weight, tape = WELL_KNOWN.get(symbol) or (
        min(900.0, max(0.05, rng.lognormvariate(3.2, 1.3))),
        min(40.0, 0.5 * rng.paretovariate(1.1)),
        rng.choice("AABCC"),
    )
    ticks_per_dollar = 100 if price >= 1 else 10_000
    price_ticks = int(price * ticks_per_dollar * rng.uniform(0.99, 1.0))
    most_spread = 1 if weight >= 40 else 2 if weight >= 15 else 3 if weight >= 5 else 5
    return Profile(
        symbol, ticks_per_dollar, max(price_ticks, 200), most_spread, max(1, price_ticks // 20_000), weight, tape
    )

"""Seeded prices of one symbol: a random walk on its ticks. Pure.

Values depend only on the seed and the symbol; `t_ns` is passed in. Quotes and trades draw from separate sources,
so that asking for trades does not change the quotes.
"""

from __future__ import annotations

import random

from quotebus.pricing.simulator.records import Quote, Trade
from quotebus.pricing.simulator.symbols import make_profile

STEPS = (-2, -1, -1, 0, 0, 1, 1, 2)
SIZES = (100, 100, 100, 200, 200, 300, 100, 400, 120, 500, 280, 800, 1000, 100, 1500, 3000)
EXCHANGES = {"A": "NNPZ", "B": "PPKZ", "C": "QQVK"}
TRADE_SHARE = 0.2


class SymbolMarket:
    """The market of one symbol, `last` its newest quote.

    The bid is below the ask, both are on the tick grid, and `t_ns` is strictly increasing.
    """

    def __init__(self, seed: int, symbol: str) -> None:
        self.profile = make_profile(seed, symbol)
        self._symbol = symbol
        self._quotes = random.Random(f"quotes/{seed}/{symbol}")
        self._trade_seed = f"trades/{seed}/{symbol}"
        self._trades: random.Random | None = None
        self._bid = self.profile.price_ticks
        self._least = max(self.profile.price_ticks // 2, 100)
        self._most = self._ceiling()
        self._ask = self._bid + 1
        self._t_ns = 0
        self._trade_id = 0
        self.last: Quote | None = None
        self.last_trade: Trade | None = None

    def _ceiling(self) -> int:
        doubled = self.profile.price_ticks * 2
        if self.profile.ticks_per_dollar == 100:
            return doubled
        return max(self.profile.price_ticks, min(doubled, self.profile.ticks_per_dollar - 100))

    def next_t_ns(self, utc_ns: int) -> int:
        """The exchange time of something that happens at `utc_ns`: later than everything before it on this symbol."""
        if utc_ns <= self._t_ns:
            utc_ns = self._t_ns + 1
        self._t_ns = utc_ns
        return utc_ns

    def next_quote(self, utc_ns: int) -> Quote:
        """The next quote."""
        bits = self._quotes.getrandbits(40)
        _, per_dollar, _, most_spread, step, _, tape = self.profile
        bid = self._bid + STEPS[bits & 7] * (1 + (bits >> 19) % step)
        if bid < self._least:
            bid = 2 * self._least - bid
        elif bid > self._most:
            bid = 2 * self._most - bid
        self._bid = bid
        self._ask = ask = bid + 1 + ((bits >> 3) & 15) % most_spread
        if utc_ns <= self._t_ns:
            utc_ns = self._t_ns + 1
        self._t_ns = utc_ns
        venues = EXCHANGES[tape]
        self.last = quote = Quote(
            self._symbol,
            venues[(bits >> 7) & 3],
            bid / per_dollar,
            SIZES[(bits >> 9) & 15],
            venues[(bits >> 13) & 3],
            ask / per_dollar,
            SIZES[(bits >> 15) & 15],
            tape,
            utc_ns,
        )
        return quote

    def next_trade(self, utc_ns: int) -> Trade | None:
        """A trade at the newest quote's bid or ask, or None: there is one for about every fifth quote."""
        if self._trades is None:
            self._trades = random.Random(self._trade_seed)
        elif self._trades.random() >= TRADE_SHARE:
            return None
        bits = self._trades.getrandbits(16)
        self._trade_id += 1
        price = (self._bid if bits & 1 else self._ask) / self.profile.ticks_per_dollar
        venue = EXCHANGES[self.profile.tape][(bits >> 1) & 3]
        size = 1 + (bits >> 3) % 400
        t_ns = self.next_t_ns(utc_ns)
        self.last_trade = Trade(self._symbol, self._trade_id, venue, price, size, self.profile.tape, t_ns)
        return self.last_trade

"""Which symbol ticks when. Pure: takes `now_ns`, returns symbols.

New symbols tick before all others, all of them within about a second; after that symbols are drawn by weight.
Quiet symbols tick when they are new and then once a minute.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import accumulate

NS_PER_S = 1_000_000_000
FIRST_TICKS_NS = 800_000_000
QUIET_INTERVAL_NS = 60 * NS_PER_S
MOST_BEHIND_NS = 250_000_000
LONGEST_INTERVAL_NS = 86_400 * NS_PER_S
"""Between two ticks at the slowest rates, so that there is always a next time to wait for."""


class Schedule:
    """The order and times of ticks at `rate` quotes per second over all symbols; 0: whenever `due` is called."""

    def __init__(self, rate: float, rng: random.Random) -> None:
        self._rng = rng
        self._names: list[str] = []
        self._totals: list[float] = []
        self._quiet: dict[str, int] = {}
        self._first: deque[str] = deque()
        self._wanted: set[str] = set()
        self._first_interval_ns = 0
        self._next_ns = 0
        self.rate = 0.0
        self.set_rate(rate, 0)

    def set_rate(self, rate: float, now_ns: int) -> None:
        """Change the rate from now on."""
        self.rate = rate
        self._interval_ns = max(1, round(min(NS_PER_S / rate, LONGEST_INTERVAL_NS))) if rate else 0
        self._next_ns = now_ns + self._interval_ns
        self._spread_first()

    def set_symbols(self, weights: Mapping[str, float], quiet: Iterable[str]) -> None:
        """Replace the symbols that tick; the schedule of all others is dropped."""
        self._names = list(weights)
        self._totals = list(accumulate(weights.values()))
        self._quiet = {symbol: self._quiet.get(symbol, 1 << 62) for symbol in quiet}
        self._wanted = {*self._names, *self._quiet}
        self._first = deque(symbol for symbol in self._first if symbol in self._wanted)

    def add_first(self, symbols: Iterable[str], now_ns: int) -> None:
        """Let these symbols tick before all others."""
        waiting = set(self._first)
        fresh = [symbol for symbol in symbols if symbol in self._wanted and symbol not in waiting]
        if not fresh:
            return
        if not self._first:
            self._next_ns = now_ns
        self._first.extend(fresh)
        self._spread_first()

    def _spread_first(self) -> None:
        even = FIRST_TICKS_NS // max(1, len(self._first))
        self._first_interval_ns = min(self._interval_ns, even)

    def mean_ns(self, symbol: str) -> int:
        """About how much time is between two ticks of this symbol."""
        return QUIET_INTERVAL_NS if symbol in self._quiet else self._interval_ns * max(1, len(self._names))

    def next_ns(self) -> int | None:
        """When the next tick is due; None if there are no symbols."""
        times = []
        if self._first or self._names:
            times.append(self._next_ns if self.rate else 0)
        if self._quiet:
            times.append(min(self._quiet.values()))
        return min(times, default=None)

    def due(self, now_ns: int, most: int) -> list[str]:
        """The symbols that tick now, at most `most`. Ticks more than a quarter of a second late are skipped."""
        symbols = self._due_quiet(now_ns)
        if not self.rate:
            while self._first and len(symbols) < most:
                symbols.append(self._pop_first(now_ns))
            if self._names and len(symbols) < most:
                symbols += self._rng.choices(self._names, cum_weights=self._totals, k=most - len(symbols))
            return symbols
        self._next_ns = max(self._next_ns, now_ns - MOST_BEHIND_NS)
        while self._first and self._next_ns <= now_ns and len(symbols) < most:
            symbols.append(self._pop_first(now_ns))
            self._next_ns += self._first_interval_ns
        if self._names and not self._first and self._next_ns <= now_ns and len(symbols) < most:
            count = min(most - len(symbols), (now_ns - self._next_ns) // self._interval_ns + 1)
            symbols += self._rng.choices(self._names, cum_weights=self._totals, k=count)
            self._next_ns += count * self._interval_ns
        return symbols

    def _pop_first(self, now_ns: int) -> str:
        symbol = self._first.popleft()
        if symbol in self._quiet:
            self._quiet[symbol] = now_ns + QUIET_INTERVAL_NS
        return symbol

    def _due_quiet(self, now_ns: int) -> list[str]:
        late = [symbol for symbol, due_ns in self._quiet.items() if due_ns <= now_ns]
        for symbol in late:
            self._quiet[symbol] = now_ns + QUIET_INTERVAL_NS
        return late

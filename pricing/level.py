"""The level of a symbol's price: what a jump is measured against, and when a new level is believed. Pure.

The level is the mid of the last clean quote of this session. A quote far from it is a candidate for a new level, and
suspicious until one of these proves it:

- three quotes that agree, over at least 200 ms;
- one that stands for 5 s without another that contradicts it;
- a trade within 5 % of it.

A quote near the level ends the candidate: a stub between two good quotes changes nothing, and the good one behind it is
not the one that is blamed. What is one-sided, crossed, locked or too wide becomes neither level nor candidate.

Mids are kept doubled, as bid + ask. Times are of the clock that the quotes were received by.
"""

from __future__ import annotations

from math import inf

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.events import Flag
from quotebus.pricing.quality import Sides
from quotebus.pricing.ticks import is_few_ticks

JUMP = 0.20
"""Change of the mid against the level that is suspicious."""
AGREES = 0.05
"""Two mids so close to each other speak of the same level."""
AGREEING = 3
AGREEING_NS = 200 * NS_PER_MS
STOOD_NS = 5 * NS_PER_S
TRADE_NS = STOOD_NS
"""How long before a quote a trade may have come to prove it."""
_LOW, _HIGH = 1 - JUMP, 1 + JUMP
_SUSPICIOUS = int(Flag.SUSPICIOUS)


class Candidate:
    """A level that is not believed yet: its newest mid, and since when so many quotes agree on it.

    `stands_ns`: since when nothing else has been quoted; None while something else, though no level, is.
    """

    __slots__ = ("count", "doubled", "since_ns", "stands_ns")

    def __init__(self, doubled: float, at_ns: int) -> None:
        self.doubled = doubled
        self.since_ns = at_ns
        self.stands_ns: int | None = at_ns
        self.count = 1


class Level:
    """One symbol's level in one session; there is none before the first clean quote, which is believed."""

    __slots__ = ("candidate", "doubled", "high", "low", "symbol", "trade_ns", "trade_price")

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.doubled = 0.0
        self.low, self.high = 0.0, inf
        self.candidate: Candidate | None = None
        self.trade_price = 0.0
        self.trade_ns = 0

    def judge(self, sides: Sides, at_ns: int, utc_ns: int) -> Sides:
        """The quote, flagged `suspicious` when its jump is not believed. Every quote in order of time comes here.

        `at_ns` and `utc_ns` are the time of receipt, by the clock that never steps and in UTC.
        """
        if sides[4]:
            if self.candidate is not None:
                self.candidate.stands_ns = None
            return sides
        doubled = sides[5]
        if self.low <= doubled <= self.high:
            self._follow(doubled)
            return sides
        self.on_time(at_ns)
        if self._is_near_level(doubled, utc_ns) or self._is_believed(doubled, at_ns, utc_ns):
            self._follow(doubled)
            return sides
        return (*sides[:4], _SUSPICIOUS, doubled)

    def on_trade(self, price: float, at_ns: int) -> bool:
        """A trade that may set the last price, received at `at_ns`. True when it proves the candidate."""
        self.trade_price, self.trade_ns = price, at_ns
        candidate = self.candidate
        if candidate is None or not _agree(2 * price, candidate.doubled):
            return False
        self._follow(candidate.doubled)
        return True

    def on_time(self, at_ns: int) -> bool:
        """Time has passed. True when the candidate has stood for long enough."""
        due_ns = self.due_ns()
        if self.candidate is None or due_ns is None or at_ns < due_ns:
            return False
        self._follow(self.candidate.doubled)
        return True

    def due_ns(self) -> int | None:
        """When the candidate will have stood for long enough; None while it does not stand."""
        if self.candidate is None or self.candidate.stands_ns is None:
            return None
        return self.candidate.stands_ns + STOOD_NS

    def is_inside(self, low: float, high: float) -> bool:
        """Whether there is a level, and it lies between these prices. A quote outside limit down and limit up never
        becomes the level: if that is outside of them, they are wrong, or not of this market yet.
        """
        return low <= self.doubled / 2 <= high

    def interrupt(self) -> None:
        """The candidate's quote stands no longer: what came after it could not be read, or the connection was lost."""
        if self.candidate is not None:
            self.candidate.stands_ns = None

    def _follow(self, doubled: float) -> None:
        self.doubled = doubled
        self.low, self.high = doubled * _LOW, doubled * _HIGH
        self.candidate = None

    def _is_near_level(self, doubled: float, utc_ns: int) -> bool:
        """Within the bounds, which may have moved just now, or so few ticks away that a ratio says nothing."""
        if self.low <= doubled <= self.high:
            return True
        return is_few_ticks(abs(doubled - self.doubled) / 2, self.symbol, min(doubled, self.doubled) / 2, utc_ns)

    def _is_believed(self, doubled: float, at_ns: int, utc_ns: int) -> bool:
        """Take a mid far from the level as a candidate, and say whether it is one no longer."""
        candidate = self.candidate
        if candidate is None or not self._is_same(doubled, candidate.doubled, utc_ns):
            candidate = self.candidate = Candidate(doubled, at_ns)
        else:
            candidate.doubled = doubled
            candidate.count += 1
            if candidate.stands_ns is None:
                candidate.stands_ns = at_ns
        if candidate.count >= AGREEING and at_ns - candidate.since_ns >= AGREEING_NS:
            return True
        return at_ns - self.trade_ns <= TRADE_NS and _agree(2 * self.trade_price, doubled)

    def _is_same(self, doubled: float, other: float, utc_ns: int) -> bool:
        if _agree(doubled, other):
            return True
        return is_few_ticks(abs(doubled - other) / 2, self.symbol, min(doubled, other) / 2, utc_ns)


def _agree(doubled: float, other: float) -> bool:
    return abs(doubled - other) <= AGREES * other

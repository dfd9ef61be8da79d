"""The last minutes of each symbol, second by second: bid, ask, and whether the price could be used. Pure.

Sampled from pictures, so a second in which no picture was taken is `UNKNOWN`: a gap is shown as a gap. Of several
pictures within a second the worst answer counts, and the newest price.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import nan
from typing import NamedTuple, Protocol

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.tap.usability import Usability

LENGTH_S = 600
MAX_HISTORIES = 2_000
"""Symbols with a history: 10 kB each. The others have none, and `left_out` counts them."""
UNKNOWN, USABLE, UNDECIDED, UNUSABLE = range(4)
_ANSWERS = {Usability.YES: USABLE, Usability.UNKNOWN: UNDECIDED, Usability.NO: UNUSABLE}


class PricedRow(Protocol):
    """What is sampled of a picture's row."""

    @property
    def symbol(self) -> str: ...
    @property
    def bid_price(self) -> float | None: ...
    @property
    def ask_price(self) -> float | None: ...
    @property
    def usable(self) -> Usability: ...


class PricePoint(NamedTuple):
    """One second. Prices are NaN where that side is absent, or nothing was looked at."""

    utc_s: int
    bid: float
    ask: float
    answer: int


@dataclass(slots=True)
class _History:
    """A ring of seconds; `newest_s` is the one that was sampled last."""

    newest_s: int
    bids: array[float] = field(default_factory=lambda: array("d", [nan]) * LENGTH_S)
    asks: array[float] = field(default_factory=lambda: array("d", [nan]) * LENGTH_S)
    answers: bytearray = field(default_factory=lambda: bytearray(LENGTH_S))


class PriceHistory:
    """Give it every picture's rows; memory is bounded by MAX_HISTORIES."""

    def __init__(self) -> None:
        self._histories: dict[str, _History] = {}
        self._since: dict[str, tuple[Usability, int]] = {}
        self.left_out = 0

    def sample(self, rows: Iterable[PricedRow], now_ns: int) -> None:
        """One picture. Time must not go back by more than a second: then a history begins anew."""
        now_s = now_ns // NS_PER_S
        since: dict[str, tuple[Usability, int]] = {}
        left_out = 0
        shown: set[str] = set()
        for row in rows:
            former = self._since.get(row.symbol)
            since[row.symbol] = former if former is not None and former[0] is row.usable else (row.usable, now_ns)
            history = self._histories.get(row.symbol)
            shown.add(row.symbol)
            if history is None:
                if len(self._histories) >= MAX_HISTORIES:
                    left_out += 1
                    continue
                history = self._histories[row.symbol] = _History(now_s - LENGTH_S)
            _advance(history, now_s)
            at = now_s % LENGTH_S
            if row.bid_price is not None:
                history.bids[at] = row.bid_price
            if row.ask_price is not None:
                history.asks[at] = row.ask_price
            history.answers[at] = max(history.answers[at], _ANSWERS[row.usable])
        if left_out:  # symbols that have no row any more give way
            for symbol in [symbol for symbol in self._histories if symbol not in shown]:
                del self._histories[symbol]
        self._since, self.left_out = since, left_out

    def since_ns(self, symbol: str) -> int | None:
        """Since when the symbol's answer is what it is, as far as was looked; None for an unknown symbol."""
        known = self._since.get(symbol)
        return None if known is None else known[1]

    def list_points(self, symbol: str, now_ns: int, length_s: int = LENGTH_S) -> list[PricePoint]:
        """The last `length_s` seconds, oldest first; empty for a symbol without a history."""
        history = self._histories.get(symbol)
        if history is None:
            return []
        now_s = now_ns // NS_PER_S
        points: list[PricePoint] = []
        for second in range(now_s - min(length_s, LENGTH_S) + 1, now_s + 1):
            at = second % LENGTH_S
            if history.newest_s - LENGTH_S < second <= history.newest_s:
                points.append(PricePoint(second, history.bids[at], history.asks[at], history.answers[at]))
            else:
                points.append(PricePoint(second, nan, nan, UNKNOWN))
        return points


def _advance(history: _History, now_s: int) -> None:
    """Empty the seconds between the last sample and now."""
    if now_s < history.newest_s - 1:
        history.newest_s = now_s - LENGTH_S
    for second in range(max(history.newest_s + 1, now_s - LENGTH_S + 1), now_s + 1):
        at = second % LENGTH_S
        history.bids[at] = history.asks[at] = nan
        history.answers[at] = UNKNOWN
    history.newest_s = max(history.newest_s, now_s)


def bucket_points(points: list[PricePoint], buckets: int) -> list[tuple[float | None, int]]:
    """Middle prices and answers in so many columns: of each column the last price, and the worst answer."""
    if not points:
        return []
    columns: list[tuple[float | None, int]] = []
    for number in range(buckets):
        part = points[number * len(points) // buckets : (number + 1) * len(points) // buckets]
        prices = [(bid + ask) / 2 for _, bid, ask, _ in part if bid == bid and ask == ask]
        columns.append((prices[-1] if prices else None, max((point.answer for point in part), default=UNKNOWN)))
    return columns


_BLOCKS = "▁▂▃▄▅▆▇█"


def draw_trend(points: list[PricePoint], width: int) -> str:
    """The middle price as blocks in so many columns; `×` where it could not be used, `·` where nothing was heard."""
    columns = bucket_points(points, width)
    known = [price for price, answer in columns if price is not None and answer != UNUSABLE]
    if not columns or all(answer == UNKNOWN for _, answer in columns):
        return ""
    low, high = min(known, default=0.0), max(known, default=0.0)
    drawn = []
    for price, answer in columns:
        if answer == UNUSABLE:
            drawn.append("×")
        elif price is None:
            drawn.append("·" if "".join(drawn).strip() else " ")
        else:
            drawn.append(_BLOCKS[int((price - low) / (high - low) * 7.999)] if high > low else _BLOCKS[3])
    return "".join(drawn)

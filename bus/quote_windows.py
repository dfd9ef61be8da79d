"""The newest quotes of some symbols, a bounded number of each. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from quotebus.bus.events import Quote
from quotebus.bus.tick_queue import TickQueue

MAX_LENGTH = 1_000_000


class QuoteWindows(TickQueue[Quote]):
    """Takes quotes as a feed does, and keeps those of the symbols that were looked at."""

    def __init__(self) -> None:
        super().__init__(conflate=False, bound=0)
        self._recent: dict[str, deque[Quote]] = {}

    def put(self, ticks: list[Quote]) -> int:
        """Keep what belongs to a window. Nothing is lost: what goes has been replaced."""
        recent = self._recent
        for quote in ticks:
            window = recent.get(quote.symbol)
            if window is not None:
                window.append(quote)
        return 0

    def look(self, symbol: str, length: int, newest: Quote | None) -> list[Quote]:
        """The newest quotes of a symbol, oldest first. The first look begins the window, with `newest` in it.

        Raises ValueError for a length outside 1 to a million.
        """
        if not 1 <= length <= MAX_LENGTH:
            raise ValueError(f"a window holds 1 to {MAX_LENGTH} quotes")
        window = self._recent.get(symbol)
        if window is None:
            window = self._recent[symbol] = deque(() if newest is None else (newest,), maxlen=length)
        elif length > (window.maxlen or 0):
            window = self._recent[symbol] = deque(window, maxlen=length)
        return list(window)[-length:]

    def keep_only(self, symbols: Iterable[str]) -> None:
        """Forget every window of a symbol that is no longer wanted."""
        for symbol in self._recent.keys() - set(symbols):
            del self._recent[symbol]

    def close(self) -> None:
        """What was kept can still be looked at."""

"""Which symbols are known to be halted, asked for or not, and which of these may be over. Pure.

The upstream says a halt once and does not repeat it to a new connection. A halt therefore outlives the line, an
eviction and a release; once its end may have been missed it is in doubt, and only a newer trade, or a status, ends it.
"""

from __future__ import annotations

from quotebus.bus.events import Cause

MAX_HALTS = 10_000
"""Beyond it the longest known is forgotten."""


class Halts:
    """Known halts by symbol."""

    def __init__(self) -> None:
        self.doubtful: set[str] = set()
        self._causes: dict[str, Cause] = {}

    def cause(self, symbol: str) -> Cause | None:
        """Why a symbol is halted; None when it is not known to be."""
        return self._causes.get(symbol)

    def begin(self, symbol: str, cause: Cause) -> None:
        """The upstream said so just now."""
        if symbol not in self._causes and len(self._causes) >= MAX_HALTS:
            self.end(next(iter(self._causes)))
        self._causes[symbol] = cause
        self.doubtful.discard(symbol)

    def end(self, symbol: str) -> bool:
        """Trading goes on; True when that had been in doubt."""
        self._causes.pop(symbol, None)
        if symbol in self.doubtful:
            self.doubtful.discard(symbol)
            return True
        return False

    def doubt(self, symbol: str) -> None:
        """From now on the end of its halt would not be heard."""
        if symbol in self._causes:
            self.doubtful.add(symbol)

    def doubt_all(self) -> None:
        """A new connection: what ended in between was not heard."""
        self.doubtful.update(self._causes)

"""Which symbols are known to be halted, wanted or not, and which of these halts may be over. Pure.

The upstream reports a halt once and does not repeat it to a new connection. A halt therefore outlives the connection,
an eviction and a release. Once its end may have been missed it is doubtful, and only a newer trade or a status ends it.
"""

from __future__ import annotations

from quotebus.bus.events import Cause

MAX_HALTS = 10_000
"""Beyond this the oldest one is forgotten."""


class Halts:
    """Known halts by symbol. `doubtful`: those that may have ended unnoticed."""

    def __init__(self) -> None:
        self.doubtful: set[str] = set()
        self._causes: dict[str, Cause] = {}

    def cause(self, symbol: str) -> Cause | None:
        """Why a symbol is halted; None when no halt is known."""
        return self._causes.get(symbol)

    def begin(self, symbol: str, cause: Cause) -> None:
        """The upstream has just reported a halt."""
        if symbol not in self._causes and len(self._causes) >= MAX_HALTS:
            self.end(next(iter(self._causes)))
        self._causes[symbol] = cause
        self.doubtful.discard(symbol)

    def end(self, symbol: str) -> bool:
        """Trading has resumed. True when the halt had been doubtful."""
        self._causes.pop(symbol, None)
        if symbol in self.doubtful:
            self.doubtful.discard(symbol)
            return True
        return False

    def doubt(self, symbol: str) -> None:
        """From now on the end of this symbol's halt would go unnoticed."""
        if symbol in self._causes:
            self.doubtful.add(symbol)

    def doubt_all(self) -> None:
        """A new connection: halts that ended in between went unnoticed."""
        self.doubtful.update(self._causes)

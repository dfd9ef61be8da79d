"""Symbols that are subscribed and have never ticked: they give way first where there is not room for all. Pure."""

from __future__ import annotations

from quotebus.bus.events import Cause, MarketSession, SymbolState
from quotebus.pricing.subscription_set import SubscriptionSet
from quotebus.pricing.symbols import SymbolTable

_TICKED = frozenset({SymbolState.LIVE, SymbolState.QUIET, SymbolState.STALE})


class FirstTicks:
    """`never`: wanted symbols that had their time to tick and did not use it; one that has given way stays among them,
    or it would be exchanged for the next again and again.
    """

    def __init__(self, symbols: SymbolTable, subscriptions: SubscriptionSet, within_ns: int) -> None:
        self.never: set[str] = set()
        self._symbols = symbols
        self._subscriptions = subscriptions
        self._within_ns = within_ns
        self._since_ns: dict[str, int] = {}
        self._session: MarketSession | None = None
        self._connection = 0

    def look(self, session: MarketSession, connection: int, now_ns: int) -> bool:
        """Look at all symbols of the connection of this number, which streams. True when others go first now."""
        entries = self._symbols.entries
        if session is not self._session:  # what has not ticked in the last one may tick in this one
            self._session = session
            self.never.clear()
            self._since_ns.clear()
        if connection != self._connection:
            self._connection = connection
            self._since_ns.clear()
        gone = {symbol for symbol in self.never if symbol not in entries or entries[symbol].state in _TICKED}
        self.never -= gone
        waiting = self._since_ns
        found: set[str] = set()
        for symbol, entry in list(entries.items()):
            if entry.state is not SymbolState.PENDING or not self._subscriptions.has_all(symbol):
                waiting.pop(symbol, None)
                continue
            if session is MarketSession.CLOSED:
                waiting[symbol] = now_ns
            elif now_ns - waiting.setdefault(symbol, now_ns) >= self._within_ns and symbol not in self.never:
                found.add(symbol)
            if symbol in found and entry.cause is Cause.NO_QUOTE_YET:
                self._symbols.move(symbol, SymbolState.PENDING, Cause.NEVER_TICKED, now_ns)
        for symbol in waiting.keys() - entries.keys():
            del waiting[symbol]
        self.never |= found
        return bool(found or gone)

"""What quotes, trades and trading statuses do to a symbol's state: live, quiet, stale, halted, and back. Pure."""

from __future__ import annotations

from quotebus.bus.events import Cause, SymbolState
from quotebus.pricing.demand import Demand
from quotebus.pricing.halts import Halts
from quotebus.pricing.messages import UpstreamStatus, read_halt
from quotebus.pricing.shared_state import SharedState
from quotebus.pricing.subscription_set import SubscriptionSet
from quotebus.pricing.symbols import SymbolTable

_TICKS = (SymbolState.PENDING, SymbolState.QUIET, SymbolState.STALE)
_UNTRADED = (SymbolState.REFUSED, SymbolState.EVICTED)


class SymbolLifecycle:
    """Moves symbols between states on the upstream connection number `connection`."""

    def __init__(
        self, demand: Demand, symbols: SymbolTable, subscriptions: SubscriptionSet, shared: SharedState
    ) -> None:
        self.halts = Halts()
        self.connection = 0
        self._demand = demand
        self._symbols = symbols
        self._subscriptions = subscriptions
        self._shared = shared

    def on_quote(self, symbol: str, now_ns: int) -> None:
        """The first good quote since the symbol was pending, quiet or stale."""
        if self._subscriptions.has_all(symbol) and self._symbols.state(symbol) in _TICKS:
            self._symbols.move(symbol, SymbolState.LIVE, Cause.DEMAND, now_ns)

    def on_trade(self, symbol: str, now_ns: int) -> bool:
        """A trade of a halted symbol (trading has resumed, though no status said so), or the first where only trades
        are wanted. True when the halt had been doubtful.
        """
        in_doubt = self._symbols.state(symbol) is SymbolState.HALTED and self._resume(symbol, now_ns)
        if self._trades_only(symbol) and self._symbols.state(symbol) in _TICKS and self._subscriptions.has_all(symbol):
            self._symbols.move(symbol, SymbolState.LIVE, Cause.DEMAND, now_ns)
        return in_doubt

    def on_bad_data(self, symbol: str, now_ns: int) -> None:
        """A quote of this symbol was invalid: the last good one may be outdated."""
        if self._symbols.state(symbol) in (SymbolState.PENDING, SymbolState.LIVE, SymbolState.QUIET):
            self._shared.want(symbol).watch_quote = True
            self._symbols.move(symbol, SymbolState.STALE, Cause.BAD_DATA, now_ns)

    def revive(self, symbol: str, now_ns: int) -> None:
        """Make the symbol live now if this connection has sent a quote already, otherwise with the next one."""
        slot = self._shared.want(symbol)
        slot.watch_quote = True
        slot.watch_trade |= self._trades_only(symbol)
        if slot.frame and slot.connection == self.connection:
            self.on_quote(symbol, now_ns)

    def on_status(self, record: UpstreamStatus, now_ns: int) -> bool:
        """A trading status. True when it ended a halt that had been doubtful."""
        halt, state = read_halt(record), self._symbols.state(record.S)
        if halt is None or state is None or state in _UNTRADED:
            return False
        if halt.halted:
            self.halts.begin(record.S, Cause.PAUSE if halt.paused else Cause.HALT)
            self.halt_again(record.S, now_ns)
        elif state is SymbolState.HALTED:
            return self._resume(record.S, now_ns)
        return False

    def halt_again(self, symbol: str, now_ns: int) -> None:
        """Halt a symbol that is known to be halted, also when it returns from an eviction or a release."""
        cause = self.halts.cause(symbol)
        if cause is not None:
            self._shared.want(symbol).watch_trade = True
            self._symbols.move(symbol, SymbolState.HALTED, cause, now_ns)

    def mark_quiet(self, quiet_ns: int, now_ns: int) -> None:
        """The connection is proven alive: a symbol without a new quote for `quiet_ns` is quiet; its quote holds."""
        slots = self._shared.slots
        for symbol, entry in list(self._symbols.entries.items()):
            silent = entry.state is SymbolState.LIVE and now_ns - slots[symbol].received_ns > quiet_ns
            if silent and not self._trades_only(symbol):
                slots[symbol].watch_quote = True
                self._symbols.move(symbol, SymbolState.QUIET, Cause.DEMAND, now_ns)

    def _resume(self, symbol: str, now_ns: int) -> bool:
        """Trading has resumed. The price comes with the next quote: the last one is from before or during the halt."""
        slot = self._shared.want(symbol)
        slot.watch_quote = True
        slot.watch_trade = self._trades_only(symbol)
        self._symbols.move(symbol, SymbolState.PENDING, Cause.RESUME, now_ns)
        return self.halts.end(symbol)

    def _trades_only(self, symbol: str) -> bool:
        demand = self._demand.wanted.get(symbol)
        return demand is not None and "quotes" not in demand.channels

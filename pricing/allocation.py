"""Which wanted symbols are subscribed under the symbol limit, which are evicted, and which return. Pure."""

from __future__ import annotations

from quotebus.bus.events import Cause, SymbolState
from quotebus.pricing.demand import Demand, SymbolDemand
from quotebus.pricing.shared_state import SharedState
from quotebus.pricing.subscription import Reconciler, SubscriptionChange
from quotebus.pricing.subscription_set import Entry
from quotebus.pricing.symbol_lifecycle import SymbolLifecycle
from quotebus.pricing.symbol_limit import Admitted, SymbolLimit
from quotebus.pricing.symbols import SymbolTable

_STANDING = (SymbolState.LIVE, SymbolState.QUIET)


class Allocation:
    """Brings symbols, slots and the subscribed set in line with demand and the limit."""

    def __init__(
        self,
        limit: int | None,
        demand: Demand,
        symbols: SymbolTable,
        reconciler: Reconciler,
        lifecycle: SymbolLifecycle,
        shared: SharedState,
    ) -> None:
        self.limit = SymbolLimit(limit)
        self.acknowledged = 0
        self._demand = demand
        self._symbols = symbols
        self._reconciler = reconciler
        self._subscriptions = reconciler.subscriptions
        self._lifecycle = lifecycle
        self._shared = shared
        self._tried: frozenset[str] = frozenset()
        self._pairs = 0
        self._crowded = False

    def arrange(self, now_ns: int) -> bool:
        """Decide which symbols to subscribe to under the limit and evict the others. False when there are none."""
        wanted = self._demand.wanted
        self._demand.take_touched()
        refused = {
            symbol for symbol, demand in wanted.items() if self._subscriptions.has_refused(symbol, demand.channels)
        }
        admitted = self.limit.admit({s: w for s, w in wanted.items() if s not in refused} if refused else wanted)
        self._tried = admitted.tried
        self._crowded = len(admitted.wanted) + len(refused) < len(wanted)
        for symbol, demand in wanted.items():
            self._admit(symbol, demand, admitted, now_ns, within=symbol in admitted.wanted or symbol in refused)
        within = {**admitted.wanted, **{symbol: wanted[symbol] for symbol in refused}}
        ranked = sorted(within.items(), key=lambda item: (item[0] in admitted.tried, -item[1].priority, item[1].order))
        channels = {symbol: tuple(sorted(demand.channels)) for symbol, demand in ranked}
        self._reconciler.want(channels, self._resumptions(channels, admitted.spare))
        self.acknowledged = self._subscriptions.count_symbols()
        for symbol in within:  # refused for a channel that no client wants any more
            if self._symbols.state(symbol) is SymbolState.REFUSED and not self._subscriptions.has_given_up(symbol):
                self._symbols.move(symbol, SymbolState.PENDING, Cause.DEMAND, now_ns)
                if self._subscriptions.has_all(symbol):
                    self._lifecycle.revive(symbol, now_ns)
        return bool(within) or (bool(wanted) and self.limit.learned is not None)

    def _admit(self, symbol: str, demand: SymbolDemand, admitted: Admitted, now_ns: int, *, within: bool) -> None:
        """Move one symbol into or out of the subscribed set."""
        known, state = symbol in self._symbols.entries, self._symbols.state(symbol)
        self._symbols.add(symbol, now_ns)
        if not within:
            if state is not SymbolState.EVICTED:
                self._lifecycle.halts.uncover(symbol)
                self._shared.retire(symbol)
                self._symbols.move(symbol, SymbolState.EVICTED, Cause.SYMBOL_LIMIT, now_ns)
            return
        self._shared.want(symbol)
        if state is SymbolState.EVICTED and symbol not in admitted.tried:
            self._symbols.move(symbol, SymbolState.PENDING, Cause.DEMAND, now_ns)
            known = False
        elif state in _STANDING and "quotes" in demand.channels and not self._subscriptions.wants("quotes", symbol):
            self._symbols.move(symbol, SymbolState.PENDING, Cause.NO_QUOTE_YET, now_ns)
            self._lifecycle.revive(symbol, now_ns)
        if not known and symbol not in admitted.tried:
            self._lifecycle.believe(symbol, now_ns)

    def _resumptions(self, channels: dict[str, tuple[str, ...]], spare: int | None) -> list[Entry]:
        """Trades of symbols whose halt may be over, as far as there is room: a trade is what would show it."""
        doubtful = sorted(self._lifecycle.halts.doubtful & channels.keys())
        return [("trades", symbol) for symbol in doubtful if "trades" not in channels[symbol]][:spare]

    def demand_changed(self, why_gone: Cause, now_ns: int) -> bool:
        """The leases have changed: release what no client wants, allocate the rest. False when nothing is wanted.

        As long as everything fits and no halt is doubtful, only the symbols that changed are looked at.
        """
        wanted, touched = self._demand.wanted, self._demand.take_touched()
        gone = [symbol for symbol in touched if symbol not in wanted and symbol in self._symbols.entries]
        for symbol in gone:
            self._lifecycle.halts.uncover(symbol)
            self._symbols.move(symbol, SymbolState.RELEASED, why_gone, now_ns)
            self._shared.retire(symbol)
        former, self._pairs = self._pairs, self._demand.pairs
        if gone or self._pairs < former or self.limit.learned == 0:  # nothing is accepted: any change is worth a try
            self.limit.on_release()
        if not self._is_plain() or self._subscriptions.has_refused_any():
            return self.arrange(now_ns)
        everybody = Admitted(wanted)
        for symbol in touched:
            demand = wanted.get(symbol)
            if demand is not None:
                self._admit(symbol, demand, everybody, now_ns, within=True)
            self._reconciler.want_symbol(symbol, tuple(sorted(demand.channels)) if demand else ())
        self.acknowledged = self._subscriptions.count_symbols()
        return bool(wanted)

    def renew(self, now_ns: int) -> None:
        """A new connection has acknowledged and refused nothing: what the last one refused needs room again.

        Where all symbols fit and none goes before another, that changes nothing.
        """
        had_refused = self._subscriptions.has_refused_any()
        self._reconciler.reset(now_ns)
        wanted = self._demand.wanted
        ranked = len({demand.priority for demand in wanted.values()}) > 1
        if had_refused or ranked or not self._is_plain():
            self.arrange(now_ns)
        else:
            self.acknowledged = self._subscriptions.count_symbols()

    def _is_plain(self) -> bool:
        """Everything fits, as far as is known, and no halt is doubtful: each symbol is allocated by itself."""
        plain = self.limit.learned is None and not self._lifecycle.halts.doubtful
        return plain and not self._crowded and self.limit.fits(self._demand.pairs)

    def settle(self, outcome: SubscriptionChange, now_ns: int) -> None:
        """Apply the upstream's answer to symbols and limit."""
        for symbol in outcome.acknowledged:
            state = self._symbols.state(symbol)
            if state in (SymbolState.PENDING, SymbolState.REFUSED) or symbol in self._tried:
                self._symbols.move(symbol, SymbolState.PENDING, Cause.NO_QUOTE_YET, now_ns)
                self._lifecycle.revive(symbol, now_ns)
                self._lifecycle.believe(symbol, now_ns)
        for symbol, cause in outcome.refused:
            self._refuse(symbol, cause, now_ns)
        room_made = bool(outcome.refused) and self._symbols.has_evicted()
        more = self.limit.is_trying and self.limit.on_acknowledged(self._subscriptions.count_acknowledged())
        if more or room_made:
            self.arrange(now_ns)
        self.acknowledged = self._subscriptions.count_symbols()

    def _refuse(self, symbol: str, cause: Cause, now_ns: int) -> None:
        """The upstream refuses a channel that is wanted of this symbol. Refused extras are done without."""
        demand, state = self._demand.wanted.get(symbol), self._symbols.state(symbol)
        if demand is None or not self._subscriptions.has_refused(symbol, demand.channels):
            return
        if state is SymbolState.EVICTED:
            if symbol not in self._tried:
                return
            self._symbols.move(symbol, SymbolState.PENDING, Cause.DEMAND, now_ns)
        self._symbols.move(symbol, SymbolState.REFUSED, cause, now_ns)

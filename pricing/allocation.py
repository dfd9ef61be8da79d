"""Which wanted symbols are subscribed under the symbol limit, which are evicted, and which return. Pure.

A symbol that no client wants any more is told as released at once, and unsubscribed when its grace is over or its place
is needed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from quotebus.bus.events import Cause, SymbolState
from quotebus.pricing.demand import Demand, SymbolDemand
from quotebus.pricing.grace import Grace
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
        self.grace = Grace()
        self._demand = demand
        self._symbols = symbols
        self._reconciler = reconciler
        self._subscriptions = reconciler.subscriptions
        self._lifecycle = lifecycle
        self._shared = shared
        self.absent: Mapping[str, Cause] = {}
        """Wanted symbols that the venue does not have, and why: they get no place."""
        self.last: Collection[str] = ()
        """Symbols that give way to all others."""
        self._tried: frozenset[str] = frozenset()
        self._pairs = 0
        self._crowded = False

    @property
    def is_crowded(self) -> bool:
        """Whether symbols wait for a place."""
        return self._crowded

    def count_acknowledged(self) -> int:
        """Wanted symbols with every data channel acknowledged."""
        return self._subscriptions.count_symbols() - sum(map(self._subscriptions.has_all, self.grace))

    def arrange(self, now_ns: int) -> bool:
        """Decide which symbols to subscribe to under the limit and evict the others. False when there are none."""
        self._demand.take_touched()
        wanted = self._demand.wanted
        if self.absent:
            for symbol in self.absent.keys() & wanted.keys():
                self._refuse_absent(symbol, now_ns)
            wanted = {symbol: demand for symbol, demand in wanted.items() if symbol not in self.absent}
        refused = {
            symbol for symbol, demand in wanted.items() if self._subscriptions.has_refused(symbol, demand.channels)
        }
        admitted = self.limit.admit(
            {s: w for s, w in wanted.items() if s not in refused} if refused else wanted, self.last
        )
        self._tried = admitted.tried
        self._crowded = len(admitted.wanted) + len(refused) < len(wanted)
        for symbol, demand in wanted.items():
            self._admit(symbol, demand, admitted, now_ns, within=symbol in admitted.wanted or symbol in refused)
        within = {**admitted.wanted, **{symbol: wanted[symbol] for symbol in refused}}
        ranked = sorted(within.items(), key=lambda item: (item[0] in admitted.tried, -item[1].priority, item[1].order))
        channels = {symbol: tuple(sorted(demand.channels)) for symbol, demand in ranked}
        beside = self._resumptions(channels, admitted.spare)
        spare = 0 if self._crowded else admitted.spare  # nobody waits for a grace
        self._give_way(None if spare is None else spare - len(beside))
        self._reconciler.want({**channels, **self.grace.channels()}, beside)
        for symbol in within:  # refused for a channel that no client wants any more
            if self._symbols.state(symbol) is SymbolState.REFUSED and not self._subscriptions.has_given_up(symbol):
                self._symbols.move(symbol, SymbolState.PENDING, Cause.DEMAND, now_ns)
                if self._subscriptions.has_all(symbol):
                    self._lifecycle.revive(symbol, now_ns)
        return bool(within) or (bool(wanted) and self.limit.learned is not None)

    def _refuse_absent(self, symbol: str, now_ns: int) -> None:
        if symbol in self.grace:
            self._end_grace(symbol)
        self._symbols.add(symbol, now_ns)
        if self._symbols.state(symbol) is SymbolState.EVICTED:
            self._symbols.move(symbol, SymbolState.PENDING, Cause.DEMAND, now_ns)
        self._lifecycle.halts.uncover(symbol)
        self._shared.retire(symbol)
        self._symbols.move(symbol, SymbolState.REFUSED, self.absent[symbol], now_ns)

    def _admit(self, symbol: str, demand: SymbolDemand, admitted: Admitted, now_ns: int, *, within: bool) -> None:
        """Move one symbol into or out of the subscribed set."""
        if symbol in self.grace:
            if within:
                self.grace.end(symbol)
            else:
                self._end_grace(symbol)
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

    def demand_changed(self, why_gone: Cause, now_ns: int, lease_now_ns: int) -> bool:
        """The leases have changed: release what no client wants, allocate the rest. False when nothing is wanted.

        As long as everything fits and no halt is doubtful, only the symbols that changed are looked at.
        """
        wanted, touched = self._demand.wanted, self._demand.take_touched()
        gone = [symbol for symbol in touched if symbol not in wanted and symbol in self._symbols.entries]
        for symbol in gone:
            self._release(symbol, why_gone, now_ns, lease_now_ns)
        former, self._pairs = self._pairs, self._demand.pairs
        if gone or self._pairs < former or self.limit.learned == 0:  # nothing is accepted: any change is worth a try
            self.limit.on_release()
        if not self._is_plain() or self._subscriptions.has_refused_any():
            return self.arrange(now_ns)
        everybody = Admitted(wanted)
        for symbol in touched:
            demand = wanted.get(symbol)
            if demand is not None:
                subscribed, channels = self.grace.channels().get(symbol), tuple(sorted(demand.channels))
                self._admit(symbol, demand, everybody, now_ns, within=True)
                if channels != subscribed:
                    self._reconciler.want_symbol(symbol, channels)
            elif symbol not in self.grace:
                self._reconciler.want_symbol(symbol, ())
        self._give_way(self.limit.spare(self._pairs))
        return bool(wanted)

    def _release(self, symbol: str, why: Cause, now_ns: int, lease_now_ns: int) -> None:
        """No client wants a symbol any more. One that is subscribed stays so for its grace."""
        subscribed = self._subscriptions.has_all(symbol)
        self._symbols.move(symbol, SymbolState.RELEASED, why, now_ns, follow=subscribed)
        if subscribed:
            self.grace.begin(symbol, self._subscriptions.channels(symbol), lease_now_ns)
        else:
            self._lifecycle.halts.uncover(symbol)
            self._shared.retire(symbol)

    def _give_way(self, spare_pairs: int | None) -> None:
        """End graces until the others fit into `spare_pairs`, None for no limit."""
        for symbol in self.grace.list_beyond(spare_pairs):
            self._end_grace(symbol)

    def end_graces(self, lease_now_ns: int) -> None:
        """Unsubscribe the symbols that nobody has asked for again within their grace."""
        for symbol in self.grace.list_over(lease_now_ns):
            self._end_grace(symbol)

    def _end_grace(self, symbol: str) -> None:
        self.grace.end(symbol)
        self._symbols.forget(symbol)
        self._lifecycle.halts.uncover(symbol)
        self._shared.retire(symbol)
        self._reconciler.want_symbol(symbol, ())

    def renew(self, now_ns: int) -> None:
        """A new connection has acknowledged and refused nothing: what the last one refused needs room again.

        Where all symbols fit and none goes before another, that changes nothing. A grace is for what is subscribed.
        """
        self._give_way(0)
        had_refused = self._subscriptions.has_refused_any()
        self._reconciler.reset(now_ns)
        wanted = self._demand.wanted
        ranked = len({demand.priority for demand in wanted.values()}) > 1
        if had_refused or ranked or not self._is_plain():
            self.arrange(now_ns)

    def _is_plain(self) -> bool:
        """Everything fits, as far as is known, and no halt is doubtful: each symbol is allocated by itself."""
        plain = self.limit.learned is None and not self._lifecycle.halts.doubtful
        return plain and not self.absent and not self._crowded and self.limit.fits(self._demand.pairs)

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

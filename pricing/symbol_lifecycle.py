"""What quotes, trades and evidence of halts do to a symbol's state: live, quiet, stale, halted, and back. Pure."""

from __future__ import annotations

from quotebus.bus import codec
from quotebus.bus.events import Cause, HaltKind, HaltKnowledge, Quote, SymbolState
from quotebus.pricing.demand import Demand
from quotebus.pricing.halts import Belief, Halts
from quotebus.pricing.messages import UpstreamStatus, read_halt
from quotebus.pricing.shared_state import SharedState, Slot
from quotebus.pricing.subscription_set import SubscriptionSet
from quotebus.pricing.symbols import SymbolTable

_TICKS = (SymbolState.PENDING, SymbolState.QUIET, SymbolState.STALE)
_OPEN = frozenset({HaltKnowledge.HALTED, HaltKnowledge.UNKNOWN})
_UNTRADED = (SymbolState.REFUSED, SymbolState.EVICTED)


class SymbolLifecycle:
    """Moves symbols between states on the upstream connection number `connection`."""

    def __init__(
        self,
        demand: Demand,
        symbols: SymbolTable,
        subscriptions: SubscriptionSet,
        shared: SharedState,
        halts: Halts | None = None,
    ) -> None:
        self.halts = halts or Halts()
        self.connection = 0
        self.unproven: set[str] = set()
        """Wanted symbols that are halted, or of which it is not known."""
        self._demand = demand
        self._symbols = symbols
        self._subscriptions = subscriptions
        self._shared = shared

    def on_quote(self, symbol: str, now_ns: int) -> None:
        """The first good quote since the symbol was pending, quiet or stale."""
        if self._subscriptions.has_all(symbol) and self._symbols.state(symbol) in _TICKS:
            self._symbols.move(symbol, SymbolState.LIVE, Cause.DEMAND, now_ns)

    def on_trade(self, symbol: str, now_ns: int) -> None:
        """The first trade where only trades are wanted."""
        if self._trades_only(symbol) and self._symbols.state(symbol) in _TICKS and self._subscriptions.has_all(symbol):
            self._symbols.move(symbol, SymbolState.LIVE, Cause.DEMAND, now_ns)

    def on_bad_data(self, symbol: str, now_ns: int) -> None:
        """A quote of this symbol was invalid: the last good one may be outdated."""
        if self._symbols.state(symbol) in (SymbolState.PENDING, SymbolState.LIVE, SymbolState.QUIET):
            self._shared.want(symbol).watch_quote = True
            self._symbols.move(symbol, SymbolState.STALE, Cause.BAD_DATA, now_ns)

    def revive(self, symbol: str, now_ns: int, *, since_ns: int | None = None) -> None:
        """Make the symbol live now if this connection has sent a quote already, otherwise with the next one.

        `since_ns`: the exchange's time that the quote must not be older than.
        """
        slot = self._shared.want(symbol)
        slot.watch_quote = True
        slot.watch_trade |= self._trades_only(symbol)
        if slot.frame and slot.connection == self.connection and (since_ns is None or _is_since(slot, since_ns)):
            self.on_quote(symbol, now_ns)

    # halts

    def on_status(self, record: UpstreamStatus, exchange_ns: int | None, now_ns: int) -> bool:
        """A trading status, of a wanted symbol or not. True when its halt is doubtful no longer.

        One without a time that can be read begins a halt, as of the symbol's newest time, and ends none.
        """
        halt, in_doubt = read_halt(record), record.S in self.halts.doubtful
        if halt is None or (exchange_ns is None and not halt.halted):
            return False
        if exchange_ns is None:
            slot = self._shared.slots.get(record.S)
            exchange_ns = slot.exchange_ns if slot is not None else 0
        if halt.halted:
            self.halts.on_halt(record.S, exchange_ns, Cause.PAUSE if halt.paused else Cause.HALT)
            self.believe(record.S, now_ns)
        elif self.halts.on_resume(record.S, exchange_ns):
            self.believe(record.S, now_ns, since_ns=exchange_ns)
        return in_doubt and record.S not in self.halts.doubtful

    def on_print(self, symbol: str, exchange_ns: int, kind: HaltKind, now_ns: int, *, reopening: bool = False) -> bool:
        """A trade that proves trading, on the stream or by REST. True when it ended a halt that had been doubtful."""
        in_doubt = symbol in self.halts.doubtful
        if self.halts.on_print(symbol, exchange_ns, kind, reopening=reopening):
            self.believe(symbol, now_ns, since_ns=exchange_ns)
            if kind is HaltKind.PRINT:
                self.on_trade(symbol, now_ns)
        else:
            self.watch_prints(symbol)
        return in_doubt and symbol not in self.halts.doubtful

    def believe(self, symbol: str, now_ns: int, *, since_ns: int | None = None) -> None:
        """Bring a wanted symbol's state in line with what is known of its halt, and publish what is new.

        After a halt a price counts that is not older than `since_ns`, when trading resumed.
        """
        state, belief = self._symbols.state(symbol), self.halts.belief(symbol)
        if state is None:
            return
        is_news, moved = self._set_belief(symbol, belief), False
        known = self.halts.find(symbol)
        if known is not None and belief.halt is HaltKnowledge.HALTED and state not in _UNTRADED:
            self._shared.want(symbol)
            moved = self._symbols.move(symbol, SymbolState.HALTED, known.cause, now_ns)
        elif state is SymbolState.HALTED and belief.halt is not HaltKnowledge.HALTED:
            moved = self._symbols.move(symbol, SymbolState.PENDING, Cause.RESUME, now_ns)
            self.revive(symbol, now_ns, since_ns=since_ns)
        self.watch_prints(symbol)
        if is_news and not moved:
            self._symbols.publish(symbol)

    def begin_connection(self) -> None:
        """A new connection: what was known to trade may have been halted since."""
        self.halts.uncover_all()
        for symbol in (*self._symbols.entries, *self._symbols.followed):
            self._set_belief(symbol, self.halts.belief(symbol))
            self.watch_prints(symbol)

    def _set_belief(self, symbol: str, belief: Belief) -> bool:
        if belief.halt in _OPEN:
            self.unproven.add(symbol)
        else:
            self.unproven.discard(symbol)
        return self._symbols.set_belief(symbol, belief)

    def watch_prints(self, symbol: str) -> None:
        """Tell the hot thread which trades would be news of a halt."""
        slot = self._shared.slots.get(symbol)
        if slot is None:
            return
        after_ns = self.halts.prove_after_ns(symbol)
        if after_ns is not None:
            slot.print_after_ns, slot.reopening_after_ns = after_ns
        slot.watch_print = after_ns is not None

    def mark_quiet(self, quiet_ns: int, now_ns: int) -> None:
        """The connection is proven alive: a symbol without a new quote for `quiet_ns` is quiet; its quote holds."""
        slots = self._shared.slots
        for symbol, entry in list(self._symbols.entries.items()):
            silent = entry.state is SymbolState.LIVE and now_ns - slots[symbol].received_ns > quiet_ns
            if silent and not self._trades_only(symbol):
                slots[symbol].watch_quote = True
                self._symbols.move(symbol, SymbolState.QUIET, Cause.DEMAND, now_ns)

    def _trades_only(self, symbol: str) -> bool:
        demand = self._demand.wanted.get(symbol)
        if demand is not None:
            return "quotes" not in demand.channels
        wants = self._subscriptions.wants  # within its grace it is subscribed as it was
        return wants("trades", symbol) and not wants("quotes", symbol)


def _is_since(slot: Slot, since_ns: int) -> bool:
    payload, _, _ = slot.last_quote()
    quote = codec.decode_payload("quote", payload) if payload is not None else None
    return isinstance(quote, Quote) and quote.exchange_ns >= since_ns

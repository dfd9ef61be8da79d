"""Who is sent upstream under the symbol limit, who is told that there is no room, and who comes back. Pure."""

from __future__ import annotations

from quotebus.bus.events import Cause, SymbolState
from quotebus.pricing.demand import Demand, Wish
from quotebus.pricing.shared_state import Board
from quotebus.pricing.subscription import Entry, Outcome, Reconciler
from quotebus.pricing.symbol_lifecycle import Tickers
from quotebus.pricing.symbol_limit import Admission, Admitted
from quotebus.pricing.symbols import SymbolTable

_STANDING = (SymbolState.LIVE, SymbolState.QUIET)


class Placement:
    """Brings symbols, slots and the upstream set in line with the wishes and the limit."""

    def __init__(
        self,
        limit: int | None,
        demand: Demand,
        symbols: SymbolTable,
        reconciler: Reconciler,
        tickers: Tickers,
        board: Board,
    ) -> None:
        self.admission = Admission(limit)
        self.acknowledged = 0
        self._demand = demand
        self._symbols = symbols
        self._reconciler = reconciler
        self._tickers = tickers
        self._board = board
        self._tried: frozenset[str] = frozenset()
        self._pairs = 0
        self._crowded = False

    def arrange(self, now_ns: int) -> bool:
        """Decide who is sent upstream under the limit, and tell the losers; False when nobody is nor may be."""
        wishes, reconciler = self._demand.wishes, self._reconciler
        self._demand.take_touched()
        refused = {symbol for symbol, wish in wishes.items() if reconciler.refuses(symbol, wish.channels)}
        admitted = self.admission.admit({s: w for s, w in wishes.items() if s not in refused} if refused else wishes)
        self._tried = admitted.tried
        self._crowded = len(admitted.wishes) + len(refused) < len(wishes)
        for symbol, wish in wishes.items():
            self._admit(symbol, wish, admitted, now_ns, within=symbol in admitted.wishes or symbol in refused)
        within = {**admitted.wishes, **{symbol: wishes[symbol] for symbol in refused}}
        ranked = sorted(within.items(), key=lambda item: (item[0] in admitted.tried, -item[1].priority, item[1].order))
        channels = {symbol: tuple(sorted(wish.channels)) for symbol, wish in ranked}
        reconciler.want(channels, self._resumptions(channels, admitted.spare))
        self.acknowledged = reconciler.symbol_count()
        for symbol in within:  # refused for a channel that nobody wants any more
            if self._symbols.state(symbol) is SymbolState.REFUSED and not reconciler.gave_up(symbol):
                self._symbols.move(symbol, SymbolState.PENDING, Cause.DEMAND, now_ns)
                if reconciler.has_all(symbol):
                    self._tickers.revive(symbol, now_ns)
        return bool(within) or (bool(wishes) and self.admission.learned is not None)

    def _admit(self, symbol: str, wish: Wish, admitted: Admitted, now_ns: int, *, within: bool) -> None:
        """One symbol's place under the limit."""
        known, state = symbol in self._symbols.standings, self._symbols.state(symbol)
        self._symbols.add(symbol, now_ns)
        if not within:
            if state is not SymbolState.EVICTED:
                self._tickers.halts.doubt(symbol)
                self._board.retire(symbol)
                self._symbols.move(symbol, SymbolState.EVICTED, Cause.SYMBOL_LIMIT, now_ns)
            return
        self._board.want(symbol)
        if state is SymbolState.EVICTED and symbol not in admitted.tried:
            self._symbols.move(symbol, SymbolState.PENDING, Cause.DEMAND, now_ns)
            known = False
        elif state in _STANDING and "quotes" in wish.channels and not self._reconciler.wants("quotes", symbol):
            self._symbols.move(symbol, SymbolState.PENDING, Cause.NO_QUOTE_YET, now_ns)
            self._tickers.revive(symbol, now_ns)
        if not known and symbol not in admitted.tried:
            self._tickers.halt_again(symbol, now_ns)

    def _resumptions(self, channels: dict[str, tuple[str, ...]], spare: int | None) -> list[Entry]:
        """Trades of symbols whose halt may be over, where there is room: a trade is what would show it."""
        doubtful = sorted(self._tickers.halts.doubtful & channels.keys())
        return [("trades", symbol) for symbol in doubtful if "trades" not in channels[symbol]][:spare]

    def demand_changed(self, why_gone: Cause, now_ns: int) -> bool:
        """The leases have changed: let go of what nobody wants, place the rest; False when nobody is sent upstream.

        As long as there is room for everybody and nothing is in doubt, only the symbols that changed are looked at.
        """
        wishes, touched = self._demand.wishes, self._demand.take_touched()
        gone = [symbol for symbol in touched if symbol not in wishes and symbol in self._symbols.standings]
        for symbol in gone:
            self._tickers.halts.doubt(symbol)
            self._symbols.move(symbol, SymbolState.RELEASED, why_gone, now_ns)
            self._board.retire(symbol)
        former, self._pairs = self._pairs, self._demand.pairs
        if gone or self._pairs < former or self.admission.learned == 0:  # of nothing, any wish may show more
            self.admission.released()
        plain = self.admission.learned is None and not self._tickers.halts.doubtful
        if not plain or self._crowded or self._reconciler.refuses_any or not self.admission.fits(self._pairs):
            return self.arrange(now_ns)
        everybody = Admitted(wishes)
        for symbol in touched:
            wish = wishes.get(symbol)
            if wish is not None:
                self._admit(symbol, wish, everybody, now_ns, within=True)
            self._reconciler.want_also(symbol, tuple(sorted(wish.channels)) if wish else ())
        self.acknowledged = self._reconciler.symbol_count()
        return bool(wishes)

    def settle(self, outcome: Outcome, now_ns: int) -> None:
        """What the upstream's answer means for symbols and limit."""
        for symbol in outcome.acknowledged:
            state = self._symbols.state(symbol)
            if state in (SymbolState.PENDING, SymbolState.REFUSED) or symbol in self._tried:
                self._symbols.move(symbol, SymbolState.PENDING, Cause.NO_QUOTE_YET, now_ns)
                self._tickers.revive(symbol, now_ns)
                self._tickers.halt_again(symbol, now_ns)
        for symbol, cause in outcome.refused:
            self._refuse(symbol, cause, now_ns)
        room_made = bool(outcome.refused) and self._symbols.any_evicted()
        if self.admission.taken(self._reconciler.had_count()) or room_made:
            self.arrange(now_ns)
        self.acknowledged = self._reconciler.symbol_count()

    def _refuse(self, symbol: str, cause: Cause, now_ns: int) -> None:
        """The upstream will not send what is wanted of a symbol; what was asked beside it is done without."""
        wish, state = self._demand.wishes.get(symbol), self._symbols.state(symbol)
        if wish is None or not self._reconciler.refuses(symbol, wish.channels):
            return
        if state is SymbolState.EVICTED:
            if symbol not in self._tried:
                return
            self._symbols.move(symbol, SymbolState.PENDING, Cause.DEMAND, now_ns)
        self._symbols.move(symbol, SymbolState.REFUSED, cause, now_ns)

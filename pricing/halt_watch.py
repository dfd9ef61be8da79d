"""From when on halts are reported to us, what the venue is asked about trading, and what other programs claim. Pure.

The venue's latest trades show that a symbol has traded, never that it is halted. It is asked about every wanted symbol
of which it is not known whether it trades: soon after statuses are subscribed to, and every minute from then on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping

from quotebus.bus.clock import NS_PER_S, to_utc_ns
from quotebus.bus.events import HaltClaim, HaltKind, HaltKnowledge, MarketSession, SymbolState
from quotebus.bus.protocol import MAX_CLAIMS
from quotebus.pricing.halts import KnownHalt
from quotebus.pricing.messages import UpstreamStatus
from quotebus.pricing.request_budget import RequestBudget
from quotebus.pricing.sale_conditions import Proof, find_proof
from quotebus.pricing.shared_state import SharedState
from quotebus.pricing.subscription_set import ALL, STATUSES, SubscriptionSet
from quotebus.pricing.symbol_lifecycle import SymbolLifecycle
from quotebus.pricing.symbols import SymbolTable
from quotebus.pricing.venue_answers import MOST_SYMBOLS, VenueTrade

log = logging.getLogger(__name__)
ASK_AFTER_NS = tuple(seconds * NS_PER_S for seconds in (1, 2, 3, 10, 30, 60))
"""From one question about a symbol to the next; the last one again and again."""
AGAIN_NS = 10 * NS_PER_S
"""After a question that was not answered."""
ANSWER_NS = 8 * NS_PER_S
BURST, PER_MINUTE = 5, 40
"""Of the venue's requests for data; the rest is for other questions."""
LOOKED_AT = 500
"""Symbols at one look, so that 10,000 of them cost no long stretch of the interpreter."""
OUTLIER_NS = 60 * NS_PER_S
BEYOND_NS = 7 * 86_400 * NS_PER_S
"""A time of the exchange so far beyond the newest that it has shown is none: it would be newer than all that comes. A
line may have been silent for days over a long weekend, so less is not beyond belief."""
_ASKED_IN = frozenset({SymbolState.PENDING, SymbolState.LIVE, SymbolState.QUIET, SymbolState.STALE, SymbolState.HALTED})
_EXTENDED = frozenset({MarketSession.PRE, MarketSession.POST, MarketSession.OVERNIGHT})


class HaltWatch:
    """Keeps `lifecycle.halts` up to date.

    `ask` takes symbols and the number of a question, which is below 0. `rearrange` is called when a doubtful halt has
    begun or ended: its trades may be subscribed to, or need not be any more.
    """

    def __init__(
        self,
        lifecycle: SymbolLifecycle,
        symbols: SymbolTable,
        subscriptions: SubscriptionSet,
        shared: SharedState,
        ask: Callable[[tuple[str, ...], int], None],
        rearrange: Callable[[int], object],
    ) -> None:
        self.asked = self.hearsay_taken = self.hearsay_refused = 0
        self._lifecycle = lifecycle
        self._halts = lifecycle.halts
        self._symbols = symbols
        self._subscriptions = subscriptions
        self._shared = shared
        self._ask = ask
        self._rearrange = rearrange
        self._budget = RequestBudget(BURST, PER_MINUTE)
        self._due: dict[str, tuple[int, int]] = {}
        self._question: tuple[int, frozenset[str], int] | None = None
        self._number = 0
        self._looked_ns = 0
        self._to_look_at: list[str] = []
        self._newest: tuple[int, int | None] = (0, None)

    # what happens

    def on_dialled(self) -> None:
        """A new connection: nothing is subscribed to yet."""
        self._lifecycle.begin_connection()
        self._due.clear()

    def on_answer(self, now_ns: int) -> None:
        """The upstream has answered: from now on it reports the halts of what it acknowledged."""
        acknowledged, halts = self._subscriptions.acknowledged, self._halts
        if (STATUSES, ALL) in acknowledged:
            if not halts.covers_all or halts.awaits_time:
                self._retell(halts.cover_all(self._exchange_ns()), now_ns)
            return
        if halts.covers_all:  # let go with the last symbol
            self._lifecycle.begin_connection()
        symbols = {symbol for channel, symbol in acknowledged if channel == STATUSES}
        self._retell(halts.cover(symbols, self._exchange_ns()), now_ns)

    def on_status(self, record: UpstreamStatus, exchange_ns: int | None, now_ns: int) -> None:
        """A trading status, and when the exchange gave it, None where that cannot be read."""
        if exchange_ns is not None and self._is_beyond(exchange_ns, now_ns):
            log.warning("%s: a trading status of no possible time is read without it", record.S)
            exchange_ns = None
        if self._lifecycle.on_status(record, exchange_ns, now_ns):
            self._rearrange(now_ns)

    def on_print(self, symbol: str, exchange_ns: int, now_ns: int, *, reopening: bool) -> None:
        """A trade that is news of a symbol's halt."""
        if self._is_beyond(exchange_ns, now_ns):
            self._lifecycle.watch_prints(symbol)
            return
        if self._lifecycle.on_print(symbol, exchange_ns, HaltKind.PRINT, now_ns, reopening=reopening):
            self._rearrange(now_ns)

    def on_claims(self, claims: Collection[HaltClaim], wanted: Collection[str], now_ns: int) -> None:
        """A client's request says which symbols are halted."""
        self._settle_time(now_ns)
        believed = False
        for claim in list(claims)[:MAX_CLAIMS]:
            if claim.symbol not in wanted:
                continue
            if self._halts.on_hearsay(claim.symbol, claim.halt_exchange_ns, to_utc_ns(now_ns)):
                self.hearsay_taken += 1
                self._lifecycle.believe(claim.symbol, now_ns)
                self._due[claim.symbol] = (now_ns, 0)
                believed = True
            else:
                self.hearsay_refused += 1
        if believed:
            self._rearrange(now_ns)

    def on_kept(self, halts: Collection[KnownHalt], now_ns: int) -> None:
        """Halts that were known in an earlier life."""
        self._retell(self._halts.restore(halts), now_ns)

    def on_venue(self, number: int, trades: Mapping[str, VenueTrade] | None, now_ns: int) -> None:
        """The venue's answer to question `number`: each symbol's latest trade; None for no answer."""
        if self._question is None or self._question[0] != number:
            return
        _, asked, _ = self._question
        self._question = None
        if trades is None:
            for symbol in asked:
                self._due[symbol] = (now_ns + AGAIN_NS, self._due.get(symbol, (0, 0))[1])
            return
        ended = False
        for symbol, trade in trades.items():
            proof = find_proof(trade.conditions, trade.tape, trade.exchange, extended_hours=self._shared.extended_hours)
            if symbol in asked and proof is not Proof.NONE and not self._is_beyond(trade.exchange_ns, now_ns):
                reopening = proof is Proof.REOPENING
                ended |= self._lifecycle.on_print(symbol, trade.exchange_ns, HaltKind.REST, now_ns, reopening=reopening)
        if ended:
            self._rearrange(now_ns)

    def on_time(self, now_ns: int, session: MarketSession, *, up: bool) -> None:
        """Let time pass; `up`: the connection is."""
        self._shared.extended_hours = session in _EXTENDED
        if not up or now_ns - self._looked_ns < NS_PER_S // 2:
            return
        self._looked_ns = now_ns
        self._settle_time(now_ns)
        self._retell(self._halts.forget_old_hearsay(to_utc_ns(now_ns)), now_ns)
        self._ask_about_due(now_ns)

    def count(self, file_failures: int) -> dict[str, int]:
        """What is known, taken, refused and asked."""
        return {
            "halt_file_failures": file_failures,
            "halts_known": len(self._halts.list_known()),
            "halts_hearsay": self.hearsay_taken,
            "halts_hearsay_refused": self.hearsay_refused,
            "halts_asked": self.asked,
        }

    # inside

    def _settle_time(self, now_ns: int) -> None:
        """Statuses were acknowledged before a time of the exchange was seen: now it may be there."""
        if not self._halts.awaits_time or self._exchange_ns() is None:
            return
        self.on_answer(now_ns)
        for symbol in self._symbols.entries:
            self._lifecycle.watch_prints(symbol)

    def _retell(self, symbols: Collection[str], now_ns: int) -> None:
        for symbol in symbols:
            self._lifecycle.believe(symbol, now_ns)

    def _is_beyond(self, exchange_ns: int, now_ns: int) -> bool:
        """Whether no time of the exchange can be this one. In a market-wide halt thousands of statuses come at once."""
        at_ns, newest_ns = self._newest
        if newest_ns is None or now_ns - at_ns > NS_PER_S:
            newest_ns = self._exchange_ns()
            self._newest = now_ns, newest_ns
        return newest_ns is not None and exchange_ns > newest_ns + BEYOND_NS

    def _exchange_ns(self) -> int | None:
        """The exchange's newest time on this connection. One that is far ahead of all other symbols' is false."""
        connection = self._lifecycle.connection
        times = [slot.exchange_ns for slot in self._shared.slots.values() if slot.exchange_ns_of == connection]
        if not times:
            return None
        newest_ns = max(times)
        if len(times) > 1:
            times.remove(newest_ns)
            second_ns = max(times)
            return second_ns if newest_ns - second_ns > OUTLIER_NS else newest_ns
        return newest_ns

    def _ask_about_due(self, now_ns: int) -> None:
        if self._question is not None:
            if now_ns < self._question[2]:
                return
            self.on_venue(self._question[0], None, now_ns)
        due = self._list_due(now_ns)
        if not due or not self._budget.take(now_ns):
            return
        batch = tuple(sorted(due, key=lambda symbol: self._due[symbol])[:MOST_SYMBOLS])
        for symbol in batch:
            step = self._due[symbol][1]
            self._due[symbol] = (now_ns + ASK_AFTER_NS[step], min(step + 1, len(ASK_AFTER_NS) - 1))
        self._number -= 1
        self.asked += 1
        self._question = (self._number, frozenset(batch), now_ns + ANSWER_NS)
        self._ask(batch, self._number)

    def _list_due(self, now_ns: int) -> list[str]:
        """Wanted symbols that may be halted, or are, and of which the venue may know better."""
        due: list[str] = []
        if not self._to_look_at:
            self._to_look_at = sorted(self._lifecycle.unproven)
        looked_at, self._to_look_at = self._to_look_at[:LOOKED_AT], self._to_look_at[LOOKED_AT:]
        for symbol in looked_at:
            entry = self._symbols.entries.get(symbol)
            if entry is None:
                self._due.pop(symbol, None)
                self._lifecycle.unproven.discard(symbol)
                continue
            halted = entry.belief.halt is HaltKnowledge.HALTED
            open_question = entry.belief.halt is HaltKnowledge.UNKNOWN and (
                self._halts.covered_since_ns(symbol) is not None
            )
            if entry.state not in _ASKED_IN or not (halted or open_question):
                self._due.pop(symbol, None)
                continue
            at_ns, _ = self._due.setdefault(symbol, (now_ns if halted else now_ns + NS_PER_S, 0))
            if at_ns <= now_ns:
                due.append(symbol)
        return due

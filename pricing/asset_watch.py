"""What the venue says of each wanted symbol: its list is the hint, its answer about the one symbol the proof. Pure.

Without a list nothing is refused, and a list alone refuses nothing: it may be older than the symbol. A symbol that has
ticked on this connection exists. What was refused, or may not be ordered, is asked about again, so that no false answer
lasts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from quotebus.bus.clock import NS_PER_S, to_utc_ns
from quotebus.bus.events import AssetFacts, Cause, SymbolState
from quotebus.pricing.asset_list import Asset, AssetList, make_facts
from quotebus.pricing.request_budget import RequestBudget
from quotebus.pricing.symbols import SymbolTable

log = logging.getLogger(__name__)
LOOK_EVERY_NS = NS_PER_S // 2
LIST_AGAIN_NS = tuple(seconds * NS_PER_S for seconds in (30, 120, 600, 3_600))
"""After a question for the list that brought none; the last one again and again."""
OLD_NS = 24 * 3_600 * NS_PER_S
"""A list is asked for anew after a day."""
ANSWER_NS = 8 * NS_PER_S
AGAIN_NS = tuple(seconds * NS_PER_S for seconds in (5, 30, 300))
"""From one question about a refused symbol to the next; the last one again and again."""
ORDERS_AGAIN_NS = 3_600 * NS_PER_S
"""From one question to the next about a symbol that may not be ordered: there are many, and each has its prices."""
UNANSWERED_NS = 10 * NS_PER_S
BURST, PER_MINUTE = 8, 30
_TICKED = frozenset({SymbolState.LIVE, SymbolState.QUIET, SymbolState.STALE})


@dataclass(slots=True)
class _Doubt:
    """A wanted symbol that is not in the list, or may not be ordered by it. `absent`: why the venue does not have it;
    `asks` answers so far.
    """

    due_ns: int
    asks: int = 0
    absent: Cause | None = None


class AssetWatch:
    """Looks at each wanted symbol once, and again while it is refused.

    `ask_list` and `ask` ask the venue. `changed` is called when symbols were refused or are no longer.
    """

    def __init__(
        self,
        symbols: SymbolTable,
        ask_list: Callable[[], None],
        ask: Callable[[str], None],
        changed: Callable[[int], None],
    ) -> None:
        self.absent: dict[str, Cause] = {}
        """Wanted symbols that the venue does not have, and why."""
        self.refused = 0
        self._symbols = symbols
        self._ask_list = ask_list
        self._ask = ask
        self._changed = changed
        self._assets: AssetList | None = None
        self._unseen: dict[str, None] = {}
        self._doubts: dict[str, _Doubt] = {}
        self._not_tradable: set[str] = set()
        self._budget = RequestBudget(BURST, PER_MINUTE)
        self._question: tuple[str, int] | None = None
        self._list_due_ns = 0
        self._failures = 0
        self._looked_ns = 0

    @property
    def assets(self) -> AssetList | None:
        """The newest list that is known."""
        return self._assets

    # what happens

    def on_wanted(self, symbols: Collection[str], now_ns: int) -> None:
        """A client asks for symbols that it did not hold before."""
        self._unseen.update(dict.fromkeys(symbols))
        self._look(now_ns)

    def on_list(self, assets: AssetList | None, why: str, now_ns: int) -> None:
        """The venue's list, or why there is none."""
        if assets is None:
            wait_ns = LIST_AGAIN_NS[min(self._failures, len(LIST_AGAIN_NS) - 1)]
            self._failures += 1
            self._list_due_ns = now_ns + wait_ns
            level = logging.WARNING if self._failures == 1 and self._assets is None else logging.DEBUG
            log.log(level, "the venue's list of symbols cannot be had (%s): none is refused without it", why)
            return
        self._assets, self._failures, self._list_due_ns = assets, 0, now_ns + OLD_NS
        self._unseen.update(dict.fromkeys(self._symbols.entries))
        self._look(now_ns)

    def on_asset(self, symbol: str, asset: Asset | None, why: str, now_ns: int) -> None:
        """The venue's answer about one symbol; `why` where there is none."""
        if self._question is not None and self._question[0] == symbol:
            self._question = None
        doubt = self._doubts.get(symbol)
        if doubt is None:
            return
        if why:
            doubt.due_ns = now_ns + UNANSWERED_NS
            return
        absent = Cause.NO_SUCH_SYMBOL if asset is None else None if asset.is_active else Cause.INACTIVE
        if absent is not None and self._has_ticked(symbol):
            asset, absent = None, None  # it is there, and more was not said
        doubt.due_ns = now_ns + AGAIN_NS[min(doubt.asks, len(AGAIN_NS) - 1)]
        doubt.asks += 1
        former, doubt.absent = doubt.absent, absent
        if absent is not None:
            self.absent[symbol] = absent
            near = tuple(self._assets.find_near(symbol)) if self._assets is not None else ()
            self._note(symbol, AssetFacts(tradable=False, read_ns=to_utc_ns(now_ns), near=near), now_ns)
        else:
            self.absent.pop(symbol, None)
            self._note(symbol, None if asset is None else make_facts(asset.terms, to_utc_ns(now_ns)), now_ns)
            if asset is not None and not asset.terms.tradable:
                doubt.due_ns = now_ns + ORDERS_AGAIN_NS
            else:
                del self._doubts[symbol]
        if former is not absent:
            self._say(symbol, absent)
            self._changed(now_ns)
        self._look(now_ns)

    def on_time(self, wanted: Mapping[str, object], now_ns: int) -> None:
        """Let time pass: forget what nobody wants, ask what is due. Nothing is asked while nothing is wanted."""
        if now_ns - self._looked_ns < LOOK_EVERY_NS:
            return
        self._looked_ns = now_ns
        for symbol in [symbol for symbol in self._doubts if symbol not in wanted]:
            del self._doubts[symbol]
            self.absent.pop(symbol, None)
        if not wanted:
            self._unseen.clear()
            return
        if now_ns >= self._list_due_ns:
            self._list_due_ns = now_ns + LIST_AGAIN_NS[-1]
            self._ask_list()
        if self._question is not None and now_ns >= self._question[1]:
            self.on_asset(self._question[0], None, "no answer in time", now_ns)
        for symbol in [symbol for symbol in self._not_tradable if symbol not in wanted]:
            self._not_tradable.discard(symbol)
        for symbol in self._not_tradable:
            self._say_not_tradable(symbol, now_ns)
        self._look(now_ns)

    # inside

    def _look(self, now_ns: int) -> None:
        assets = self._assets
        if assets is None:
            return
        unseen, self._unseen = self._unseen, {}
        for symbol in unseen:
            if symbol in self._doubts:
                continue  # what the venue says of the one symbol goes before its list
            facts = assets.find_facts(symbol)
            if facts is not None or self._has_ticked(symbol):
                self._note(symbol, facts, now_ns)
            if not (self._has_ticked(symbol) if facts is None else facts.tradable):
                self._doubts[symbol] = _Doubt(now_ns)
        if self._question is not None or not self._doubts or not self._budget.has_room(now_ns):
            return
        symbol = min(self._doubts, key=lambda name: self._doubts[name].due_ns)
        if self._doubts[symbol].due_ns <= now_ns and self._budget.take(now_ns):
            self._question = (symbol, now_ns + ANSWER_NS)
            self._ask(symbol)

    def _has_ticked(self, symbol: str) -> bool:
        return self._symbols.state(symbol) in _TICKED

    def _note(self, symbol: str, facts: AssetFacts | None, now_ns: int) -> None:
        """What is known of a symbol from now on. One that may not be ordered has prices all the same: while it waits
        for the first, that is why.
        """
        entry = self._symbols.entries.get(symbol)
        if entry is not None:
            entry.asset = facts
        if facts is None or facts.tradable or symbol in self.absent:
            self._not_tradable.discard(symbol)
        elif symbol not in self._not_tradable:
            log.info("%s: the venue takes no orders for it", symbol)
            self._not_tradable.add(symbol)
            self._say_not_tradable(symbol, now_ns)

    def _say_not_tradable(self, symbol: str, now_ns: int) -> None:
        entry = self._symbols.entries.get(symbol)
        if entry is not None and entry.state is SymbolState.PENDING:
            self._symbols.move(symbol, SymbolState.PENDING, Cause.NOT_TRADABLE, now_ns)

    def _say(self, symbol: str, absent: Cause | None) -> None:
        if absent is None:
            log.info("%s: the venue has it after all", symbol)
            return
        self.refused += 1
        entry = self._symbols.entries.get(symbol)
        near = () if entry is None or entry.asset is None else entry.asset.near
        what = "the venue has no such symbol" if absent is Cause.NO_SUCH_SYMBOL else "it is no longer traded"
        log.warning("%s: %s%s", symbol, what, f"; near to it: {', '.join(near)}" if near else "")

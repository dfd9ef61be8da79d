"""What is asked of the venue's trading API, and what follows for symbols: its list, first ticks, its clock. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from quotebus.bus.clock import NS_PER_S
from quotebus.pricing.allocation import Allocation
from quotebus.pricing.asset_watch import AssetWatch
from quotebus.pricing.commands import Asked, AskTrading
from quotebus.pricing.first_ticks import FirstTicks
from quotebus.pricing.sessions import VenueDay
from quotebus.pricing.subscription_set import SubscriptionSet
from quotebus.pricing.symbols import SymbolTable


class VenueWatch:
    """Tells `allocation` which symbols get no place and which give way. `rearrange` is called when that has changed."""

    def __init__(
        self,
        symbols: SymbolTable,
        subscriptions: SubscriptionSet,
        allocation: Allocation,
        venue_day: VenueDay,
        command: Callable[[AskTrading], None],
        rearrange: Callable[[int], None],
        first_tick_ns: int,
    ) -> None:
        self._ask = command
        self.assets = AssetWatch(symbols, self._ask_list, self._ask_one, rearrange)
        self._first_ticks = FirstTicks(symbols, subscriptions, first_tick_ns)
        self._allocation = allocation
        self._day = venue_day
        self._rearrange = rearrange
        self._looked_ns = 0
        allocation.absent, allocation.last = self.assets.absent, self._first_ticks.never

    def on_time(self, wanted: Mapping[str, object], now_ns: int, *, streams: int) -> None:
        """Let time pass; `streams`: the number of the connection if it streams, else 0. Nothing is asked while nothing
        is wanted.
        """
        self.assets.on_time(wanted, now_ns)
        if wanted and self._day.asks(now_ns):
            self._ask(AskTrading(Asked.CLOCK))
        if streams and now_ns - self._looked_ns >= NS_PER_S:
            self._looked_ns = now_ns
            if self._first_ticks.look(self._day.session, streams, now_ns) and self._allocation.is_crowded:
                self._rearrange(now_ns)

    def _ask_list(self) -> None:
        self._ask(AskTrading(Asked.LIST))

    def _ask_one(self, symbol: str) -> None:
        self._ask(AskTrading(Asked.ASSET, symbol))

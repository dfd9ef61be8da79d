"""Sends ticks to subscribers: which connection gets which record, encoded once per encoding. Pure.

A symbol ticks once for everybody: two connections see the same values. No tick is made while no connection has room.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple, Protocol

from quotebus.pricing.simulator.encoding import Encoding, encode
from quotebus.pricing.simulator.market import SymbolMarket
from quotebus.pricing.simulator.records import Quote, Record, Sent, Trade, TradingStatus
from quotebus.pricing.simulator.schedule import Schedule
from quotebus.pricing.simulator.spoiler import Spoiler
from quotebus.pricing.simulator.symbols import QUIET_PREFIX, TEST_FEED_SYMBOL, WELL_KNOWN, ticks

MOST_MARKETS = 20_000
BURST_QUOTES = 512


class Receiver(Protocol):
    """A connection as the market sees it."""

    feed: str

    @property
    def encoding(self) -> Encoding:
        """How its records are encoded."""

    @property
    def has_room(self) -> bool:
        """Whether it accepts data now."""

    def symbols(self, channel: str) -> Collection[str]:
        """The symbols that it is subscribed to on one channel."""

    def take(self, record: Sent, data: bytes) -> None:
        """Queue one encoded record."""


class Route(NamedTuple):
    """The receivers of one symbol's quotes and trades."""

    quotes: list[Receiver]
    trades: list[Receiver]


class Broadcast:
    """The market of all subscribed symbols. `run` makes the ticks that are due; `next_ns` is when to call it again.

    A `spoiler`, if set, makes ticks wrong before they are sent; injected records are not spoilt.
    """

    def __init__(self, seed: int, rate: float) -> None:
        self._seed = seed
        self._markets: dict[str, SymbolMarket] = {}
        self._routes: dict[str, Route] = {}
        self._receivers: Sequence[Receiver] = ()
        self._takers: list[Receiver] = []
        self._silent: frozenset[str] = frozenset()
        self._still: frozenset[str] = frozenset()
        self._hidden: frozenset[str] = frozenset()
        self._muted = False
        self.withheld = 0
        self.spoiler: Spoiler | None = None
        self.halted: Collection[str] = ()
        """Symbols that are quoted, and not traded."""
        self._schedule = Schedule(rate, random.Random(f"schedule/{seed}"))

    @property
    def rate(self) -> float:
        """Quotes per second over all symbols; 0: as fast as the clients read."""
        return self._schedule.rate

    def set_rate(self, rate: float, now_ns: int) -> None:
        """Change the rate."""
        self._schedule.set_rate(rate, now_ns)

    def mute(self, everything: bool, still: frozenset[str], hidden: frozenset[str] = frozenset()) -> None:
        """Send no ticks of anything, or of these symbols; `still` ones do not tick at all, which `latest_*` show."""
        self._muted = everything
        self._still, self._hidden = still, hidden
        self._silent = still | hidden

    def rebuild(
        self, clients: Sequence[Receiver], new: Iterable[str], now_ns: int, inside: Sequence[Receiver] = ()
    ) -> None:
        """Rebuild the routes from what everybody is subscribed to.

        `new` symbols tick first. Receivers `inside` the exchange get no injected records.
        """
        self._receivers = clients
        receivers = [*clients, *inside]
        explicit = {s for r in receivers for channel in ("quotes", "trades") for s in r.symbols(channel)}
        universe = {s for s in explicit | WELL_KNOWN.keys() if ticks(s)} if "*" in explicit else explicit
        routes: dict[str, Route] = {}
        self._takers = []
        for receiver in receivers:
            takes = False
            for index, channel in enumerate(Route._fields):
                wanted = receiver.symbols(channel)
                for symbol in _that_tick(receiver.feed, universe if "*" in wanted else wanted):
                    route = routes.get(symbol) or routes.setdefault(symbol, Route([], []))
                    route[index].append(receiver)
                    takes = True
            if takes:
                self._takers.append(receiver)
        self._routes = routes
        self._forget_markets()
        busy = [symbol for symbol in sorted(routes) if not symbol.startswith(QUIET_PREFIX)]
        weights = {symbol: self.market(symbol).profile.weight for symbol in busy}
        self._schedule.set_symbols(weights, routes.keys() - weights.keys())
        self._schedule.add_first(busy if "*" in new else new, now_ns)

    def _forget_markets(self) -> None:
        if len(self._markets) > MOST_MARKETS:
            self._markets = {s: market for s, market in self._markets.items() if s in self._routes}

    def market(self, symbol: str) -> SymbolMarket:
        """The market of one symbol. It is kept while nobody is subscribed, and goes on from there."""
        found = self._markets.get(symbol)
        if found is None:
            found = self._markets[symbol] = SymbolMarket(self._seed, symbol)
        return found

    def top(self, symbol: str, utc_ns: int) -> Quote:
        """The newest quote of a symbol before any fault spoilt it; its first, if it has none yet."""
        market = self.market(symbol)
        return market.last or market.next_quote(utc_ns)

    def latest_quote(self, symbol: str, utc_ns: int) -> Quote | None:
        """The market's newest quote before any fault spoilt it. Where no stream shows it, the market goes on unseen."""
        if not ticks(symbol):
            return None
        market = self.market(symbol)
        if market.last is None or self._is_due_unseen(symbol, market.last.t_ns, utc_ns):
            return market.next_quote(utc_ns)
        return market.last

    def latest_trade(self, symbol: str, utc_ns: int) -> Trade | None:
        """The market's newest trade; as with quotes, trades go on where no stream shows them."""
        if not ticks(symbol):
            return None
        market = self.market(symbol)
        if symbol in self.halted:
            return market.last_trade
        if market.last_trade is None or self._is_due_unseen(symbol, market.last_trade.t_ns, utc_ns, "trades"):
            return market.next_trade(utc_ns) or market.last_trade
        return market.last_trade

    def _is_due_unseen(self, symbol: str, last_ns: int, utc_ns: int, channel: str = "quotes") -> bool:
        route = self._routes.get(symbol)
        is_shown = (
            route is not None and bool(getattr(route, channel)) and not self._muted and symbol not in self._hidden
        )
        return symbol not in self._still and not is_shown and utc_ns - last_ns >= self._schedule.mean_ns(symbol)

    def next_ns(self) -> int | None:
        """When `run` has something to do; None until a subscription, a fault or a socket changes."""
        if self._muted or not any(taker.has_room for taker in self._takers):
            return None
        return self._schedule.next_ns()

    def run(self, now_ns: int, utc_ns: Callable[[], int]) -> None:
        """Make the ticks that are due and give them to their receivers, at most BURST_QUOTES of them."""
        if self._muted or not any(taker.has_room for taker in self._takers):
            return
        routes, markets, silent, spoiler = self._routes, self._markets, self._silent, self.spoiler
        for symbol in self._schedule.due(now_ns, BURST_QUOTES):
            if symbol in silent:
                continue
            market = markets[symbol] if symbol in markets else self.market(symbol)
            quotes, trades = routes[symbol]
            quote = market.next_quote(utc_ns())
            if spoiler is not None:
                self.withheld += _deliver(spoiler.spoil(quote), quotes)
            elif len(quotes) == 1:
                receiver = quotes[0]
                if receiver.has_room:
                    receiver.take(quote, receiver.encoding.quote(quote))
                else:
                    self.withheld += 1
            elif quotes:
                self.withheld += _deliver(quote, quotes)
            if trades and symbol not in self.halted:
                trade = market.next_trade(utc_ns())
                if trade is not None:
                    self.withheld += _deliver(trade if spoiler is None else spoiler.spoil(trade), trades)

    def inject(self, record: Record) -> int:
        """Send a record verbatim to all its subscribers, even while muted. Returns how many got it."""
        channel = _CHANNEL_OF[type(record)]
        if isinstance(record, Quote):
            self.market(record.symbol).last = record
        elif isinstance(record, Trade):
            self.market(record.symbol).last_trade = record
        receivers = [
            receiver
            for receiver in self._receivers
            if receiver.has_room and not {record.symbol, "*"}.isdisjoint(receiver.symbols(channel))
        ]
        for receiver in receivers:
            receiver.take(record, receiver.encoding.record(record))
        return len(receivers)


_CHANNEL_OF: dict[type[Record], str] = {Quote: "quotes", Trade: "trades", TradingStatus: "statuses"}


def _that_tick(feed: str, symbols: Iterable[str]) -> list[str]:
    if feed == "test":
        return [symbol for symbol in symbols if symbol == TEST_FEED_SYMBOL]
    return [symbol for symbol in symbols if ticks(symbol)]


def _deliver(record: Sent, receivers: Sequence[Receiver]) -> int:
    """Give a record to the receivers that have room. Returns how many had none."""
    encoded: dict[int, bytes] = {}
    withheld = 0
    for receiver in receivers:
        if receiver.has_room:
            encoding = receiver.encoding
            data = encoded.get(encoding.opcode)
            if data is None:
                data = encoding.quote(record) if isinstance(record, Quote) else encode(encoding, record)
                encoded[encoding.opcode] = data
            receiver.take(record, data)
        else:
            withheld += 1
    return withheld

"""Quotes and trades from the bus to the SDKs that have subscribed to them.

The SDKs share one client of the bus because a record is then read and encoded once, however many get it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from quotebus.bus.async_client import AsyncBusClient
from quotebus.bus.edge.audience import Audience
from quotebus.bus.edge.connection import SdkConnection
from quotebus.bus.edge.edge_session import EdgeSession, Entry
from quotebus.bus.edge.formats import JSON, MSGPACK, Format
from quotebus.bus.edge.line_loss import LineLoss
from quotebus.bus.edge.outbox import SERVICE_RESTART
from quotebus.bus.edge.settings import EdgeSettings
from quotebus.bus.events import Cause, Quote, SymbolState, Trade
from quotebus.bus.interest import SymbolResult
from quotebus.bus.protocol import MAX_SYMBOLS

REQUEST_EVERY_S = 0.05
"""A hundred SDKs that start together are a few requests on the bus, not a hundred."""
LOOK_EVERY_S = 0.25
"""How often evictions and the line are looked at while somebody wants a symbol."""
FEED_BOUND = 200_000
COUNTERS = ("quotes", "trades", "records_dropped", "policy_dropped", "evicted", "streaming", "line_cuts")
TickConnection = SdkConnection[EdgeSession]


class TickRelay:
    """Who wants what, and what they get."""

    def __init__(self, settings: EdgeSettings, bus: AsyncBusClient, entry: Entry) -> None:
        self.counters = dict.fromkeys(COUNTERS, 0)
        self._settings, self._bus, self._entry = settings, bus, entry
        self._audience: Audience[TickConnection] = Audience()
        self._limit = settings.edge_symbol_limit or MAX_SYMBOLS
        self._changed, self._wanting = asyncio.Event(), asyncio.Event()
        self._evicted: frozenset[str] = frozenset()

    def tasks(self) -> list[Coroutine[None, None, None]]:
        """What has to run for ever."""
        return [self._pump_quotes(), self._pump_trades(), self._follow_interest(), self._look()]

    def session(self, feed: str, *, is_full: bool) -> EdgeSession:
        """The protocol of another connection, which was made for `feed`; empty for any."""
        return EdgeSession(
            self._entry, self._has_room, lambda: self._refuse(feed, is_full=is_full), lambda: self._evicted
        )

    def update(self, connection: TickConnection) -> None:
        """Its subscriptions have changed."""
        self._audience.update(connection, connection.session.subscribed)
        self._changed.set()

    def remove(self, connection: TickConnection) -> None:
        """It has gone."""
        self._audience.remove(connection)
        self._changed.set()

    def _refuse(self, feed: str, *, is_full: bool) -> int:
        """The code for one whose key is right, and who is not served all the same; 0 for none."""
        health = self._bus.health()
        if is_full:
            return 406
        return 409 if feed and health is not None and health.feed != feed else 0

    def _has_room(self, symbols: set[str]) -> bool:
        return len(self._wanted() | symbols) <= self._limit

    # the bus

    def _wanted(self) -> set[str]:
        return self._audience.symbols("quotes") | self._audience.symbols("trades")

    async def _follow_interest(self) -> None:
        """Ask the bus for what all SDKs want together, whenever that changes."""
        asked: tuple[object, ...] = ((), ("quotes",))
        while True:
            await self._changed.wait()
            self._changed.clear()
            channels = ("quotes", "trades") if self._audience.symbols("trades") else ("quotes",)
            wanted = (tuple(sorted(self._wanted())), channels)
            if wanted != asked:
                asked = wanted
                (self._wanting.set if wanted[0] else self._wanting.clear)()
                if not wanted[0]:
                    self._evicted = frozenset()
                    self.counters["evicted"] = self.counters["streaming"] = 0
                await self._bus.request(wanted[0], channels=channels)
                await asyncio.sleep(REQUEST_EVERY_S)

    async def _look(self) -> None:
        """Tell those whose symbols have no place, and end connections with the line where that is asked for."""
        line = LineLoss()
        cuts = self._settings.edge_line_down == "close"
        while True:
            if not self._wanting.is_set():
                await self._wanting.wait()
                line = LineLoss()  # that the line was closed meanwhile, since nobody wanted it, is no loss
            self._tell_evictions()
            streams = self._bus.is_connected
            self.counters["streaming"] = int(streams)
            if line.observe(self._bus.health(), streams=streams) and cuts:
                self._cut_all()
            await asyncio.sleep(LOOK_EVERY_S)

    def _tell_evictions(self) -> None:
        now = frozenset(result.symbol for result in self._bus.results().values() if _has_no_place(result))
        if now == self._evicted:
            return
        self.counters["evicted"] = len(now)
        changed, self._evicted = now ^ self._evicted, now
        told = {each for symbol in changed for channel in ("quotes", "trades") for each in self._named(channel, symbol)}
        for connection in told:
            for message in connection.session.note_evictions().messages:
                connection.outbox.offer(message)

    def _named(self, channel: str, symbol: str) -> list[TickConnection]:
        return [each for each in self._audience.find(channel, symbol) if symbol in each.session.subscribed[channel]]

    def _cut_all(self) -> None:
        """Its own protocol's word for a line that is down: the venue's connection breaks, so theirs do."""
        for connection in self._audience.members():
            if any(connection.session.subscribed.values()):
                self.counters["line_cuts"] += 1
                connection.outbox.cut(SERVICE_RESTART, "the upstream connection was lost")

    async def _pump_quotes(self) -> None:
        checks = self._settings.edge_policy == "usable"
        async for quote in self._bus.quotes(conflate=False, bound=FEED_BOUND):
            members = self._audience.find("quotes", quote.symbol)
            if not members:
                continue
            if checks and (quote.flags or not self._bus.usable(quote.symbol)):
                self.counters["policy_dropped"] += 1
                continue
            self.counters["quotes"] += 1
            self._pass_on(members, quote)

    async def _pump_trades(self) -> None:
        async for trade in self._bus.trades(bound=FEED_BOUND):
            if members := self._audience.find("trades", trade.symbol):
                self.counters["trades"] += 1
                self._pass_on(members, trade)

    def _pass_on(self, members: tuple[TickConnection, ...], tick: Quote | Trade) -> None:
        """Encode it once for each encoding that somebody has, and queue it for everybody."""
        encoded: dict[bool, bytes] = {}
        for connection in members:
            outbox = connection.outbox
            record = encoded.get(outbox.form.is_text)
            if record is None:
                record = encoded[outbox.form.is_text] = _encode(outbox.form, tick)
            self.counters["records_dropped"] += not outbox.offer(record)


def _has_no_place(result: SymbolResult) -> bool:
    """Whether the symbol cannot be had for the number of others."""
    if result.state == SymbolState.EVICTED:
        return True
    return result.state == SymbolState.REFUSED and result.cause == Cause.TOO_MANY


def _encode(form: Format, tick: Quote | Trade) -> bytes:
    ticks = JSON if form.is_text else MSGPACK
    return ticks.quote(tick) if isinstance(tick, Quote) else ticks.trade(tick)

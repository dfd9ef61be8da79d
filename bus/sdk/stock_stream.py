"""`StockDataStream`: alpaca-py's interface, its models and its handlers, over the bus."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any
from urllib.parse import urlsplit

import msgpack
from alpaca.data.enums import DataFeed
from alpaca.data.models.quotes import Quote as AlpacaQuote
from alpaca.data.models.trades import Trade as AlpacaTrade

from quotebus.bus.async_client import AsyncBusClient
from quotebus.bus.async_feed import AsyncFeed
from quotebus.bus.edge.edge_session import ALL
from quotebus.bus.edge.formats import quote_fields, trade_fields
from quotebus.bus.errors import NotOnTheBus, StreamEnded
from quotebus.bus.events import Quote, SymbolState, Trade
from quotebus.bus.interest import ask_for_near
from quotebus.bus.sdk.price_policy import check_policy, list_reasons
from quotebus.bus.sdk.stream_life import FEED_BOUND, Handler, Recording, StreamLife, check_handler
from quotebus.bus.settings import BusSettings

SERVED = ("trades", "quotes")
LOOK_EVERY_S = 0.5
"""How often symbols that are refused, and the node's feed, are looked at."""
FEEDS = frozenset(feed.value for feed in DataFeed) | {"test"}
NO_PLACE = frozenset({SymbolState.REFUSED, SymbolState.EVICTED})
_log = logging.getLogger(__name__)


class FlaggedQuote(AlpacaQuote):
    """What a handler gets with `policy="flag"`: alpaca-py's quote, and whether it may be used."""

    usable: bool = False
    """Whether it might be used when the handler was called."""
    reasons: tuple[str, ...] = ()
    """Why not: the bus's words, or `superseded` when a newer one had come meanwhile."""

    def __init__(self, symbol: str, raw_data: dict[str, Any], reasons: tuple[str, ...] = ()) -> None:
        """`raw_data` as the venue sends it."""
        super().__init__(symbol, raw_data)
        self.usable, self.reasons = not reasons, reasons


class StockDataStream(StreamLife[Quote | Trade]):
    """Quotes and trades of stocks, from the one connection that all programs of the machine share.

    The arguments are alpaca-py's. The bus needs no key; `websocket_params` and `data_timeout` have no effect, because
    there is no connection of its own whose silence has to be watched. Of `url_override` the feed counts that it names.
    """

    def __init__(
        self,
        api_key: str = "",
        secret_key: str = "",
        raw_data: bool = False,
        feed: DataFeed = DataFeed.IEX,
        websocket_params: dict[str, Any] | None = None,
        url_override: str | None = None,
        data_timeout: float | None = None,
        *,
        policy: str = "pass",
        priority: int = 0,
        name: str | None = None,
        settings: BusSettings | None = None,
        recording: Recording | None = None,
    ) -> None:
        """After `data_timeout` come what alpaca-py does not have.

        Args:
            api_key: Not used.
            secret_key: Not used.
            raw_data: Handlers get dictionaries in the venue's form instead of models.
            feed: The feed that the node must have; of another one nothing is delivered.
            websocket_params: Not used.
            url_override: An address whose last part names the feed, such as `…/v2/test`; otherwise any feed will do.
            data_timeout: Not used, but checked.
            policy: What becomes of a quote that may not be used: `pass` (every quote, as alpaca-py), `drop`, or `flag`
                (handlers get a `FlaggedQuote`; raw, the keys `usable` and `reasons`). Trades are passed.
            priority: −128 to 127; a higher one wins under the upstream's symbol limit.
            name: The client's name on the bus, as in `BusClient`.
            settings: Where the broker is; by default from the environment and `.env`.
            recording: A capture, several, or a folder of them: `run` plays it to its end, as fast as the handlers take
                it, without a bus. Handlers get what they would have got live, judged as it was.

        Raises:
            ValueError: A feed that alpaca-py refuses, a `data_timeout` that is no time, or an unknown policy.
        """
        if feed not in (DataFeed.IEX, DataFeed.SIP):
            raise ValueError("only IEX and SIP feeds ar supported")
        if data_timeout is not None and data_timeout <= 0:
            raise ValueError("data_timeout must be a positive number of seconds")
        super().__init__(name=name, settings=settings, recording=recording)
        self.dropped = 0
        """Quotes that `policy="drop"` kept back."""
        self._raw_data, self._policy, self._priority = raw_data, check_policy(policy), priority
        self._asks_for = feed.value if url_override is None else _read_feed(url_override)
        self._handlers: dict[str, dict[str, Handler]] = {channel: {} for channel in SERVED}

    # subscriptions

    def subscribe_trades(self, handler: Handler, *symbols: str) -> None:
        """Have a coroutine function called with each trade of these symbols; also while the stream runs.

        Args:
            handler: The last one given for a symbol counts.
            symbols: In any case. `*` is every symbol that this stream names for anything: nothing is asked for because
                of it.

        Raises:
            ValueError: The handler is no coroutine function.
        """
        self._subscribe("trades", handler, symbols)

    def subscribe_quotes(self, handler: Handler, *symbols: str) -> None:
        """The same of quotes."""
        self._subscribe("quotes", handler, symbols)

    def unsubscribe_trades(self, *symbols: str) -> None:
        """No longer. Raises KeyError for one that was not subscribed to."""
        self._unsubscribe("trades", symbols)

    def unsubscribe_quotes(self, *symbols: str) -> None:
        """No longer. Raises KeyError for one that was not subscribed to."""
        self._unsubscribe("quotes", symbols)

    def subscribe_bars(self, handler: Handler, *symbols: str) -> None:
        """Raises NotOnTheBus, as all that follow: the bus carries quotes and trades."""
        raise NotOnTheBus("bars")

    def subscribe_updated_bars(self, handler: Handler, *symbols: str) -> None:
        """Raises NotOnTheBus."""
        raise NotOnTheBus("updated bars")

    def subscribe_daily_bars(self, handler: Handler, *symbols: str) -> None:
        """Raises NotOnTheBus."""
        raise NotOnTheBus("daily bars")

    def subscribe_trading_statuses(self, handler: Handler, *symbols: str) -> None:
        """Raises NotOnTheBus; what is known of halts is in `BusClient.status`."""
        raise NotOnTheBus("trading statuses")

    def register_trade_corrections(self, handler: Handler) -> None:
        """Raises NotOnTheBus."""
        raise NotOnTheBus("trade corrections")

    def register_trade_cancels(self, handler: Handler) -> None:
        """Raises NotOnTheBus."""
        raise NotOnTheBus("trade cancels")

    def unsubscribe_bars(self, *symbols: str) -> None:
        """Nothing: there are none."""

    unsubscribe_updated_bars = unsubscribe_daily_bars = unsubscribe_trading_statuses = unsubscribe_bars

    def _subscribe(self, channel: str, handler: Handler, symbols: tuple[str, ...]) -> None:
        check_handler(handler)
        for symbol in symbols:
            self._handlers[channel][symbol.upper()] = handler
        if ALL in symbols:
            _log.warning("* for %s is every symbol that this stream names; it asks for none by itself", channel)
        self._note_change()

    def _unsubscribe(self, channel: str, symbols: tuple[str, ...]) -> None:
        for symbol in symbols:
            del self._handlers[channel][symbol.upper()]
        self._note_change()

    # the bus

    def _has_handlers(self) -> bool:
        return any(self._handlers.values())

    def _open_feed(self, bus: AsyncBusClient) -> AsyncFeed[Quote | Trade]:
        return bus.ticks(bound=FEED_BOUND)

    async def _watch(self, bus: AsyncBusClient) -> None:
        asked: tuple[object, ...] = ()
        known: dict[str, str] = {}
        while True:
            wanted = sorted({symbol for handlers in self._handlers.values() for symbol in list(handlers)} - {ALL})
            channels = ("quotes", "trades") if self._handlers["trades"] else ("quotes",)
            if asked != (wanted, channels):
                asked = (wanted, channels)
                await bus.request(wanted, channels=channels, priority=self._priority)
                _log.info("subscribed to %s", ", ".join(f"{k}: {sorted(v)}" for k, v in self._handlers.items() if v))
            self._check_feed(bus)
            known = _tell_states(bus, known)
            self._changed.clear()
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _check_feed(self, bus: AsyncBusClient) -> None:
        health = bus.health()
        if health is not None and self._asks_for not in ("", health.feed):
            raise StreamEnded(f"insufficient subscription: the node has {health.feed}, not {self._asks_for}")

    def _find_call(self, bus: AsyncBusClient, item: Quote | Trade) -> Awaitable[None] | None:
        if self._recording is not None:
            self._check_feed(bus)  # a recording may be over before its feed is looked at again
        handlers = self._handlers["quotes" if isinstance(item, Quote) else "trades"]
        handler = handlers.get(item.symbol) or handlers.get(ALL)
        if handler is None:
            return None
        if isinstance(item, Trade):
            fields = trade_fields(item, self._time(item.exchange_ns)) | {"c": list(item.conditions)}
            return handler(fields if self._raw_data else AlpacaTrade(item.symbol, fields))
        fields = quote_fields(item, self._time(item.exchange_ns)) | {"c": list(item.conditions)}
        if self._policy == "pass":
            return handler(fields if self._raw_data else AlpacaQuote(item.symbol, fields))
        reasons = list_reasons(item, bus.assess(item.symbol))
        if self._policy == "drop":
            if reasons:
                self.dropped += 1
                return None
            return handler(fields if self._raw_data else AlpacaQuote(item.symbol, fields))
        if self._raw_data:
            return handler(fields | {"usable": not reasons, "reasons": reasons})
        return handler(FlaggedQuote(item.symbol, fields, reasons))

    def _time(self, utc_ns: int) -> object:
        """As alpaca-py passes it: the wire's timestamp when raw, a datetime in models."""
        stamp = msgpack.Timestamp.from_unix_nano(utc_ns)
        return stamp if self._raw_data else stamp.to_datetime()


def _read_feed(url: str) -> str:
    """The feed that an address names; empty for any."""
    named = urlsplit(url).path.rstrip("/").rpartition("/")[2]
    return named if named in FEEDS else ""


def _tell_states(bus: AsyncBusClient, known: dict[str, str]) -> dict[str, str]:
    """Log symbols that cannot be had, once each; returns those."""
    now = {
        symbol: f"{result.cause}{ask_for_near(result.near)}"
        for symbol, result in bus.results().items()
        if result.state in NO_PLACE
    }
    for symbol in now.keys() - known.keys():
        _log.error("error: %s has no price: %s", symbol, now[symbol])
    return now

"""What a client offers beside prices one at a time: time, recent quotes, frames, handlers. All the same in a replay."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from math import isfinite
from typing import Any

from quotebus.bus.base_client import FEED_BOUND, BaseClient, SocketsT
from quotebus.bus.clock import NS_PER_S, datetime, seconds, to_datetime, utc_ns
from quotebus.bus.events import Event, OrderUpdate, Quote, Trade
from quotebus.bus.frames import make_frame, make_table
from quotebus.bus.judgement import assess
from quotebus.bus.quote_windows import QuoteWindows
from quotebus.bus.tick_handlers import HandlerQueue, TickHandlers, check_handler
from quotebus.bus.verdict import Verdict

_DRAIN_S = 0.1
HANDLED = ("quotes", "trades", "orders")


class DataClient(BaseClient[SocketsT]):
    """A client with handlers, windows and frames."""

    _windows: QuoteWindows | None = None
    _tick_handlers: TickHandlers | None = None
    _awaits_handlers = False

    # time

    @property
    def now(self) -> datetime:
        """The time: UTC by this machine's clock, aware; over a recording the recording's, which is the same each time.

        A strategy that runs in both takes its time from here or from the quotes, never from the system.
        """
        with self._sockets.lock:
            return to_datetime(self._consumer.stream_ns if self._consumer.replayed else utc_ns())

    # recent quotes, and frames

    def window(self, symbol: str, length: int = 100) -> list[Quote]:
        """The newest quotes of a symbol, usable or not, from the first call for it on.

        Args:
            symbol: In any case; one that is not asked for has an empty window, and is forgotten.
            length: How many at most, 1 to 1,000,000. A longer one later grows from then on.

        Returns:
            A new list, oldest first; at the first call with the newest quote alone, if there is one.

        Raises:
            ValueError: The length is out of range.
        """
        sockets, symbol = self._sockets, symbol.upper()
        if self._windows is None:
            self._windows = QuoteWindows()
            sockets.add_quote_feed(self._windows)
        with sockets.lock:
            wanted = self._consumer.interest.wanted.symbols
            self._windows.keep_only(wanted)
            if symbol not in wanted:
                return []
            return self._windows.look(symbol, length, self._consumer.book.quotes.get(symbol))

    def frame(self, events: Iterable[Event] | None = None, library: str = "pandas") -> Any:
        """A pandas or polars frame: of the symbols as they stand now, or of events such as `window` returns.

        Args:
            events: Quotes, or other events of one kind: one row each, see `quotebus.make_frame`. Without them there is
                one row for each symbol that is asked for, with its newest quote, and whether that may be used.
            library: `pandas` or `polars`; it must be installed, as by the extras of these names.

        Returns:
            A `pandas.DataFrame`, with `symbol` or `time` as its index, or a `polars.DataFrame` with it as a column.

        Raises:
            MissingExtra: The library is not installed.
            ValueError: Another library, or events of several kinds.
        """
        if events is not None:
            return make_frame(events, library)
        behind = not self._sockets.drain(_DRAIN_S)
        with self._sockets.lock:
            at_ns, consumer = self._sockets.time_ns(), self._consumer
            verdicts = [assess(consumer, each, at_ns, behind=behind) for each in consumer.interest.wanted.symbols]
        rows = [_describe(verdict) for verdict in verdicts]
        return make_table({name: [row[name] for row in rows] for name in _COLUMNS}, library, index="symbol")

    # handlers

    def on(
        self, kind: str, handler: Callable[[Any], Any], *, symbols: Collection[str] | str | None = None,
        conflate: bool = True, bound: int = FEED_BOUND,
    ) -> None:  # fmt: skip
        """Have `run` call a function with each quote, trade or order update from now on.

        Handlers are called one after the other, in the thread or task of `run`; each gets the ticks of its kind in
        order. One that raises is logged with its traceback, at most every 10 s, and counted (`handler_errors`); it and
        all others go on. A slow one delays the others, and loses nothing that `quotes` and `trades` would not.

        Args:
            kind: `quotes`, `trades` or `orders`, as the iterators of these names.
            handler: Takes one Quote, Trade or OrderUpdate. Of AsyncBusClient it may be a coroutine function.
            symbols: Only of these, in any case; by default of all. This asks for nothing: `request` does.
            conflate: A slow handler gets the newest quote of each symbol; otherwise every quote. Trades and orders
                always come one by one.
            bound: How many may wait without `conflate`; beyond it the oldest go, and are counted.

        Raises:
            ValueError: Another kind, or no function; a coroutine function of a BusClient.
            ClientClosed: The client is closed.
        """
        sockets = self._open_sockets()
        if kind not in HANDLED:
            raise ValueError(f"not one of {', '.join(HANDLED)}: {kind!r}"[:100])
        check_handler(handler, awaited=self._awaits_handlers)
        names = [symbols] if isinstance(symbols, str) else symbols
        only = None if names is None else {name.strip().upper() for name in names}
        if kind == "quotes":
            quotes: HandlerQueue[Quote] = HandlerQueue(only, conflate=conflate, bound=bound)
            self._handlers.add(handler, sockets.add_quote_feed(quotes))
        elif kind == "trades":
            trades: HandlerQueue[Trade] = HandlerQueue(only, conflate=False, bound=bound)
            self._handlers.add(handler, sockets.add_trade_feed(trades))
        else:
            orders: HandlerQueue[OrderUpdate] = HandlerQueue(only, conflate=False, bound=bound)
            self._handlers.add(handler, sockets.add_order_feed(orders))

    def off(self, handler: Callable[[Any], Any]) -> None:
        """Call a function no more, of whatever kinds it was a handler; what waits for it is dropped.

        Args:
            handler: One that `on` was given.

        Raises:
            ValueError: It is no handler.
        """
        with self._sockets.lock:
            if not self._handlers.remove(handler):
                raise ValueError(f"not a handler: {handler!r}"[:100])

    @property
    def _handlers(self) -> TickHandlers:
        if self._tick_handlers is None:
            self._tick_handlers = TickHandlers(self.name, self._consumer.counters)
        return self._tick_handlers

    def _begin_run(self, for_s: float | None) -> int | None:
        """When `run` ends, on the clock of `time_ns`. Raises ValueError, and RuntimeError in another `run`."""
        until_ns = None if for_s is None else self._open_sockets().time_ns() + check_duration("for_s", for_s)
        if self._handlers.running:
            raise RuntimeError("run is running already")
        self._handlers.running = True
        return until_ns

    def _left_s(self, until_ns: int | None) -> float | None:
        """How long until then, in seconds; None for ever, 0 when it is over."""
        if until_ns is None:
            return None
        return max(0, until_ns - self._sockets.time_ns()) / NS_PER_S


def check_duration(name: str, duration_s: float) -> int:
    """Seconds as nanoseconds. Raises ValueError for less than 0, and for what is no number."""
    if not (isfinite(duration_s) and duration_s >= 0):
        raise ValueError(f"{name} must be 0 or more seconds, not {duration_s!r}")
    return seconds(duration_s)


_COLUMNS = (
    *("symbol", "bid_price", "ask_price", "mid", "spread", "bid_size", "ask_size", "time", "age_s"),
    *("usable", "reasons", "state", "halt"),
)
"""Of `frame`, in order."""


def _describe(verdict: Verdict) -> dict[str, Any]:
    """A row of `frame`: the quote, the judgement, the symbol's state."""
    quote, standing = verdict.quote, verdict.standing
    return {
        "symbol": verdict.symbol,
        "bid_price": quote and quote.bid_price,
        "ask_price": quote and quote.ask_price,
        "mid": quote and quote.mid,
        "spread": quote and quote.spread,
        "bid_size": quote and quote.bid_size,
        "ask_size": quote and quote.ask_size,
        "time": quote and quote.exchange_ns,
        "age_s": None if verdict.age_ns is None else verdict.age_ns / NS_PER_S,
        "usable": verdict.usable,
        "reasons": str(verdict.reasons) if verdict.reasons else "",
        "state": None if standing is None else standing.state.value,
        "halt": verdict.halt.value,
    }

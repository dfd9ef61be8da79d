"""The bus for a program that wants prices: declare interest, read quotes, know whether they may be used."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from quotebus.bus.base_client import FEED_BOUND, BaseClient, as_list
from quotebus.bus.consumer import Consumer
from quotebus.bus.events import OrderUpdate, Quote, Trade
from quotebus.bus.feed import Feed
from quotebus.bus.interest import SymbolResult
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.client_thread import ClientThread


class BusClient(BaseClient[ClientThread]):
    """One lease on the bus, renewed in the background until closed.

    Nothing here raises because of an upstream state: results, `health` and `assess` say what is the matter. A process
    that needs two priorities opens two clients under two names. All methods may be called from any thread.
    """

    def _connect(self, settings: BusSettings, consumer: Consumer, log: logging.Logger) -> ClientThread:
        sockets = ClientThread(settings, consumer, log)
        sockets.start()
        return sockets

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release everything at once and end; returns within a second. May be repeated."""
        self._sockets.close()

    def request(
        self,
        symbols: Iterable[str] | str,
        *,
        channels: Iterable[str] = ("quotes",),
        priority: int = 0,
        wait_s: float = 0,
    ) -> dict[str, SymbolResult]:
        """Ask for `symbols` (or one) and no others, and return what is known of each.

        Waits up to `wait_s` until every symbol has a price or an answer that will not change by waiting. A symbol that
        cannot be asked for is refused by name (`bad_symbol`), the others go on. Raises ValueError for bad arguments.
        """
        with self._asking:
            self._replace(as_list(symbols), channels, priority)
            return self._wait_for_results(wait_s)

    def add(self, symbols: Iterable[str] | str, *, wait_s: float = 0) -> dict[str, SymbolResult]:
        """Add symbols (or one) to what is asked for. Raises ValueError beyond the bound."""
        with self._asking:
            self._add(symbols)
            return self._wait_for_results(wait_s)

    def discard(self, symbols: Iterable[str] | str) -> None:
        """Take symbols (or one) out of what is asked for; other clients' interest in them is untouched."""
        with self._asking:
            self._discard(symbols)

    def quotes(self, *, conflate: bool = True, bound: int = FEED_BOUND, timeout_s: float | None = None) -> Feed[Quote]:
        """An iterator over quotes from now on; see `Feed`. It ends at `close`, or after `timeout_s` without a quote."""
        return self._sockets.add_quote_feed(Feed(conflate=conflate, bound=bound, timeout_s=timeout_s))

    def trades(self, *, bound: int = FEED_BOUND, timeout_s: float | None = None) -> Feed[Trade]:
        """An iterator over trades, never conflated; ask for the `trades` channel."""
        return self._sockets.add_trade_feed(Feed(conflate=False, bound=bound, timeout_s=timeout_s))

    def orders(self, *, bound: int = FEED_BOUND, timeout_s: float | None = None) -> Feed[OrderUpdate]:
        """An iterator over updates of the account's orders from now on, never conflated; no request is needed.

        The node publishes them with `PRICING_ORDER_STREAM`. Updates may come twice and late; what it missed itself it
        reads by REST and publishes as `reconciled` before `order_health` says `streaming` again.
        """
        return self._sockets.add_order_feed(Feed(conflate=False, bound=bound, timeout_s=timeout_s))

    def _wait_for_results(self, wait_s: float) -> dict[str, SymbolResult]:
        self._sockets.wait(self._consumer.interest.settled, wait_s)
        return self.results()

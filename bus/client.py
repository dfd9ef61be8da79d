"""The bus for a program that wants prices: declare interest, read quotes, know whether they may be used."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from quotebus.bus.base_client import FEED_BOUND, as_list
from quotebus.bus.clock import now_ns
from quotebus.bus.consumer import Consumer
from quotebus.bus.data_client import DataClient, check_duration
from quotebus.bus.events import OrderUpdate, Quote, Trade
from quotebus.bus.execution_result import ExecutionResult
from quotebus.bus.feed import Feed
from quotebus.bus.interest import SymbolResult
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.client_sockets import BlockingSockets
from quotebus.bus.transport.client_thread import ClientThread


class BusClient(DataClient[BlockingSockets]):
    """One lease on the bus, renewed in the background until closed.

    Nothing here raises because of an upstream state: results, `health` and `assess` say what is the matter. A process
    that needs two priorities opens two clients under two names. All methods may be called from any thread.

    After `close`, methods that ask or send raise `ClientClosed`. Those that only read still answer, and no price is
    usable. A client that is garbage-collected without `close` is closed then, with a ResourceWarning; one that is still
    open when the program ends is closed there. It belongs to the process that made it: in a forked child everything but
    `close` raises `ClientInherited`, and the parent is not disturbed.
    """

    def _connect(self, settings: BusSettings, consumer: Consumer) -> BlockingSockets:
        sockets = ClientThread(settings, consumer)
        sockets.start()
        return sockets

    def __enter__(self) -> Self:
        self._open_sockets()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release everything at once and end; returns within a second. May be repeated.

        In a forked child it does nothing: the connection is the parent's.
        """
        if not self._inherited():
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

        Args:
            symbols: One or several, in any case, at most 10,000; the empty list releases everything. A string that is
                no symbol is refused by name (`bad_symbol`), the others go on.
            channels: `quotes`, `trades`, or both; trading statuses always come along.
            priority: −128 to 127; a higher one wins when the upstream allows fewer symbols than are wanted.
            wait_s: How long to wait, in seconds, until every symbol has a price that may be used, or an answer that
                waiting will not change.

        Returns:
            By symbol, what is known of it, refused ones too. After a wait each has the reasons against its price, none
            if it may be used; without one prices are not judged.

        Raises:
            ValueError: No channel or an unknown one, a priority out of range, too many symbols; nothing is changed.
            ClientClosed: The client is closed.
        """
        self._open_sockets()
        with self._asking:
            self._replace(as_list(symbols), channels, priority)
            return self._wait_for_results(wait_s)

    def add(self, symbols: Iterable[str] | str, *, wait_s: float = 0) -> dict[str, SymbolResult]:
        """Add symbols (or one) to what is asked for, on the channels and with the priority of the last `request`.

        Args:
            symbols: One or several, in any case.
            wait_s: How long to wait, in seconds, as in `request`.

        Returns:
            By symbol, what is known of it, also of those asked for before.

        Raises:
            ValueError: More than 10,000 symbols together; nothing is changed.
            ClientClosed: The client is closed.
        """
        self._open_sockets()
        with self._asking:
            self._add(symbols)
            return self._wait_for_results(wait_s)

    def discard(self, symbols: Iterable[str] | str) -> None:
        """Take symbols (or one) out of what is asked for; other clients' interest in them is untouched.

        Args:
            symbols: One or several, in any case; those that are not asked for do not matter.

        Raises:
            ClientClosed: The client is closed.
        """
        self._open_sockets()
        with self._asking:
            self._discard(symbols)

    def execute(
        self, symbol: str, side: str, qty: float | Decimal | str, *, within_s: float = 60, urgency: str = "normal",
        intent_id: str | None = None, wait_s: float | None = None, answer_s: float = 5,
    ) -> ExecutionResult:  # fmt: skip
        """Publish a TradeIntent and follow it to its end: the one call for a program that wants shares, not orders.

        An execution worker with this client's name in `EXECUTION_INTENTS_FROM` works it. The intent is sent again until
        one answers, and whenever it falls silent, so the call survives lost messages, a worker that is killed and
        started again, and a broker's restart. Nothing is doubled: an `intent_id` is worked once, and a second call with
        the same id, also of a later program under the same client name, follows the first. When the call returns before
        the end, or raises, the worker goes on.

        Args:
            symbol: In any case.
            side: `buy` or `sell`.
            qty: Shares, above 0, or `all` with `sell`: what the account holds, as the worker finds it.
            within_s: By when, in seconds from now, it must have ended; at most 24 hours. A fifth of that, at most
                `EXECUTION_GRACE_S`, is kept for cancelling.
            urgency: `low`, `normal` or `high`: how far and how soon the price may go.
            intent_id: Names the intent, 1 to 128 characters; a new one by default. Give one to be able to ask again.
            wait_s: How long to wait for the end, in seconds; by default until 10 s after it must have ended.
            answer_s: How long to wait for the first word of a worker, in seconds.

        Returns:
            How it ended, with what was filled, at what price, by which orders; or, when the wait is over, how far it is
            (`working`), or that nobody has answered (`unanswered`). `exit_status` and `meaning` sum it up.

        Raises:
            ValueError: The intent cannot be one, or the client follows a replay; nothing was sent.
            ClientClosed: The client is closed, or was closed meanwhile.
        """
        follower = self._follow_intent(
            symbol, side, qty, within_s=within_s, urgency=urgency, intent_id=intent_id, wait_s=wait_s, answer_s=answer_s
        )
        try:
            while left_s := self._ask_for(follower):
                self._sockets.wait(lambda: follower.next_ns() <= now_ns(), left_s)
        finally:
            self._sockets.remove_follower(follower)
        return self._executed(follower)

    def quotes(self, *, conflate: bool = True, bound: int = FEED_BOUND, timeout_s: float | None = None) -> Feed[Quote]:
        """Quotes from now on, in the order they came; see `Feed`.

        Args:
            conflate: A slow loop gets the newest quote of each symbol; otherwise every quote, up to `bound` waiting.
            bound: How many may wait without `conflate`; beyond it the oldest go, and are counted.
            timeout_s: End after this many seconds without a quote; by default never.

        Returns:
            A new iterator; it ends at `close`. Several may run at once, each with every quote.

        Raises:
            ClientClosed: The client is closed.
        """
        return self._open_sockets().add_quote_feed(self._make_feed(conflate, bound, timeout_s))

    def trades(self, *, bound: int = FEED_BOUND, timeout_s: float | None = None) -> Feed[Trade]:
        """Trades from now on, never conflated; `request` the `trades` channel.

        Args:
            bound: How many may wait; beyond it the oldest go, and are counted.
            timeout_s: End after this many seconds without one; by default never.

        Returns:
            A new iterator; it ends at `close`.

        Raises:
            ClientClosed: The client is closed.
        """
        return self._open_sockets().add_trade_feed(self._make_feed(False, bound, timeout_s))

    def ticks(self, *, bound: int = FEED_BOUND, timeout_s: float | None = None) -> Feed[Quote | Trade]:
        """Quotes and trades together from now on, in the order they came, never conflated.

        Args:
            bound: How many may wait; beyond it the oldest go, and are counted.
            timeout_s: End after this many seconds without one; by default never.

        Returns:
            A new iterator; it ends at `close`.

        Raises:
            ClientClosed: The client is closed.
        """
        return self._open_sockets().add_tick_feed(self._make_feed(False, bound, timeout_s))

    def orders(self, *, bound: int = FEED_BOUND, timeout_s: float | None = None) -> Feed[OrderUpdate]:
        """Updates of the account's orders from now on, never conflated; no request is needed.

        The node publishes them with `PRICING_ORDER_STREAM`. Updates may come twice and late; what it missed itself it
        reads by REST and publishes as `reconciled` before `order_health` says `streaming` again.

        Args:
            bound: How many may wait; beyond it the oldest go, and are counted.
            timeout_s: End after this many seconds without one; by default never.

        Returns:
            A new iterator; it ends at `close`.

        Raises:
            ClientClosed: The client is closed.
        """
        return self._open_sockets().add_order_feed(self._make_feed(False, bound, timeout_s))

    def run(self, *, for_s: float | None = None) -> None:
        """Call the handlers that `on` was given, in this thread, until the client is closed.

        Ctrl-C ends it as it ends any loop. A handler may ask, wait and close as everybody may.

        Args:
            for_s: End after this many seconds; by default never.

        Raises:
            ValueError: `for_s` is negative.
            ClientClosed: The client is closed.
            RuntimeError: Another thread is in `run`.
        """
        sockets = self._open_sockets()
        until_ns = self._begin_run(for_s)
        try:
            while not sockets.is_closing and self._left_s(until_ns) != 0:
                with sockets.lock:
                    turn = self._handlers.take()
                if turn is not None:
                    self._handlers.call(*turn)
                elif not sockets.wait(self._handlers.have_work, self._left_s(until_ns)):
                    return
        finally:
            self._handlers.running = False

    def sleep(self, duration_s: float) -> bool:
        """Wait so many seconds, of the recording in a replay: a loop with it is the same there as live.

        Args:
            duration_s: In seconds, 0 or more.

        Returns:
            False when the client was closed meanwhile, or the recording is over: the loop should end.

        Raises:
            ValueError: `duration_s` is negative.
            ClientClosed: The client is closed.
        """
        sockets = self._open_sockets()
        check_duration("duration_s", duration_s)
        sockets.wait(lambda: False, duration_s)
        return not sockets.is_over

    def _make_feed(self, conflate: bool, bound: int, timeout_s: float | None) -> Feed[Any]:
        return Feed(self, self._sockets.driver, conflate=conflate, bound=bound, timeout_s=timeout_s)

    def _wait_for_results(self, wait_s: float) -> dict[str, SymbolResult]:
        self._sockets.wait(self._all_arrived(), wait_s)
        return self._judge_results() if wait_s > 0 else self.results()

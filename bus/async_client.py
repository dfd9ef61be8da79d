"""`BusClient` for asyncio: the same names and meanings, awaited where they may wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from quotebus.bus.async_feed import AsyncFeed
from quotebus.bus.base_client import FEED_BOUND, as_list
from quotebus.bus.clock import now_ns
from quotebus.bus.consumer import Consumer
from quotebus.bus.data_client import DataClient, check_duration
from quotebus.bus.events import OrderUpdate, Quote, Trade
from quotebus.bus.execution_result import ExecutionResult
from quotebus.bus.interest import SymbolResult
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.client_loop import ClientLoop
from quotebus.bus.transport.client_sockets import LoopSockets


class AsyncBusClient(DataClient[LoopSockets]):
    """One lease on the bus, renewed in the background of an event loop until closed.

    It has no thread: what it does, it does between the loop's other tasks, and a loop that is blocked is a client that
    reads nothing. It belongs to the loop that runs when it is made, or else to that of its first `async with` or
    `request`, and is used in that loop's thread only. Nothing here raises because of an upstream state.

    After `close`, when it is forgotten, at the end of the program and in a forked child it behaves as `BusClient` does.
    """

    _awaits_handlers = True

    def _connect(self, settings: BusSettings, consumer: Consumer) -> LoopSockets:
        sockets = ClientLoop(settings, consumer)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return sockets  # made before its loop runs
        sockets.start()
        return sockets

    async def __aenter__(self) -> Self:
        self._open_sockets().start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Release everything at once and end; returns within a second. May be repeated.

        In a forked child it does nothing: the connection is the parent's.
        """
        if not self._inherited():
            await self._sockets.close()

    async def request(
        self,
        symbols: Iterable[str] | str,
        *,
        channels: Iterable[str] = ("quotes",),
        priority: int = 0,
        wait_s: float = 0,
    ) -> dict[str, SymbolResult]:
        """Ask for `symbols` (or one) and no others, and return what is known of each.

        The request is sent before the wait, and stands when the wait is cancelled.

        Args:
            symbols: One or several, in any case, at most 10,000; the empty list releases everything.
            channels: `quotes`, `trades`, or both.
            priority: −128 to 127; a higher one wins under the upstream's symbol limit.
            wait_s: How long to wait, in seconds, until every symbol has a price that may be used, or an answer that
                waiting will not change.

        Returns:
            By symbol, what is known of it, refused ones too, such as strings that are no symbols (`bad_symbol`). After
            a wait each has the reasons against its price; without one prices are not judged.

        Raises:
            ValueError: As `BusClient.request` does; nothing is changed.
            ClientClosed: The client is closed.
            RuntimeError: This is another event loop than the client's.
        """
        self._open_sockets().start()
        self._replace(as_list(symbols), channels, priority)
        return await self._wait_for_results(wait_s)

    async def add(self, symbols: Iterable[str] | str, *, wait_s: float = 0) -> dict[str, SymbolResult]:
        """Add symbols (or one) to what is asked for, on the channels and with the priority of the last `request`.

        Args:
            symbols: One or several, in any case.
            wait_s: How long to wait, in seconds, as in `request`.

        Returns:
            By symbol, what is known of it, also of those asked for before.

        Raises:
            ValueError: More than 10,000 symbols together; nothing is changed.
            ClientClosed: The client is closed.
            RuntimeError: This is another event loop than the client's.
        """
        self._open_sockets().start()
        self._add(symbols)
        return await self._wait_for_results(wait_s)

    async def discard(self, symbols: Iterable[str] | str) -> None:
        """Take symbols (or one) out of what is asked for; other clients' interest in them is untouched.

        Args:
            symbols: One or several, in any case; those that are not asked for do not matter.

        Raises:
            ClientClosed: The client is closed.
            RuntimeError: This is another event loop than the client's.
        """
        self._open_sockets().start()
        self._discard(symbols)

    async def execute(
        self, symbol: str, side: str, qty: float | Decimal | str, *, within_s: float = 60, urgency: str = "normal",
        intent_id: str | None = None, wait_s: float | None = None, answer_s: float = 5,
    ) -> ExecutionResult:  # fmt: skip
        """Publish a TradeIntent and follow it to its end; see `BusClient.execute`.

        Several may be awaited at once, such as with `asyncio.gather`. A task that is cancelled stops following; the
        worker goes on, and a call with the same `intent_id` takes the following up again.

        Args:
            symbol: In any case.
            side: `buy` or `sell`.
            qty: Shares, above 0, or `all` with `sell`.
            within_s: By when, in seconds from now, it must have ended.
            urgency: `low`, `normal` or `high`.
            intent_id: Names the intent; a new one by default.
            wait_s: How long to wait for the end, in seconds; by default until 10 s after it must have ended.
            answer_s: How long to wait for the first word of a worker, in seconds.

        Returns:
            How it ended, or how far it is, or that nobody has answered.

        Raises:
            ValueError: As `BusClient.execute` does; nothing was sent.
            ClientClosed: The client is closed, or was closed meanwhile.
            RuntimeError: This is another event loop than the client's.
        """
        self._open_sockets().start()
        follower = self._follow_intent(
            symbol, side, qty, within_s=within_s, urgency=urgency, intent_id=intent_id, wait_s=wait_s, answer_s=answer_s
        )
        try:
            while left_s := self._ask_for(follower):
                await self._sockets.wait(lambda: follower.next_ns() <= now_ns(), left_s)
        finally:
            self._sockets.remove_follower(follower)
        return self._executed(follower)

    def quotes(
        self, *, conflate: bool = True, bound: int = FEED_BOUND, timeout_s: float | None = None
    ) -> AsyncFeed[Quote]:
        """Quotes from now on, in the order they came; see `AsyncFeed`.

        Args:
            conflate: A slow task gets the newest quote of each symbol; otherwise every quote, up to `bound` waiting.
            bound: How many may wait without `conflate`; the oldest go first.
            timeout_s: End after this many seconds without a quote; by default never.

        Returns:
            A new asynchronous iterator; it ends at `close`.

        Raises:
            ClientClosed: The client is closed.
        """
        return self._open_sockets().add_quote_feed(self._make_feed(conflate, bound, timeout_s))

    def trades(self, *, bound: int = FEED_BOUND, timeout_s: float | None = None) -> AsyncFeed[Trade]:
        """Trades from now on, never conflated; `request` the `trades` channel.

        Args:
            bound: How many may wait; beyond it the oldest go, and are counted.
            timeout_s: End after this many seconds without one; by default never.

        Returns:
            A new asynchronous iterator; it ends at `close`.

        Raises:
            ClientClosed: The client is closed.
        """
        return self._open_sockets().add_trade_feed(self._make_feed(False, bound, timeout_s))

    def ticks(self, *, bound: int = FEED_BOUND, timeout_s: float | None = None) -> AsyncFeed[Quote | Trade]:
        """Quotes and trades together from now on, in the order they came, never conflated.

        Args:
            bound: How many may wait; beyond it the oldest go, and are counted.
            timeout_s: End after this many seconds without one; by default never.

        Returns:
            A new asynchronous iterator; it ends at `close`.

        Raises:
            ClientClosed: The client is closed.
        """
        return self._open_sockets().add_tick_feed(self._make_feed(False, bound, timeout_s))

    def orders(self, *, bound: int = FEED_BOUND, timeout_s: float | None = None) -> AsyncFeed[OrderUpdate]:
        """Updates of the account's orders from now on, never conflated; see `BusClient.orders`.

        Args:
            bound: How many may wait; beyond it the oldest go, and are counted.
            timeout_s: End after this many seconds without one; by default never.

        Returns:
            A new asynchronous iterator; it ends at `close`.

        Raises:
            ClientClosed: The client is closed.
        """
        return self._open_sockets().add_order_feed(self._make_feed(False, bound, timeout_s))

    async def run(self, *, for_s: float | None = None) -> None:
        """Call the handlers that `on` was given, in this task, until the client is closed; see `BusClient.run`.

        Coroutine functions are awaited, one after the other. A task that is cancelled drops what it was awaiting.

        Args:
            for_s: End after this many seconds; by default never.

        Raises:
            ValueError: `for_s` is negative.
            ClientClosed: The client is closed.
            RuntimeError: Another task is in `run`, or this is another event loop than the client's.
        """
        sockets = self._open_sockets()
        sockets.start()
        until_ns = self._begin_run(for_s)
        turns = 0
        try:
            while not sockets.is_closing and self._left_s(until_ns) != 0:
                turn = self._handlers.take()
                if turn is not None:
                    await self._handlers.call_awaited(*turn)
                    turns += 1
                    if turns % 64 == 0:
                        await asyncio.sleep(0)  # plain functions never wait by themselves
                elif not await sockets.wait(self._handlers.have_work, self._left_s(until_ns)):
                    return
        finally:
            self._handlers.running = False

    async def sleep(self, duration_s: float) -> bool:
        """Wait so many seconds, of the recording in a replay; see `BusClient.sleep`.

        Args:
            duration_s: In seconds, 0 or more.

        Returns:
            False when the client was closed meanwhile, or the recording is over: the loop should end.

        Raises:
            ValueError: `duration_s` is negative.
            ClientClosed: The client is closed.
            RuntimeError: This is another event loop than the client's.
        """
        sockets = self._open_sockets()
        sockets.start()
        check_duration("duration_s", duration_s)
        await sockets.wait(lambda: False, duration_s)
        return not sockets.is_over

    def _make_feed(self, conflate: bool, bound: int, timeout_s: float | None) -> AsyncFeed[Any]:
        return AsyncFeed(self, conflate=conflate, bound=bound, timeout_s=timeout_s)

    async def _wait_for_results(self, wait_s: float) -> dict[str, SymbolResult]:
        await self._sockets.wait(self._all_arrived(), wait_s)
        return self._judge_results() if wait_s > 0 else self.results()

"""Functions of the user's that are called with each quote, trade or order update, and what waits for them."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.bus.tick_queue import TickQueue, TickT

log = logging.getLogger(__name__)

TELL_EVERY_NS = 10 * NS_PER_S
"""One handler's errors are logged at most this often; each is counted."""
ERRORS = "handler_errors"
"""The counter of those."""
Function = Callable[[Any], Any]


class HandlerQueue(TickQueue[TickT]):
    """What waits for one handler: the ticks of `symbols`, or of every symbol."""

    def __init__(self, symbols: Collection[str] | None, *, conflate: bool, bound: int) -> None:
        super().__init__(conflate=conflate, bound=bound)
        self._symbols = None if symbols is None else frozenset(symbols)

    def put(self, ticks: list[TickT]) -> int:
        """Add ticks in order; returns how many waiting ones had to go."""
        if self._symbols is not None:
            ticks = [tick for tick in ticks if tick.symbol in self._symbols]
        return super().put(ticks)

    def close(self) -> None:
        """Nothing waits here; `run` looks whether the client is closed."""


@dataclass(slots=True)
class _Handler:
    function: Function
    queue: HandlerQueue[Any]
    told_ns: int | None = None
    untold: int = 0


class TickHandlers:
    """The handlers of one client, called one after the other by its `run`. Not locked: see `BaseClient.on`."""

    def __init__(self, client: str, counters: dict[str, int]) -> None:
        self._client = client
        self._counters = counters
        self._handlers: list[_Handler] = []
        self._turn = 0
        self.running = False

    def add(self, function: Function, queue: HandlerQueue[Any]) -> None:
        self._handlers.append(_Handler(function, queue))

    def remove(self, function: Function) -> int:
        """Forget a function; returns how often it had been added."""
        kept = [handler for handler in self._handlers if handler.function != function]
        gone, self._handlers = len(self._handlers) - len(kept), kept
        return gone

    def have_work(self) -> bool:
        """Whether anything waits to be handled."""
        return any(len(handler.queue) for handler in self._handlers)

    def take(self) -> tuple[_Handler, Any] | None:
        """The next handler's turn, and what it is to be called with; None when nothing waits."""
        for _ in range(len(self._handlers)):
            self._turn = (self._turn + 1) % len(self._handlers)
            handler = self._handlers[self._turn]
            if len(handler.queue):
                return handler, handler.queue.pop()
        return None

    def call(self, handler: _Handler, tick: Any) -> None:
        """Call it. What it raises is logged and counted, and nobody else misses anything for it."""
        with _Guard(self._client, self._counters, handler, tick):
            handler.function(tick)

    async def call_awaited(self, handler: _Handler, tick: Any) -> None:
        """The same, for functions of both kinds."""
        with _Guard(self._client, self._counters, handler, tick):
            result = handler.function(tick)
            if isinstance(result, Awaitable):
                await result


class _Guard:
    """Around the user's own code, which may raise anything; what ends a program goes through."""

    def __init__(self, client: str, counters: dict[str, int], handler: _Handler, tick: Any) -> None:
        self._client, self._counters, self._handler, self._tick = client, counters, handler, tick

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        handler, tick = self._handler, self._tick
        self._counters[ERRORS] += 1
        if handler.told_ns is not None and now_ns() - handler.told_ns < TELL_EVERY_NS:
            handler.untold += 1
            return True
        more = f"; {handler.untold} more since this was last said" if handler.untold else ""
        handler.told_ns, handler.untold = now_ns(), 0
        name = getattr(handler.function, "__qualname__", repr(handler.function))
        log.error(
            "client %s: handler %s raised on a %s of %s%s", self._client, name, type(tick).__name__, tick.symbol, more,
            exc_info=error,
        )  # fmt: skip
        return True


def check_handler(function: Function, *, awaited: bool) -> None:
    """Raises ValueError for what cannot be a handler of such a client."""
    if not callable(function):
        raise ValueError(f"not a function: {function!r}"[:100])
    if not awaited and inspect.iscoroutinefunction(function):
        raise ValueError("a coroutine function is a handler of AsyncBusClient only")

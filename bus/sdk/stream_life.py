"""How a stream starts, runs and stops: as alpaca-py's do, on the bus instead of a connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from quotebus.bus.async_client import AsyncBusClient
from quotebus.bus.async_feed import AsyncFeed
from quotebus.bus.capture.replay.replay_client import AsyncReplayClient
from quotebus.bus.errors import StreamEnded
from quotebus.bus.events import OrderUpdate, Quote, Trade
from quotebus.bus.settings import BusSettings

Recording: TypeAlias = Path | str | Sequence[Path | str]
Handler = Callable[[Any], Awaitable[None]]
ItemT = TypeVar("ItemT", Quote | Trade, OrderUpdate)
FEED_BOUND = 100_000
"""How many records may wait for a slow handler; beyond it the oldest go, which is logged."""
_log = logging.getLogger(__name__)


class StreamLife(ABC, Generic[ItemT]):
    """One stream. Handlers are awaited one after the other, in the order in which records came."""

    def __init__(self, *, name: str | None, settings: BusSettings | None, recording: Recording | None = None) -> None:
        self._name, self._settings, self._recording = name, settings, recording
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: int | None = None
        self._running = False
        self._stop_asked = False
        self._stopping = False
        self._changed = asyncio.Event()
        self._feed: AsyncFeed[ItemT] | None = None

    # for users, as in alpaca-py

    def run(self) -> None:
        """Run until `stop`, or Ctrl-C. Nothing is asked of the bus before there is a handler."""
        try:
            asyncio.run(self._run_forever())
        except KeyboardInterrupt:
            print("keyboard interrupt, bye")

    def stop(self) -> None:
        """End `run`, from any thread, also from a handler: the handler that runs is the last one."""
        if self._loop is not None and self._loop.is_running():
            self._ask_to_stop()

    async def stop_ws(self) -> None:
        """The same, to be awaited, on any event loop."""
        self._ask_to_stop()

    async def close(self) -> None:
        """The same: there is no connection but the bus's, and that ends with `run`."""
        self._ask_to_stop()

    async def _run_forever(self) -> None:
        """`run` within an event loop that is there, as programs do that have one."""
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._changed = asyncio.Event()
        while not self._has_handlers():
            if self._stop_asked:
                self._stop_asked = False
                return
            self._changed.clear()
            if not self._has_handlers() and not self._stop_asked:
                await self._changed.wait()
        self._stop_asked = self._stopping = False
        try:
            async with self._make_client() as bus:
                self._running = True
                await self._serve(bus)
        except StreamEnded as why:
            _log.error("error: %s", why)
        finally:
            self._running, self._feed = False, None
        _log.info("%s stopped", type(self).__name__)

    def _make_client(self) -> AsyncBusClient:
        if self._recording is None:
            return AsyncBusClient(self._settings, name=self._name)
        return AsyncReplayClient(self._recording, name=self._name or "replay")

    # for subclasses

    @abstractmethod
    def _has_handlers(self) -> bool:
        """Whether there is anybody to call."""

    @abstractmethod
    def _open_feed(self, bus: AsyncBusClient) -> AsyncFeed[ItemT]:
        """What is to be delivered."""

    @abstractmethod
    def _find_call(self, bus: AsyncBusClient, item: ItemT) -> Awaitable[None] | None:
        """The handler's call for a record; None when there is none. Raises what the handler or a model raises."""

    @abstractmethod
    async def _watch(self, bus: AsyncBusClient) -> None:
        """What has to be done beside delivering. Raises StreamEnded."""

    def _note_change(self) -> None:
        """Handlers have changed, in whatever thread."""
        self._do_in_loop(lambda: self._changed.set())

    # inside

    def _ask_to_stop(self) -> None:
        self._stop_asked = self._stopping = True
        self._do_in_loop(self._wake)

    def _wake(self) -> None:
        self._changed.set()
        if self._feed is not None:
            self._feed.close()

    def _do_in_loop(self, step: Callable[[], None]) -> None:
        """At once in the loop's own thread, else soon; never where no loop runs."""
        loop = self._loop
        if loop is None or loop.is_closed():
            return
        if threading.get_ident() == self._thread:
            step()
        else:
            with contextlib.suppress(RuntimeError):  # it was closed meanwhile
                loop.call_soon_threadsafe(step)

    async def _serve(self, bus: AsyncBusClient) -> None:
        self._feed = feed = self._open_feed(bus)
        watching = asyncio.create_task(self._watch(bus))
        watching.add_done_callback(lambda _: feed.close())  # what ended it is told below
        dropped = 0
        try:
            async for item in feed:
                if self._stopping or watching.done():
                    break
                await self._deliver(bus, item)
                if feed.dropped > dropped:
                    _log.error("%d records dropped: a handler is slower than they come", feed.dropped - dropped)
                    dropped = feed.dropped
        finally:
            if not watching.done():
                watching.cancel()
        if not watching.cancelled() and watching.done():
            watching.result()

    async def _deliver(self, bus: AsyncBusClient, item: ItemT) -> None:
        """One record. What a handler raises ends nothing, as in alpaca-py: it is logged. Raises StreamEnded."""
        [raised] = await asyncio.gather(self._call(bus, item), return_exceptions=True)
        if isinstance(raised, StreamEnded):
            raise raised
        if raised is not None:
            _log.error("error in a handler, or in a model it would have got", exc_info=raised)

    async def _call(self, bus: AsyncBusClient, item: ItemT) -> None:
        call = self._find_call(bus, item)
        if call is not None:
            await call


def check_handler(handler: object) -> None:
    """Raises ValueError for one that is no coroutine function, in alpaca-py's words."""
    if not inspect.iscoroutinefunction(handler):
        raise ValueError("handler must be a coroutine function")

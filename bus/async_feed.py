"""A queue between an event loop's reading of the bus and a task on the same loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Self

from quotebus.bus.clock import NS_PER_MS, now_ns
from quotebus.bus.errors import ClientInherited
from quotebus.bus.feed import Owner
from quotebus.bus.tick_queue import TickQueue, TickT

TURN_NS = 5 * NS_PER_MS
"""A task that never waits by itself lets the rest of the loop run after this long."""


class AsyncFeed(TickQueue[TickT]):
    """An asynchronous iterator over ticks. It ends when the client closes, or after `timeout_s` without one.

    With `conflate`, a slow task gets the latest tick of each symbol, oldest waiting symbol first; `conflated` counts
    those replaced. Without, it gets every tick up to `bound` waiting ones; `dropped` counts the oldest let go. A wait
    that is cancelled takes nothing with it: the iteration can go on, also after a `timeout_s` or a `break`. A feed
    keeps its client: both go on as long as one of them is referenced.
    """

    def __init__(self, owner: Owner | None = None, *, conflate: bool, bound: int, timeout_s: float | None) -> None:
        super().__init__(conflate=conflate, bound=bound)
        self._owner, self._owner_pid = owner, os.getpid()
        self._timeout_s = timeout_s
        self._closed = False
        self._changed = asyncio.Event()
        self._turn_ends_ns = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> TickT:
        if os.getpid() != self._owner_pid:
            raise ClientInherited(self._owner.name if self._owner else "", self._owner_pid)
        if len(self) and now_ns() < self._turn_ends_ns:
            return self.pop()
        if len(self):
            await asyncio.sleep(0)
        if not len(self):
            await self._wait()
        if not len(self):
            raise StopAsyncIteration
        self._turn_ends_ns = now_ns() + TURN_NS
        return self.pop()

    def put(self, ticks: list[TickT]) -> int:
        """Add ticks in order; returns how many waiting ones had to go."""
        excess = super().put(ticks)
        self._changed.set()
        return excess

    def close(self) -> None:
        """End the iteration once what is waiting has been taken."""
        self._closed = True
        self._changed.set()

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timeout_s):
                while not (len(self) or self._closed):
                    self._changed.clear()
                    await self._changed.wait()

"""A client's two sockets on an event loop, without a thread of its own.

The loop watches descriptors. An engine may make one readable when something changed, once, and any call may take that
sign away: so after every turn each end is asked what it holds, before the loop may sleep.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import threading
from collections.abc import Callable
from functools import cache
from weakref import WeakSet

from quotebus.bus.clock import NS_PER_S, now_ns, seconds
from quotebus.bus.consumer import Consumer
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.client_sockets import LoopSockets
from quotebus.bus.transport.engines import close_shared, shared_engine

RELEASE_S = 0.25
"""How long `close` waits for a node to say that the release was heard; it answers within 100 ms."""


_open: WeakSet[ClientLoop] = WeakSet()


class ClientLoop(LoopSockets):
    """A client's sockets on the event loop of its first `start`; to be used in that loop's thread only."""

    def __init__(self, settings: BusSettings, consumer: Consumer) -> None:
        super().__init__(settings, consumer)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread_id = 0
        self._ended = False
        self._changed = asyncio.Event()
        self._soon: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_ns = 0

    def start(self) -> None:
        """Connect, in the running loop. Raises RuntimeError when there is none, or when it belongs to another."""
        loop = asyncio.get_running_loop()
        if self._loop is loop or self._closing:
            return
        if self._loop is not None:
            raise RuntimeError("this client belongs to another event loop")
        self._loop, self._thread_id = loop, threading.get_ident()
        _open.add(self)
        _end_all_at_exit()
        self._open(shared_engine(self._settings.bus_address))
        for descriptor in self._descriptors():
            loop.add_reader(descriptor, self._step)
        self._step()

    def wake(self) -> None:
        """Do it now: what is asked goes out before the caller's task waits for anything."""
        if self._is_open():
            self._step()

    def drain(self, timeout_s: float) -> bool:
        """Read all that has been received, here and now; False when that took longer, or when it is closed."""
        if not self._is_open() or self._closing:
            return False
        until_ns = now_ns() + seconds(timeout_s)
        while not (drained := self._turn(until_ns)) and now_ns() < until_ns:
            pass
        self._schedule_next(drained)
        return drained

    async def wait(self, done: Callable[[], bool], timeout_s: float | None) -> bool:
        """Wait until `done`, for at most `timeout_s`."""
        return await self._wait_until(lambda: done() or self._closing, timeout_s)

    async def close(self) -> None:
        """End the feeds, send the release, wait a moment for its answer, close the sockets."""
        if self._closing:
            await self._wait_until(lambda: self._ended, 2 * RELEASE_S)
            return
        self._closing = True
        self._notify()
        with self.lock:
            self._end_feeds()
            held = self._consumer.confirmed and bool(self._consumer.interest.wanted.symbols)
        if not self._is_open():
            self._ended = True
            return
        try:
            self._release()
            if held:
                self._step()
                await self._wait_until(lambda: self._consumer.interest.acknowledged, RELEASE_S)
        finally:
            self._finish()

    def abandon(self) -> bool:
        if self._loop is None or self._closing or self.is_inherited:
            return False
        if self._loop.is_closed():
            self._end()
        else:
            self._loop.call_soon_threadsafe(self._end)
        return True

    def end_at_exit(self) -> bool:
        """End, from the main thread at the end of the program; False when a loop that still runs does not do it."""
        if self._loop is None or self._ended or self.is_inherited:
            return True
        if not self._loop.is_running():
            self._end()
            return True
        ended = threading.Event()
        self._loop.call_soon_threadsafe(self._end)
        self._loop.call_soon_threadsafe(ended.set)
        return ended.wait(RELEASE_S)

    def _end(self) -> None:
        """Send the release and close the sockets, without waiting for an answer."""
        if not self._ended:
            self._closing = True
            self._release()
            self._finish()

    def _notify(self) -> None:
        self._changed.set()

    def _is_open(self) -> bool:
        if self._loop is None or self._ended:
            return False
        if threading.get_ident() != self._thread_id:
            raise RuntimeError("a client of an event loop was used in another thread")
        return True

    async def _wait_until(self, done: Callable[[], bool], timeout_s: float | None) -> bool:
        if timeout_s is None or timeout_s > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    while not done():
                        self._changed.clear()
                        await self._changed.wait()
        return done()

    def _step(self) -> None:
        """One batch at most, so that every other task of the loop gets its turn."""
        if self.is_inherited:
            return  # a forked child that goes on with its parent's loop
        self._schedule_next(self._turn(now_ns()))

    def _schedule_next(self, drained: bool) -> None:
        """Let the loop sleep until something comes or is due."""
        assert self._loop is not None
        if not drained or any(end.has_unread() for end in self._ends()):
            if self._soon is None:
                self._soon = self._loop.call_soon(self._step_soon)
            return
        next_ns = self._next_turn_ns()
        if self._timer is None or next_ns < self._timer_ns:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_later(max(0, next_ns - now_ns()) / NS_PER_S, self._step_due)
            self._timer_ns = next_ns

    def _step_soon(self) -> None:
        self._soon = None
        self._step()

    def _step_due(self) -> None:
        self._timer = None
        self._step()

    def _finish(self) -> None:
        assert self._loop is not None
        self._ended = True
        alive = not self._loop.is_closed()
        for descriptor in self._descriptors() if alive else ():
            self._loop.remove_reader(descriptor)
        for handle in (self._soon, self._timer):
            if handle is not None:
                handle.cancel()
        self._close_sockets()
        if alive:
            self._notify()

    def _descriptors(self) -> list[int]:
        return [descriptor for end in self._ends() for descriptor in end.descriptors()]


@cache
def _end_all_at_exit() -> None:
    atexit.register(_end_all)


def _end_all() -> None:
    """The program ends: release what its clients hold, since a lease that nobody renews lasts until it expires."""
    ended = [sockets.end_at_exit() for sockets in list(_open)]
    if all(ended):
        close_shared()

"""A queue between the bus's thread and a consumer's loop in another."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from quotebus.bus.clock import NS_PER_S, now_ns, seconds
from quotebus.bus.errors import ClientInherited
from quotebus.bus.tick_queue import TickQueue, TickT


class Owner(Protocol):
    """A client, which lives as long as one of its feeds is referenced."""

    name: str


class Driver(Protocol):
    """Whose sockets a thread that waits may read itself."""

    def drive(self, done: Callable[[], bool], timeout_s: float | None) -> bool:
        """Read until `done`, or the time; False when another thread reads, or nobody any more."""

    def waiting(self) -> AbstractContextManager[None]:
        """Within, this thread waits for what another one reads."""


class Feed(TickQueue[TickT]):
    """An iterator over ticks. It ends when the client closes, or after `timeout_s` without one.

    With `conflate`, a slow consumer gets the latest tick of each symbol, oldest waiting symbol first; `conflated`
    counts those replaced. Without, it gets every tick up to `bound` waiting ones; `dropped` counts the oldest let go.
    A loop that was left early can be entered again and goes on where it was. A feed keeps its client: both go on as
    long as one of them is referenced.
    """

    def __init__(
        self,
        owner: Owner | None = None,
        driver: Driver | None = None,
        *,
        conflate: bool,
        bound: int,
        timeout_s: float | None,
    ) -> None:
        super().__init__(conflate=conflate, bound=bound)
        self._driver = driver
        self._owner, self._owner_pid = owner, os.getpid()
        self._timeout_s = timeout_s
        self._closed = False
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)  # entered by the lock, whose `with` no handler can break
        self._taken: deque[TickT] = deque()

    def __iter__(self) -> Iterator[TickT]:
        while taken := self._take():
            while True:
                try:
                    tick = taken.popleft()
                except IndexError:  # the last one may have gone to another thread
                    break
                yield tick

    def put(self, ticks: list[TickT]) -> int:
        """Add ticks in order; returns how many waiting ones had to go."""
        with self._lock:
            excess = super().put(ticks)
            self._changed.notify()
        return excess

    def close(self) -> None:
        """End the iteration once what is waiting has been taken."""
        with self._lock:
            self._closed = True
            self._changed.notify_all()

    def _take(self) -> deque[TickT]:
        """What is at hand, after a wait for it if need be; empty at the end."""
        if os.getpid() != self._owner_pid:
            raise ClientInherited(self._owner.name if self._owner else "", self._owner_pid)
        driver = self._driver
        until_ns = None if self._timeout_s is None else now_ns() + seconds(self._timeout_s)
        taken = self._pop(0)
        # Again where another thread's loop over this feed was quicker.
        while not taken and not self._closed:
            left_s = None if until_ns is None else max(0, until_ns - now_ns()) / NS_PER_S
            if left_s == 0:
                break
            if driver is not None and driver.drive(self._is_ready, left_s):
                taken = self._pop(0)
            else:
                with driver.waiting() if driver is not None else nullcontext():
                    taken = self._pop(left_s)
        return taken

    def _is_ready(self) -> bool:
        return self._closed or len(self) > 0

    def _pop(self, timeout_s: float | None) -> deque[TickT]:
        with self._lock:
            if not self._taken and timeout_s != 0:
                self._changed.wait_for(lambda: self._taken or self._is_ready(), timeout_s)
            if not self._taken:  # another thread's loop may have filled it meanwhile
                self._taken = self.pop_batch()
            return self._taken

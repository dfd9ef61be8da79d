"""A queue between the bus's thread and a consumer's loop in another."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator

from quotebus.bus.tick_queue import TickQueue, TickT


class Feed(TickQueue[TickT]):
    """An iterator over ticks. It ends when the client closes, or after `timeout_s` without one.

    With `conflate`, a slow consumer gets the latest tick of each symbol, oldest waiting symbol first; `conflated`
    counts those replaced. Without, it gets every tick up to `bound` waiting ones; `dropped` counts the oldest let go.
    A loop that was left early can be entered again and goes on where it was.
    """

    def __init__(self, *, conflate: bool, bound: int, timeout_s: float | None) -> None:
        super().__init__(conflate=conflate, bound=bound)
        self._timeout_s = timeout_s
        self._closed = False
        self._changed = threading.Condition()
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
        with self._changed:
            excess = super().put(ticks)
            self._changed.notify()
        return excess

    def close(self) -> None:
        """End the iteration once what is waiting has been taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take(self) -> deque[TickT]:
        """What is at hand, after a wait for it if need be; empty at the end."""
        with self._changed:
            if not self._taken:
                self._changed.wait_for(lambda: self._closed or len(self) > 0, self._timeout_s)
                self._taken = self.pop_batch()
            return self._taken

"""Queues between the bus thread and a consumer's loop: both bounded, both say what they left out."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from bus.events import Quote, Trade

TickT = TypeVar("TickT", Quote, Trade)


class Feed(Generic[TickT]):
    """An iterator over ticks. It ends when the client closes, or after `timeout_s` without one.

    With `conflate`, a slow consumer gets the latest tick of each symbol, oldest waiting symbol first; `conflated`
    counts those replaced. Without, it gets every tick up to `bound` waiting ones; `dropped` counts the oldest let go.
    """

    def __init__(self, *, conflate: bool, bound: int, timeout_s: float | None) -> None:
        self.conflated = 0
        self.dropped = 0
        self._latest: dict[str, TickT] | None = {} if conflate else None
        self._queue: deque[TickT] = deque()
        self._bound = bound
        self._timeout_s = timeout_s
        self._closed = False
        self._changed = threading.Condition()

    def __iter__(self) -> Iterator[TickT]:
        while batch := self._take():
            yield from batch

    def __len__(self) -> int:
        return len(self._queue if self._latest is None else self._latest)

    def put(self, ticks: list[TickT]) -> int:
        """Add ticks in order; returns how many waiting ones had to go."""
        with self._changed:
            if self._latest is not None:
                before = len(self._latest) + len(ticks)
                for tick in ticks:
                    self._latest[tick.symbol] = tick
                self.conflated += before - len(self._latest)
                excess = 0
            else:
                self._queue.extend(ticks)
                excess = max(0, len(self._queue) - self._bound)
                for _ in range(excess):
                    self._queue.popleft()
                self.dropped += excess
            self._changed.notify()
        return excess

    def close(self) -> None:
        """End the iteration once what is waiting has been taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _take(self) -> list[TickT]:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self) > 0, self._timeout_s)
            if self._latest is None:
                batch = list(self._queue)
                self._queue.clear()
                return batch
            if not self._latest:
                return []
            # One at a time, so that a symbol replaced while the consumer works is seen at its newest.
            symbol = next(iter(self._latest))
            return [self._latest.pop(symbol)]

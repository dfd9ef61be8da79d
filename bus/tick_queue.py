"""What waits for one consumer's loop: bounded, in order, with a count of what was left out. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from typing import Generic, TypeVar

from quotebus.bus.events import OrderUpdate, Quote, Trade

TickT = TypeVar("TickT", bound=Quote | Trade | OrderUpdate)


class TickQueue(ABC, Generic[TickT]):
    """With `conflate`, the latest tick of each symbol, oldest waiting symbol first; `conflated` counts those replaced.

    Without, every tick up to `bound` waiting ones; `dropped` counts the oldest let go.
    """

    def __init__(self, *, conflate: bool, bound: int) -> None:
        self.conflated = 0
        """How many ticks were replaced by newer ones of their symbol before they were taken."""
        self.dropped = 0
        """How many ticks were let go because the bound was reached."""
        self._latest: OrderedDict[str, TickT] | None = OrderedDict() if conflate else None
        self._queue: deque[TickT] = deque()
        self._bound = bound

    def __len__(self) -> int:
        return len(self._queue if self._latest is None else self._latest)

    def put(self, ticks: list[TickT]) -> int:
        """Add ticks in order; returns how many waiting ones had to go."""
        if self._latest is not None:
            before = len(self._latest) + len(ticks)
            for tick in ticks:
                self._latest[tick.symbol] = tick
            self.conflated += before - len(self._latest)
            return 0
        self._queue.extend(ticks)
        excess = max(0, len(self._queue) - self._bound)
        for _ in range(excess):
            self._queue.popleft()
        self.dropped += excess
        return excess

    def pop(self) -> TickT:
        """The tick to work on next. Raises LookupError when none waits."""
        return self._queue.popleft() if self._latest is None else self._latest.popitem(last=False)[1]

    def pop_batch(self) -> deque[TickT]:
        """All waiting ticks; with conflation one, so that a symbol replaced during the work is seen at its newest."""
        if self._latest is not None:
            return deque((self.pop(),) if self._latest else ())
        batch, self._queue = self._queue, deque()
        return batch

    @abstractmethod
    def close(self) -> None:
        """End the iteration once what is waiting has been taken."""

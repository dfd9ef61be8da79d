"""Work in small pieces, so that another program waits for one piece of the tap's work and not for all of it.

A low scheduling priority is not enough. The scheduler may weigh sessions or control groups before programs, and then
a program that works for milliseconds keeps the CPU for milliseconds, whatever its own priority.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from quotebus.bus.clock import now_ns, sleep_s

PIECE_NS = 200_000
"""A quote takes 10 to 20 µs, a line of the screen 200 µs."""
REST_S = 0.0005
"""Longer than a piece, so that a waiting program is served before the next piece."""
MAX_RESTS = 200
"""Between two reads of the bus: 0.1 s in all, which a person does not notice."""

ItemT = TypeVar("ItemT")


class Pacing(Protocol):
    """Passes items on, each when it is time for it."""

    def __call__(self, items: Iterable[ItemT], /) -> Iterable[ItemT]: ...


def skip_pacing(items: Iterable[ItemT], /) -> Iterable[ItemT]:
    """Pass items on without rests: for captures, which no one waits for, and for measuring time."""
    return items


class WorkPacer:
    """Passes items on, and rests whenever a piece of work has used up its time."""

    def __init__(self, clock_ns: Callable[[], int] = now_ns, sleep: Callable[[float], None] = sleep_s) -> None:
        self.rests_left = MAX_RESTS
        self._clock_ns = clock_ns
        self._sleep = sleep
        self._began_ns = clock_ns()

    def look(self, *, behind: bool) -> None:
        """Call after each read of the bus. `behind`: more is waiting than was read, so there is no time to rest."""
        self.rests_left = 0 if behind else MAX_RESTS

    def __call__(self, items: Iterable[ItemT], /) -> Iterator[ItemT]:
        for item in items:
            if self.rests_left and self._clock_ns() - self._began_ns > PIECE_NS:
                self.rests_left -= 1
                self._sleep(REST_S)
                self._began_ns = self._clock_ns()
            yield item

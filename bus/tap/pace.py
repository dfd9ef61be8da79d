"""Work in small pieces: a neighbour that wants the processor waits for one piece of the tap's work, not for all of it.

Asking the scheduler to go last is not enough. It may weigh sessions or control groups before it weighs programs, and
then a program that works for milliseconds is left to work for milliseconds, however nice it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from quotebus.bus.clock import now_ns, sleep_s

PIECE_NS = 200_000
"""A quote takes 10 to 20 µs, a line of the screen 200 µs."""
REST_S = 0.0005
"""Longer than a piece, so that what has waited is done before the next."""
MAX_RESTS = 200
"""Between two looks at the bus: 0.1 s, which a person does not mind, whatever there is to show."""

ItemT = TypeVar("ItemT")


class Pacing(Protocol):
    """Something that gives items on, when it is time for them."""

    def __call__(self, items: Iterable[ItemT], /) -> Iterable[ItemT]: ...


def skip_pacing(items: Iterable[ItemT], /) -> Iterable[ItemT]:
    """No pace: for captures, where nobody waits beside it, and for measurements of time."""
    return items


class WorkPacer:
    """Gives items on, with a rest before the one that a piece has no more time for."""

    def __init__(self, clock_ns: Callable[[], int] = now_ns, sleep: Callable[[float], None] = sleep_s) -> None:
        self.rests_left = MAX_RESTS
        self._clock_ns = clock_ns
        self._sleep = sleep
        self._began_ns = clock_ns()

    def look(self, *, behind: bool) -> None:
        """The bus was looked at. `behind`: it has more than could be taken, so there is no time to rest."""
        self.rests_left = 0 if behind else MAX_RESTS

    def __call__(self, items: Iterable[ItemT], /) -> Iterator[ItemT]:
        for item in items:
            if self.rests_left and self._clock_ns() - self._began_ns > PIECE_NS:
                self.rests_left -= 1
                self._sleep(REST_S)
                self._began_ns = self._clock_ns()
            yield item

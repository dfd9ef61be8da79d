"""Quotes whose jump is not believed yet: the newest of each such symbol, published again once it is. Pure.

A symbol that is rarely quoted would otherwise stay suspicious until its next quote, long after its level was proven.
The quote keeps its exchange and receive times. It has a number of its own, and its age counts from when it is published
again, at most 5 s after it was received.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from quotebus.bus.events import Flag
from quotebus.pricing.shared_state import Slot
from quotebus.pricing.upstream.publisher import Tick

_SUSPICIOUS = int(Flag.SUSPICIOUS)


class DoubtedQuotes:
    """All methods belong to the hot thread. `waiting`: the quote of each symbol that waits."""

    def __init__(self) -> None:
        self._ticks: dict[Slot, Tick] = {}
        self.waiting: Mapping[Slot, Tick] = MappingProxyType(self._ticks)

    def keep(self, tick: Tick) -> None:
        """A quote that is a candidate for a new level."""
        self._ticks[tick[0]] = tick

    def drop(self, slot: Slot) -> None:
        """The symbol's quote stands no longer."""
        self._ticks.pop(slot, None)

    def clear(self) -> None:
        """The connection is another one: no quote of the former one can be used."""
        for slot in self._ticks:
            slot.level.interrupt()
        self._ticks.clear()

    def take(self, slot: Slot) -> list[Tick]:
        """The symbol's quote, clean, as its level has been proven; empty when it does not stand."""
        tick = self._ticks.pop(slot, None)
        if tick is None or tick[2] is None:
            return []
        sides = tick[2]
        return [(slot, tick[1], (*sides[:4], sides[4] & ~_SUSPICIOUS, sides[5]), *tick[3:])]

    def take_due(self, at_ns: int) -> list[Tick]:
        """The quotes that have stood for long enough."""
        found: list[Tick] = []
        for slot in list(self._ticks):
            if slot.level.due_ns() is None:  # begun anew meanwhile
                self.drop(slot)
            elif slot.level.on_time(at_ns):
                found += self.take(slot)
        return found

    def next_ns(self) -> int | None:
        """When the first of them will have stood for long enough."""
        return min((due_ns for slot in self._ticks if (due_ns := slot.level.due_ns()) is not None), default=None)

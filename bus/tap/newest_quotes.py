"""Quotes between two screens: all are counted, the newest of each symbol is kept. Pure.

A screen is drawn twice a second. Keeping only each symbol's newest quote halves the cost per quote, and a tap should
cost other programs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from quotebus.bus.events import Flag, Quote

_BACKWARD_TIME = int(Flag.BACKWARD_TIME)
MAX_BEFORE = 1_000


@dataclass(slots=True)
class CountedQuotes:
    """A symbol's newest quote, when it was received, and how many messages and bytes it stands for."""

    quote: Quote
    received_ns: int
    messages: int
    octets: int
    renumbered: bool = False
    """What was held before it came with a false number."""


class NewestQuotes:
    """One entry per topic, and one more each time that its order breaks. `add` takes quotes in arrival order."""

    def __init__(self) -> None:
        self._held: dict[bytes, CountedQuotes] = {}
        self._before: list[CountedQuotes] = []

    @property
    def full(self) -> bool:
        """Whether to `take` before adding more: numbers that jump back and forth would otherwise fill memory."""
        return len(self._before) >= MAX_BEFORE

    def add(self, topic: bytes, quote: Quote, received_ns: int, octets: int, *, renumbered: bool = False) -> None:
        """Add a quote. It replaces the one before if a book that received both would end up with it."""
        held = self._held.get(topic)
        if renumbered:
            if held is not None:
                self._before.append(held)
            self._held[topic] = CountedQuotes(quote, received_ns, 1, octets, renumbered=True)
            return
        if held is not None:
            former = held.quote
            if (
                quote.source == former.source
                and quote.seq > former.seq
                and quote.published_ns >= former.published_ns
                and not quote.flags & _BACKWARD_TIME
            ):
                held.quote, held.received_ns = quote, received_ns
                held.messages += 1
                held.octets += octets
                return
            self._before.append(held)  # which of the two counts is the book's decision
        self._held[topic] = CountedQuotes(quote, received_ns, 1, octets)

    def take(self) -> Iterator[CountedQuotes]:
        """All entries, in order within each topic; afterwards it is empty."""
        before, held = self._before, self._held
        self._before, self._held = [], {}
        yield from before
        yield from held.values()

"""Quotes between two looks at them: all are counted, the newest of each symbol is kept. Pure.

A person looks twice a second. A quote costs a tap that keeps only what is looked at half of what it costs one that
takes each to heart, and a tap should cost its neighbours nothing.
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


class NewestQuotes:
    """One entry a topic, and one more each time that its order breaks. `add` takes quotes in the order they came."""

    def __init__(self) -> None:
        self._held: dict[bytes, CountedQuotes] = {}
        self._before: list[CountedQuotes] = []

    @property
    def full(self) -> bool:
        """Whether it should be looked at before more comes: numbers that go back and forth would fill memory."""
        return len(self._before) >= MAX_BEFORE

    def add(self, topic: bytes, quote: Quote, received_ns: int, octets: int) -> None:
        """One more. It takes the place of the one before where a book that hears both would hold it in the end."""
        held = self._held.get(topic)
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
            self._before.append(held)  # which of them counts is not decided here
        self._held[topic] = CountedQuotes(quote, received_ns, 1, octets)

    def take(self) -> Iterator[CountedQuotes]:
        """What there is, in the order of each topic; then nothing is held."""
        before, held = self._before, self._held
        self._before, self._held = [], {}
        yield from before
        yield from held.values()

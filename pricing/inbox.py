"""Requests that were read and not answered yet, in the order in which they came. Pure.

A client that is not answered asks the same again, and only the answer to its newest request counts. So a repeat takes
the place of what it repeats: else a node that many ask at once would spend its time on answers that nobody waits for,
while those who wait repeat their requests.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from quotebus.bus.events import SymbolsRequested

MOST_REQUESTS = 10_000
"""As many as there may be clients."""
MOST_SYMBOLS = 1_000_000
"""In all requests that wait; they take about 60 MB."""


@dataclass(slots=True)
class _Place:
    """In the queue; the request is the newest of those that ask the same."""

    request: SymbolsRequested


class Inbox:
    """`overtaken` counts requests that a repeat was answered for."""

    def __init__(self) -> None:
        self.overtaken = 0
        self._queue: deque[_Place] = deque()
        self._last: dict[tuple[str, str], _Place] = {}
        self._symbols = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def is_full(self) -> bool:
        """Whether the others must wait where they are."""
        return len(self._queue) >= MOST_REQUESTS or self._symbols >= MOST_SYMBOLS

    def put(self, request: SymbolsRequested) -> None:
        """Behind the others, or in the place of the one that it repeats."""
        key = (request.client, request.source)
        place = self._last.get(key)
        if place is not None and _repeats(request, place.request):
            place.request = request
            self.overtaken += 1
            return
        place = self._last[key] = _Place(request)
        self._queue.append(place)
        self._symbols += len(request.symbols)

    def take(self) -> SymbolsRequested:
        """The oldest. Raises IndexError when there is none."""
        place = self._queue.popleft()
        request = place.request
        self._symbols -= len(request.symbols)
        key = (request.client, request.source)
        if self._last[key] is place:
            del self._last[key]
        return request


def _repeats(request: SymbolsRequested, former: SymbolsRequested) -> bool:
    """Whether its answer is all that the former one's asker waits for."""
    return (
        request.seq > former.seq
        and request.published_ns >= former.published_ns
        and request.symbols == former.symbols
        and request.channels == former.channels
        and request.priority == former.priority
        and request.ttl_ms == former.ttl_ms
        and request.halts == former.halts
        and request.snapshot >= former.snapshot
    )

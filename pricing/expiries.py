"""When the next of many leases expires, found without looking at all of them. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Expiries:
    """One time for each name, which mostly moves later: a renewal costs nothing, a name is moved when its former time
    has come. `find` tells a name's true time, None when it has none any more.
    """

    def __init__(self, find: Callable[[str], int | None]) -> None:
        self._find = find
        self._heap: list[tuple[int, str]] = []
        self._noted: dict[str, int] = {}
        """The earliest time of each name in the heap: never after its true one."""

    def note(self, name: str, at_ns: int) -> None:
        """A name has a time, or another one."""
        noted_ns = self._noted.get(name)
        if noted_ns is None or at_ns < noted_ns:
            self._noted[name] = at_ns
            heapq.heappush(self._heap, (at_ns, name))

    def next(self) -> tuple[int, str] | None:
        """The earliest time and its name; None when there is none."""
        heap = self._heap
        while heap:
            noted_ns, name = heap[0]
            at_ns = self._find(name)
            if at_ns is None or self._noted.get(name) != noted_ns:
                heapq.heappop(heap)
                if at_ns is None:
                    self._noted.pop(name, None)
            elif at_ns > noted_ns:
                self._noted[name] = at_ns
                heapq.heapreplace(heap, (at_ns, name))
            else:
                return noted_ns, name
        return None

    def clear(self) -> None:
        self._heap.clear()
        self._noted.clear()

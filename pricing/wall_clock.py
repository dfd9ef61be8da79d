"""Whether the system's wall clock was set while the node ran, so that its times are wrong for good. Pure.

A node that started before its machine had the right time would see every quote as late, or as early, for ever.
"""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_MS, NS_PER_S

LOOK_EVERY_NS = 10 * NS_PER_S
APART_NS = 250 * NS_PER_MS
LOOKS = 3


class WallClock:
    """Looks every 10 s; three looks in a row that agree are believed, since one may fall into a step and back."""

    def __init__(self) -> None:
        self._next_ns = 0
        self._offsets: list[int] = []

    def is_due(self, now_ns: int) -> bool:
        """Whether to look now."""
        return now_ns >= self._next_ns

    def look(self, offset_ns: int, now_ns: int) -> bool:
        """The wall clock is so far ahead of ours. True when it was set, and ours must be."""
        self._next_ns = now_ns + LOOK_EVERY_NS
        near = all(abs(offset_ns - other) <= APART_NS for other in self._offsets)
        if abs(offset_ns) <= APART_NS:
            self._offsets = []
            return False
        self._offsets = [*self._offsets, offset_ns] if near else [offset_ns]
        return len(self._offsets) >= LOOKS

"""How often a program that dies is started again: after growing pauses, and not more often than a bound. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from quotebus.bus.clock import NS_PER_MS, NS_PER_S

MOST = 5
"""Restarts of one program within WITHIN_S; a program that dies once more is given up."""
WITHIN_S = 60
FIRST_PAUSE_NS = 100 * NS_PER_MS
"""Before the first restart; each one more waits twice as long."""


@dataclass(slots=True)
class Restarts:
    """The restarts of one program."""

    times_ns: list[int] = field(default_factory=list)

    def plan(self, now_ns: int) -> int | None:
        """When to start it again, after a death now; None when that was once too often."""
        self.times_ns = [time_ns for time_ns in self.times_ns if now_ns - time_ns < WITHIN_S * NS_PER_S]
        if len(self.times_ns) >= MOST:
            return None
        self.times_ns.append(now_ns)
        return now_ns + (FIRST_PAUSE_NS << (len(self.times_ns) - 1))

    @property
    def count(self) -> int:
        """How many there were within the last minute, the planned one included."""
        return len(self.times_ns)

"""How many attempts to connect may be made in a while: a bucket of eight, one more every 3.6 s. Pure.

Whatever goes wrong, this bounds what the upstream sees: about 1,000 attempts an hour from one node. Besides, two probes
a minute are kept for new requests, so that a new client need not wait for a timer that earlier failures have set.

A venue may count attempts per address besides, and then all nodes of a host have one bucket together. Its limit is half
a burst and half a steady rate: of 100 in ten minutes 50 may come at once and one more every 12 s, so that no ten
minutes hold more, and no node has to be away for minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

from quotebus.bus.clock import NS_PER_S

BURST = 8
REFILL_NS = 36 * NS_PER_S // 10
PROBES = 2
PROBES_PER_NS = 60 * NS_PER_S
WINDOW_NS = 600 * NS_PER_S


class DialBudget:
    """Attempts that may be made now. It starts full."""

    def __init__(self) -> None:
        self._full_ns = -BURST * REFILL_NS
        """When the bucket was, or will be, full again."""
        self._probes_ns: list[int] = []

    def next_ns(self, now_ns: int) -> int:
        """The first instant, not before now, at which `spend` leaves nothing owed."""
        return max(now_ns, self._full_ns - (BURST - 1) * REFILL_NS)

    def spend(self, now_ns: int) -> None:
        """One attempt is made now."""
        self._full_ns = max(self._full_ns, now_ns) + REFILL_NS

    def take_probe(self, now_ns: int) -> bool:
        """Whether a new request may be tried at once; True uses up one of the two a minute."""
        self._probes_ns = [at_ns for at_ns in self._probes_ns if now_ns - at_ns < PROBES_PER_NS]
        if len(self._probes_ns) >= PROBES:
            return False
        self._probes_ns.append(now_ns)
        return True


@dataclass(frozen=True, slots=True)
class HostBucket:
    """`limit` attempts in any ten minutes. `full_ns` is when the bucket is full again, 0 for a new one."""

    limit: int

    @property
    def burst(self) -> int:
        """Attempts at once."""
        return max(1, self.limit // 2)

    @property
    def refill_ns(self) -> int:
        """One more attempt every so long."""
        return WINDOW_NS // max(1, self.limit - self.burst)

    def take(self, full_ns: int, now_ns: int) -> tuple[int, int]:
        """One attempt: how long it has to wait, 0 when it may be made now, and when the bucket is full after it.

        A bucket can be empty at most: a time further ahead comes from a clock that has been set back.
        """
        full_ns = min(max(full_ns, now_ns), now_ns + self.burst * self.refill_ns)
        wait_ns = full_ns - now_ns - (self.burst - 1) * self.refill_ns
        return (wait_ns, full_ns) if wait_ns > 0 else (0, full_ns + self.refill_ns)

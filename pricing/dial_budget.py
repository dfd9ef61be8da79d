"""How many attempts to connect may be made in a while: a bucket of eight, one more every 3.6 s. Pure.

Whatever goes wrong, this bounds what the upstream sees: about 1,000 attempts an hour from one node. Besides, two probes
a minute are kept for new requests, so that a new client need not wait for a timer that earlier failures have set.
"""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_S

BURST = 8
REFILL_NS = 36 * NS_PER_S // 10
PROBES = 2
PROBES_PER_NS = 60 * NS_PER_S


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

"""How long messages take from hop to hop, in the fixed buckets of a metric. Pure."""

from __future__ import annotations

from bisect import bisect_left

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Quote
from quotebus.bus.tap.newest_quotes import NewestQuotes

BOUNDS_S = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0),
)
_BOUNDS_NS = tuple(int(bound_s * NS_PER_S) for bound_s in BOUNDS_S)
HOPS = ("exchange_to_node", "node", "node_to_here")
"""The exchange's time to receipt by the node (two clocks); receipt to publication; publication to receipt here."""


class HopHistogram:
    """Counts a bucket each; the last one is for everything beyond the bounds. A negative duration counts as none."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_S) + 1)
        self.sum_ns = 0

    def add(self, duration_ns: int) -> None:
        self.counts[bisect_left(_BOUNDS_NS, duration_ns)] += 1
        if duration_ns > 0:
            self.sum_ns += duration_ns


class MeasuredQuotes(NewestQuotes):
    """Quotes between two pictures, of which every one is timed and only each symbol's newest is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.hops = {hop: HopHistogram() for hop in HOPS}

    def add(self, topic: bytes, quote: Quote, received_ns: int, octets: int, *, renumbered: bool = False) -> None:
        self.measure(quote, received_ns)
        super().add(topic, quote, received_ns, octets, renumbered=renumbered)

    def measure(self, quote: Quote, received_ns: int) -> None:
        """Time a quote."""
        hops = self.hops
        hops["exchange_to_node"].add(quote.received_ns - quote.exchange_ns)
        hops["node"].add(quote.published_ns - quote.received_ns)
        hops["node_to_here"].add(received_ns - quote.published_ns)

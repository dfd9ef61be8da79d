"""How long messages take from hop to hop. Timestamps of different clocks are compared uncorrected. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from quotebus.bus.events import OrderUpdate, Quote, Trade
from quotebus.bus.tap.histogram import DelayHistogram
from quotebus.bus.tap.message_reader import ReceivedMessage

HOPS = ("exchange > received", "received > published", "published > heard", "exchange > heard")
_HEARD = HOPS[2]


@dataclass(frozen=True, slots=True)
class HopDelay:
    """One hop of one kind of message, in nanoseconds. A negative minimum shows that two clocks differ."""

    kind: str
    hop: str
    count: int
    min_ns: int
    p50_ns: int
    p99_ns: int
    max_ns: int


@dataclass(slots=True)
class Delays:
    """One bounded histogram per kind and hop; the number of both is fixed."""

    _by_hop: dict[tuple[str, str], DelayHistogram] = field(default_factory=dict)

    def take(self, heard: ReceivedMessage) -> None:
        """One message."""
        event, kind = heard.event, heard.topic.partition(".")[0]
        self._add(kind, _HEARD, heard.received_ns - event.published_ns)
        if isinstance(event, Quote | Trade | OrderUpdate):
            self._add(kind, HOPS[0], event.received_ns - event.exchange_ns)
            self._add(kind, HOPS[1], event.published_ns - event.received_ns)
            self._add(kind, HOPS[3], heard.received_ns - event.exchange_ns)

    def list_hops(self) -> list[HopDelay]:
        """What was measured, by kind, hops in the order a message travels."""
        found: list[HopDelay] = []
        for kind, hop in sorted(self._by_hop, key=lambda key: (key[0], HOPS.index(key[1]))):
            held = self._by_hop[kind, hop]
            middle, high = held.quantile(0.5), held.quantile(0.99)
            if held.smallest is not None and held.largest is not None and middle is not None and high is not None:
                found.append(HopDelay(kind, hop, held.count, held.smallest, middle, high, held.largest))
        return found

    def _add(self, kind: str, hop: str, delay_ns: int) -> None:
        held = self._by_hop.get((kind, hop))
        if held is None:
            held = self._by_hop[kind, hop] = DelayHistogram()
        held.add(delay_ns)

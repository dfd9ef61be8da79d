"""Whether order updates are known to arrive, and when some may have been missed. Pure."""

from __future__ import annotations

from quotebus.bus import topics
from quotebus.bus.events import ConnectionHealth, ConnectionState, Event, OrderUpdate
from quotebus.bus.protocol import HEALTH_SILENCE_NS
from quotebus.bus.sequence import NEW_LINE, SequenceTracker


class OrderStream:
    """The account's order stream as a consumer sees it: `health.<node>.orders` and the updates' sequence numbers."""

    def __init__(self) -> None:
        self.gaps = 0
        self._tracker = SequenceTracker()
        self._health: ConnectionHealth | None = None
        self._heard_ns = 0
        self._was_proven = False

    def on_event(self, event: Event, now_ns: int) -> bool:
        """Take an event; True when updates before it may have been missed, so that open orders must be queried."""
        gap = False
        if isinstance(event, OrderUpdate):
            topic = topics.prefix(topics.order(event.alias))
            place = self._tracker.observe(event.source, topic, event.seq, event.published_ns)
            gap = place > 0 or place == NEW_LINE
            gap = gap or (self._health is not None and event.source != self._health.source)
        elif isinstance(event, ConnectionHealth) and event.node.endswith(topics.ORDERS):
            former, self._health, lapsed = self._health, event, now_ns - self._heard_ns > HEALTH_SILENCE_NS
            self._heard_ns = now_ns
            streaming = event.state == ConnectionState.STREAMING
            if streaming:
                gap = former is not None and (
                    not self._was_proven
                    or lapsed
                    or former.source != event.source
                    or (former.connection, former.gap_end_ns) != (event.connection, event.gap_end_ns)
                )
            self._was_proven = streaming
        self.gaps += gap
        return gap

    def is_proven(self, now_ns: int) -> bool:
        """Whether the stream is up and its health was received within three seconds."""
        return self._was_proven and now_ns - self._heard_ns <= HEALTH_SILENCE_NS

    @property
    def description(self) -> str:
        """The state in the newest health, for people."""
        return "no health received" if self._health is None else f"{self._health.state} ({self._health.cause})"

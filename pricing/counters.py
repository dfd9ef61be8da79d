"""What the control thread counts: requests, refusals, undecodable messages, dials, lost connections. Pure."""

from __future__ import annotations

from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import Event, SymbolsAcknowledged
from quotebus.bus.protocol import (
    OWN_HEALTH_SILENCE_NS,
    REFUSAL_COUNTERS,
    UNDECODABLE_COUNTERS,
    count_undecodable,
)

COUNTERS = (
    *("requests", *REFUSAL_COUNTERS.values(), "ack_parts"),
    *UNDECODABLE_COUNTERS,
    *("dials", "dials_failed", "lines_lost", "health_silences", "control_dropped"),
)


class ControlCounters:
    """Counters by name in `counts`; each method is told what happened."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(COUNTERS, 0)
        self._heard_ns: int | None = None

    def add(self, name: str) -> None:
        self.counts[name] += 1

    def count_undecodable(self, error: UndecodableMessage) -> bool:
        """Count a dropped message. True for the first one of another wire version."""
        return count_undecodable(self.counts, error)

    def count_published(self, event: Event) -> None:
        """Count acknowledgements as they are published, and the requests they refuse."""
        if isinstance(event, SymbolsAcknowledged):
            self.add("ack_parts")
            if event.cause in REFUSAL_COUNTERS:
                self.add(REFUSAL_COUNTERS[event.cause])

    def note_own_health(self, now_ns: int) -> None:
        """Our own health came back through the broker."""
        self._heard_ns = now_ns

    def check_silence(self, now_ns: int) -> None:
        """Count a silence once, when it has lasted `OWN_HEALTH_SILENCE_NS`."""
        if self._heard_ns is not None and now_ns - self._heard_ns > OWN_HEALTH_SILENCE_NS:
            self._heard_ns = None
            self.add("health_silences")

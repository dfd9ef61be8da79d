"""What the control thread counts: requests and their refusals, what cannot be read, dials, lines, silences. Pure."""

from __future__ import annotations

from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import Cause, Event, SymbolsAcknowledged

SILENCE_NS = 5_000_000_000 // 2
"""Own health unheard for so long: the lease clock stands still, and the bus is away as far as the node can tell."""
_REFUSALS: dict[str, str] = {
    cause: f"requests_{cause}"
    for cause in (Cause.BAD_REQUEST, Cause.TOO_MANY, Cause.CLIENT_CONFLICT, Cause.RATE_LIMITED)
}
COUNTERS = (
    *("requests", *_REFUSALS.values(), "ack_parts"),
    *("undecodable", "undecodable_topic", "undecodable_malformed", "unknown_version"),
    *("dials", "dials_failed", "lines_lost", "health_silences", "control_dropped"),
)


class Tally:
    """Counters by name in `counts`; each method is told what happened."""

    def __init__(self) -> None:
        self.counts = dict.fromkeys(COUNTERS, 0)
        self._heard_ns: int | None = None

    def add(self, name: str) -> None:
        self.counts[name] += 1

    def unreadable(self, error: UndecodableMessage) -> bool:
        """Count a message that was dropped; True for the first one of another wire version."""
        self.add("undecodable")
        if error.kind != "version":
            self.add(f"undecodable_{error.kind}")
            return False
        self.add("unknown_version")
        return self.counts["unknown_version"] == 1

    def published(self, event: Event) -> None:
        """Count the answers among what goes out, and what they refuse."""
        if isinstance(event, SymbolsAcknowledged):
            self.add("ack_parts")
            if event.cause in _REFUSALS:
                self.add(_REFUSALS[event.cause])

    def heard_own_health(self, now_ns: int) -> None:
        """Our health came back through the broker."""
        self._heard_ns = now_ns

    def each_second(self, now_ns: int) -> None:
        """Count a silence once, when it has lasted `SILENCE_NS`."""
        if self._heard_ns is not None and now_ns - self._heard_ns > SILENCE_NS:
            self._heard_ns = None
            self.add("health_silences")

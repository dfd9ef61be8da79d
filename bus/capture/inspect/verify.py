"""Is a capture whole? Checks every byte, every message number, every payload."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from quotebus.bus import topics
from quotebus.bus.capture.format.captured import GAP_TOPIC, Captured, Damage, decode_gap
from quotebus.bus.capture.reader import Capture
from quotebus.bus.errors import UndecodableMessage

_MAX_EXAMPLES = 10


@dataclass(slots=True)
class Verification:
    """What a capture contains, and what is wrong with it."""

    messages: int = 0
    first_ns: int = 0
    last_ns: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    """Messages by kind of topic."""
    topics: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    """Messages that the recorder noted as lost, by cause. The file is whole nevertheless: it says what it lacks."""
    unreadable: int = 0
    examples: list[str] = field(default_factory=list)
    """Descriptions of the first payloads that do not decode."""
    damages: list[Damage] = field(default_factory=list)
    partial: list[str] = field(default_factory=list)
    """Runs whose first or last segments are absent."""

    @property
    def whole(self) -> bool:
        return not self.damages and not self.unreadable


def verify(capture: Capture, *, decode: bool = True) -> Verification:
    """Read a capture to its end; with `decode`, decode every payload as well. Raises OSError."""
    verdict = Verification()
    seen: set[str] = set()
    for message in capture.read_everything():
        if not verdict.messages:
            verdict.first_ns = message.received_ns
        verdict.messages += 1
        verdict.last_ns = message.received_ns
        verdict.kinds[topics.kind(message.topic)] += 1
        if len(seen) < _MAX_TOPICS:
            seen.add(message.topic)
        if decode or message.topic == GAP_TOPIC:
            _decode(message, verdict)
    verdict.topics = len(seen)
    verdict.damages, verdict.partial = capture.damages, capture.partial
    return verdict


def _decode(message: Captured, verdict: Verification) -> None:
    try:
        if message.topic == GAP_TOPIC:
            gap = decode_gap(message.payload)
            verdict.lost[gap.cause[:20]] += gap.count
        else:
            message.event()
    except UndecodableMessage as error:
        verdict.unreadable += 1
        if len(verdict.examples) < _MAX_EXAMPLES:
            verdict.examples.append(f"message {message.sequence} ({message.topic}): {error}")


_MAX_TOPICS = 1_000_000

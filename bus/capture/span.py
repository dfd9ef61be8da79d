"""From when to when a capture goes, without reading more of it than its ends."""

from __future__ import annotations

from bus.capture.captured import NotACapture
from bus.capture.reader import Capture


def span(capture: Capture) -> tuple[int, int]:
    """When its first message was received, and its last. Raises NotACapture for one without a message, and OSError."""
    first = next(iter(capture), None)
    if first is None:
        raise NotACapture("no message in it")
    ends = [chunk.head.end_ns for chunk in capture.segments[-1].chunks()]
    return first.received_ns, max(ends, default=first.received_ns)

"""From when to when a capture goes, without reading more of it than its ends."""

from __future__ import annotations

from bus.capture.captured import NotACapture
from bus.capture.index import read_index
from bus.capture.instants import instant_ns
from bus.capture.reader import Capture


def span(capture: Capture) -> tuple[int, int]:
    """When its first message was received, and its last. Raises NotACapture for one without a message, and OSError."""
    first_ns = _first_ns(capture)
    last = capture.segments[-1]
    index = read_index(last.path)
    ends = [chunk.head.end_ns for chunk in last.chunks()] if index is None else [chunk.end_ns for chunk in index.chunks]
    return first_ns, max(ends, default=first_ns)


def window(capture: Capture, begin: str | None, end: str | None) -> tuple[int | None, int | None]:
    """The instants that two texts name, see `instant_ns`; None for none. Raises NotACapture, ValueError and OSError."""
    if not begin and not end:
        return None, None
    first_ns = _first_ns(capture)
    return (instant_ns(begin, first_ns) if begin else None), (instant_ns(end, first_ns) if end else None)


def _first_ns(capture: Capture) -> int:
    first = next(iter(capture), None)
    if first is None:
        raise NotACapture("no message in it")
    return first.received_ns

"""The time that a capture covers, found without reading more than its two ends."""

from __future__ import annotations

from quotebus.bus.capture.format.captured import NotACapture
from quotebus.bus.capture.format.index import read_index
from quotebus.bus.capture.instants import parse_instant
from quotebus.bus.capture.reader import Capture
from quotebus.bus.errors import NoInput


def find_time_range(capture: Capture) -> tuple[int, int]:
    """When the first message was received, and the last. UTC nanoseconds.

    Raises NoInput if there is no message, NotACapture if the capture is damaged before its first, and OSError.
    """
    first_ns = _first_ns(capture)
    for known in reversed(capture.segments):
        last = known.reopen()
        index = read_index(last.path)
        ends = (
            [chunk.head.end_ns for chunk in last.read_chunks()] if index is None else [c.end_ns for c in index.chunks]
        )
        if ends:
            return first_ns, max(first_ns, max(ends))
    return first_ns, first_ns


def parse_time_range(capture: Capture, begin: str | None, end: str | None) -> tuple[int | None, int | None]:
    """The instants that two texts name, see `parse_instant`; None for an empty one.

    Raises ValueError, and what `find_time_range` raises.
    """
    if not begin and not end:
        return None, None
    first_ns = _first_ns(capture)
    from_ns, to_ns = (parse_instant(text, first_ns) if text else None for text in (begin, end))
    if from_ns is not None and to_ns is not None and to_ns <= from_ns:
        raise ValueError(f"the end {end} is not after the start {begin}")
    return from_ns, to_ns


def _first_ns(capture: Capture) -> int:
    first = next(iter(capture), None)
    if first is None:
        damage = capture.damage
        if damage is None:
            raise NoInput(f"{capture.segments[0].path.name}: no message in it")
        raise NotACapture(damage.file, f"no message before the damage at byte {damage.offset}: {damage.what}")
    return first.received_ns

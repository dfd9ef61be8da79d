"""Numbers on every message: stamped by the publisher, checked by each reader, so that loss is counted.

`seq` counts 1, 2, 3 … per (source, topic) for the life of a source; acknowledgements share one counter per source.
Pure: the source's random part and the time are arguments.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from bus import codec, topics
from bus.events import Event

EventT = TypeVar("EventT", bound=Event)
MAX_SOURCES = 4096
"""Readers forget the longest-silent source beyond this, so that made-up sources cannot fill memory."""


def source_name(program: str, entropy: int) -> str:
    """A source: the program and six hex digits that are new at every start, `pricing-3f9c2a`."""
    return f"{program}-{entropy & 0xFFFFFF:06x}"


class Stamper:
    """Fills envelopes for one source and turns events into frames."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._last: dict[str, int] = {}

    def stamp(self, event: EventT, published_ns: int) -> EventT:
        """The event with its envelope filled; takes the next number of its topic."""
        event = msgspec.structs.replace(event, source=self.source, published_ns=published_ns)
        topic = codec.topic_of(event)
        counter = topics.ACKNOWLEDGED if topic.startswith(topics.ACKNOWLEDGED) else topic
        self._last[counter] = seq = self._last.get(counter, 0) + 1
        return msgspec.structs.replace(event, seq=seq)

    def frame(self, event: Event, published_ns: int) -> bytes:
        """`stamp`, then encode. Raises MessageTooLarge."""
        return codec.encode(self.stamp(event, published_ns))


class SequenceTracker:
    """Notices missing messages per (source, topic). `lost` is their total, `repeated` what came twice or late."""

    def __init__(self) -> None:
        self.lost = 0
        self.repeated = 0
        self._last: dict[str, dict[bytes, int]] = {}

    def observe(self, source: str, topic: bytes, seq: int) -> int:
        """How many messages are missing before this one; 0 in order or first seen, -1 repeated or late."""
        topics_of_source = self._last.get(source)
        if topics_of_source is None:
            topics_of_source = self._admit(source)
        last = topics_of_source.get(topic)
        if last is None or seq == last + 1:
            topics_of_source[topic] = seq
            return 0
        if seq <= last:
            self.repeated += 1
            return -1
        topics_of_source[topic] = seq
        missing = seq - last - 1
        self.lost += missing
        return missing

    def forget(self, source: str) -> None:
        """Drop what is known of a source that will not come back."""
        self._last.pop(source, None)

    def _admit(self, source: str) -> dict[bytes, int]:
        if len(self._last) >= MAX_SOURCES:
            del self._last[next(iter(self._last))]
        return self._last.setdefault(source, {})

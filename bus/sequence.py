"""Numbers on every message: stamped by the publisher, checked by each reader, so that loss is counted.

`seq` counts 1, 2, 3 … per (source, topic) for the life of a source; acknowledgements share one counter per source.
Pure: the source's random part and the time are arguments.
"""

from __future__ import annotations

from collections.abc import Set
from typing import TypeVar

import msgspec

from quotebus.bus import codec, topics
from quotebus.bus.events import Event

EventT = TypeVar("EventT", bound=Event)
MAX_TOPICS = 100_000
"""Readers forget the oldest topic beyond this, and the oldest other source of one, so that made-up names cannot fill
memory."""


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
        counter, stamped = self._number(event, published_ns)
        self._last[counter] = stamped.seq
        return stamped

    def frame(self, event: Event, published_ns: int) -> bytes:
        """`stamp`, then encode. Raises MessageTooLarge or, for what is no topic, ValueError, and takes no number."""
        counter, stamped = self._number(event, published_ns)
        frame = codec.encode(stamped)
        self._last[counter] = stamped.seq
        return frame

    def _number(self, event: EventT, published_ns: int) -> tuple[str, EventT]:
        event = msgspec.structs.replace(event, source=self.source, published_ns=published_ns)
        topic = codec.topic_of(event)
        counter = topics.ACKNOWLEDGED if topic.startswith(topics.ACKNOWLEDGED) else topic
        return counter, msgspec.structs.replace(event, seq=self._last.get(counter, 0) + 1)


class SequenceTracker:
    """Notices missing messages per (source, topic). `lost` is their total, `repeated` what came twice or late."""

    def __init__(self) -> None:
        self.lost = 0
        self.repeated = 0
        self._newest: dict[bytes, tuple[str, int]] = {}
        self._former: dict[tuple[str, bytes], int] = {}

    def observe(self, source: str, topic: bytes, seq: int) -> int:
        """How many messages are missing before this one; 0 in order or first seen, -1 repeated or late."""
        newest = self._newest.get(topic)
        if newest is not None and newest[0] == source:
            last = newest[1]
        elif newest is None:
            last = None
            if len(self._newest) >= MAX_TOPICS:
                del self._newest[next(iter(self._newest))]
        else:  # a topic that several sources share, or whose source started anew
            last = self._former.pop((source, topic), None)
            self._remember((newest[0], topic), newest[1])
        if last is None or seq == last + 1:
            self._newest[topic] = (source, seq)
            return 0
        if seq <= last:
            self._newest[topic] = (source, last)
            self.repeated += 1
            return -1
        self._newest[topic] = (source, seq)
        self.lost += seq - last - 1
        return seq - last - 1

    def forget(self, gone: Set[bytes]) -> None:
        """Drop what is known of topics that are no longer subscribed to: their next messages are no gap."""
        for topic in gone:
            self._newest.pop(topic, None)
        for key in [key for key in self._former if key[1] in gone]:
            del self._former[key]

    def _remember(self, key: tuple[str, bytes], seq: int) -> None:
        if len(self._former) >= MAX_TOPICS:
            del self._former[next(iter(self._former))]
        self._former[key] = seq

"""Numbers on every message: stamped by the publisher, checked by each reader, so that loss is counted.

`seq` counts 1, 2, 3 … per (source, topic) for the life of a source; acknowledgements share one counter per source.
Pure: the source's random part and the time are arguments.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any, TypeAlias, TypeVar

import msgspec

from quotebus.bus import codec, topics
from quotebus.bus.events import Counters, Event

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
        _, counter, stamped = self._number(event, published_ns)
        self._last[counter] = stamped.seq
        return stamped

    def frame(self, event: Event, published_ns: int) -> bytes:
        """`stamp`, then encode. Raises MessageTooLarge or, for what is no topic, ValueError, and takes no number."""
        topic, counter, stamped = self._number(event, published_ns)
        frame = codec.encode(stamped, topic)
        self._last[counter] = stamped.seq
        return frame

    def _number(self, event: EventT, published_ns: int) -> tuple[str, str, EventT]:
        """Topic, the name its numbers are counted under, and the stamped event."""
        if type(event) is Counters:  # the one topic that is made of the source
            event = msgspec.structs.replace(event, source=self.source)
        topic = codec.topic_of(event)
        counter = topics.ACKNOWLEDGED if topic.startswith(topics.ACKNOWLEDGED) else topic
        seq = self._last.get(counter, 0) + 1
        return topic, counter, msgspec.structs.replace(event, source=self.source, published_ns=published_ns, seq=seq)


LATE = -1
"""What `observe` returns for a message that must be dropped: repeated, late, or with a number that cannot be."""
NEW_LINE = -2
"""What `observe` returns when the newest number turns out to be false: drop what came with it, take this message."""
CONSECUTIVE = 3
MAX_GAP = 1_000_000
"""More missing messages than this are not believed on one message's word."""
_MOST = 2**63 - 1
_MAX_CANDIDATES = 16
"""Of a topic. So many false numbers may come between two true ones."""
_MAX_TROUBLED = 1_000

_Line: TypeAlias = tuple[str, int, int, int, int]
"""Source, newest number, the number before it, when the newest was published, first number of the consecutive run."""


class SequenceTracker:
    """Numbers per (source, topic): what is missing, and what must be dropped.

    `lost` is the total missing, `repeated` what came twice, late or with an impossible number, `renumbered` how often
    the newest number turned out to be false. One message with a false number or stamp does no lasting harm: the message
    that continues the numbers before it is taken when it was published later, a higher number that was published before
    the newest one is not, and three consecutive numbers are a new line.
    """

    def __init__(self) -> None:
        self.lost = 0
        self.repeated = 0
        self.renumbered = 0
        self._newest: dict[bytes, _Line] = {}
        self._former: dict[tuple[str, bytes], _Line] = {}
        self._candidates: dict[tuple[str, bytes], dict[int, int]] = {}

    def observe(self, source: str, topic: bytes, seq: int, published_ns: int = 0, *, once: bool = False) -> int:
        """How many messages are missing before this one; 0 in order or first seen, LATE, or NEW_LINE.

        `once`: the newest number does not come again, since the next message will heal what it brought.
        """
        newest = self._newest.get(topic)
        if newest is not None and newest[0] == source:
            last = newest[1]
            if seq == last + 1 and published_ns >= newest[3]:
                self._newest[topic] = (source, seq, last, published_ns, newest[4])
                return 0
            line: _Line | None = newest
        elif newest is None:
            line = None
            if len(self._newest) >= MAX_TOPICS:
                del self._newest[next(iter(self._newest))]
        else:  # a topic that several sources share, or whose source started anew
            line = self._former.pop((source, topic), None)
            self._remember((newest[0], topic), newest)
        return self._place(source, topic, seq, published_ns, line, once=once)

    def _place(self, source: str, topic: bytes, seq: int, published_ns: int, line: _Line | None, *, once: bool) -> int:
        if line is None and 0 < seq <= _MOST:
            self._newest[topic] = (source, seq, seq - 1, published_ns, seq)
            return 0
        if line is not None:
            _, last, before, newest_ns, start = line
            in_time = published_ns >= newest_ns
            if seq == last + 1 and in_time:
                self._newest[topic] = (source, seq, last, published_ns, start)
                return 0
            if last < seq <= last + 1 + MAX_GAP and in_time:
                self._newest[topic] = (source, seq, last, published_ns, seq)
                self.lost = min(_MOST, self.lost + seq - last - 1)
                return seq - last - 1
            if (
                seq == before + 1 and published_ns > newest_ns and not (once and seq == last)
            ):  # the newest number was false: this one continues
                self._newest[topic] = (source, seq, before, published_ns, before - 1)
                self.renumbered += 1
                return NEW_LINE
            proven = last - start >= CONSECUTIVE - 1
            if (published_ns > newest_ns or not proven or seq > last) and self._continues(source, topic, seq):
                self._newest[topic] = (source, seq, seq - 1, published_ns, seq - CONSECUTIVE + 1)
                self.renumbered += 1
                return NEW_LINE
            self._newest[topic] = line
        self.repeated += 1
        return LATE

    def _continues(self, source: str, topic: bytes, seq: int) -> bool:
        """Whether this is the third consecutive number of a line that is not the known one."""
        if not 0 < seq <= _MOST:
            return False
        candidates = self._candidates.get((source, topic))
        if candidates is None:
            if len(self._candidates) >= _MAX_TROUBLED:
                del self._candidates[next(iter(self._candidates))]
            candidates = self._candidates[source, topic] = {}
        count = candidates.pop(seq, 0) + 1
        if count >= CONSECUTIVE:
            del self._candidates[source, topic]
            return True
        if len(candidates) >= _MAX_CANDIDATES:
            del candidates[min(candidates, key=candidates.__getitem__)]  # of the shortest runs the oldest
        candidates[seq + 1] = count
        return False

    def forget(self, gone: Set[bytes]) -> None:
        """Drop what is known of topics that are no longer subscribed to: their next messages are no gap."""
        for topic in gone:
            self._newest.pop(topic, None)
        tables: tuple[dict[tuple[str, bytes], Any], ...] = (self._former, self._candidates)
        for table in tables:
            for key in [key for key in table if key[1] in gone]:
                del table[key]

    def _remember(self, key: tuple[str, bytes], line: _Line) -> None:
        if len(self._former) >= MAX_TOPICS:
            del self._former[next(iter(self._former))]
        self._former[key] = line

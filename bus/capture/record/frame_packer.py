"""Takes each frame of a recording: numbers it, notes what is missing, packs it. Pure.

Only the envelope is decoded.
"""

from __future__ import annotations

from quotebus.bus import codec, topics
from quotebus.bus.capture.format.captured import GAP_TOPIC, Gap, GapCause, encode_gap, is_recordable
from quotebus.bus.capture.format.chunks import ChunkBuilder, PackedChunk
from quotebus.bus.clock import NS_PER_MS
from quotebus.bus.events import VERSION
from quotebus.bus.sequence import SequenceTracker

FLUSH_NS = 50 * NS_PER_MS
"""A message waits at most this long to be packed; the rest of the promised 100 ms is for writing."""
_MAX_PENDING = 10_000
_MAX_KNOWN = 100_000
_MOST = 2**63 - 1
_GAP_TOPIC = GAP_TOPIC.encode()
_ACKNOWLEDGED = topics.ACKNOWLEDGED + "."


class FramePacker:
    """Frames in, chunks out. Every loss is counted in `lost`, and noted in the capture where it happened."""

    def __init__(self, source: str, prefixes: tuple[str, ...] = (), first_sequence: int = 1) -> None:
        """`prefixes`: what was subscribed to, empty for everything. `source`: the recorder's, for its notes."""
        self.builder = ChunkBuilder(first_sequence)
        self.received = self.lost = self.queue_dropped = self.unreadable = 0
        self.newest_ns = 0
        """`published_ns` of the newest message."""
        self._source = source
        self._gap_seq = 0
        self._tracker = SequenceTracker()
        self._known: dict[bytes, bytes | None] = {}
        self._pending: dict[tuple[GapCause, str, str], list[int]] = {}
        self._oldest_ns = 0
        # All acknowledgements of a source share one counter: receiving only some of them reveals no loss.
        self._all_acks = not prefixes or any(_ACKNOWLEDGED.startswith(prefix) for prefix in prefixes)

    def receive(self, frames: list[bytes], received_ns: int, *, room: bool) -> list[PackedChunk]:
        """Take frames in arrival order; returns chunks that became full. Without `room`, frames are lost and noted."""
        packed: list[PackedChunk] = []
        builder, known = self.builder, self._known
        decode, observe, add = codec.decode_envelope, self._tracker.observe, builder.add
        if room and self._pending:
            self._note_pending(received_ns)
        if frames and not builder.messages:
            self._oldest_ns = received_ns
        self.received += len(frames)
        for frame in frames:
            topic, _, payload = frame.partition(b"\0")
            try:
                counter = known[topic]
            except KeyError:
                if not self._admit(topic):
                    continue
                counter = known[topic]
            try:
                envelope = decode(payload)
            except codec.DECODE_ERRORS:
                self._refuse(topic)
                continue
            if envelope.version != VERSION:
                self._refuse(topic)
                continue
            source, seq = envelope.source, envelope.seq
            missing = 0 if counter is None else observe(source, counter, seq, envelope.published_ns)
            if missing > 0:
                self._on_gap(source, topic, seq - missing, missing, received_ns, room=room)
            if not room:
                self._on_dropped(source, topic, seq)
                continue
            add(topic, payload, received_ns, envelope.published_ns)
            self.newest_ns = envelope.published_ns
            if builder.full:
                packed += filter(None, [builder.take()])
                self._oldest_ns = received_ns
        return packed

    def is_due(self, now_ns: int) -> bool:
        """Whether the packed messages must be flushed now; on the clock of `received_ns`."""
        return self.builder.messages > 0 and now_ns - self._oldest_ns >= FLUSH_NS

    def flush(self, now_ns: int) -> PackedChunk | None:
        """Take what is packed so far, together with the losses not yet noted; None if there is nothing."""
        self._note_pending(now_ns)
        return self.builder.take()

    def _admit(self, topic: bytes) -> bool:
        """Learn a new topic's counter; False for a topic that no capture holds, which is counted as unreadable."""
        name = topic.decode("ascii", "replace")
        if not is_recordable(name) or name == GAP_TOPIC:
            self._refuse(topic)
            return False
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        acknowledgement = name.startswith(_ACKNOWLEDGED)
        counter = topics.ACKNOWLEDGED.encode() if acknowledgement else topic
        self._known[topic] = None if acknowledgement and not self._all_acks else counter
        return True

    def _refuse(self, topic: bytes) -> None:
        self.unreadable += 1
        name = topic.decode("ascii", "replace")
        self._pend(GapCause.UNREADABLE, "", name if topics.is_topic(name) else "", 0, 1)

    def _on_gap(self, source: str, topic: bytes, first_seq: int, count: int, now_ns: int, *, room: bool) -> None:
        if room:
            self._lose(count)
            self._note(GapCause.BUS, source, topic.decode("ascii"), first_seq, count, now_ns)
        else:
            self._pend(GapCause.BUS, source, topic.decode("ascii"), first_seq, count)

    def _on_dropped(self, source: str, topic: bytes, seq: int) -> None:
        self.queue_dropped += 1
        self._pend(GapCause.QUEUE, source, topic.decode("ascii"), seq, 1)

    def _pend(self, cause: GapCause, publisher: str, topic: str, first_seq: int, count: int) -> None:
        """Count a loss now and note it later, together with others of its kind."""
        self._lose(count)
        key = (cause, publisher, topic)
        if key not in self._pending and len(self._pending) >= _MAX_PENDING:
            key, first_seq = (cause, "", ""), 0
        self._pending.setdefault(key, [first_seq, 0])[1] += count

    def _lose(self, count: int) -> None:
        self.lost = min(_MOST, self.lost + count)

    def _note_pending(self, now_ns: int) -> None:
        pending, self._pending = self._pending, {}
        for (cause, publisher, topic), (first_seq, count) in pending.items():
            self._note(cause, publisher, topic, first_seq, count, now_ns)

    def _note(self, cause: GapCause, publisher: str, topic: str, first_seq: int, count: int, now_ns: int) -> None:
        self._gap_seq += 1
        gap = Gap(
            source=self._source,
            seq=self._gap_seq,
            published_ns=now_ns,
            cause=cause,
            publisher=publisher,
            topic=topic,
            first_seq=first_seq,
            count=min(_MOST, count),
        )
        self.builder.add(_GAP_TOPIC, encode_gap(gap), now_ns, now_ns)

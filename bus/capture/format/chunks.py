"""Messages packed into the content of MCAP chunks, each topic declared before its first message. Pure.

mcap's own writer costs as much per message as everything else the recorder does; one packed struct and two appends
give the same bytes, which a test checks with mcap's reader.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from mcap.opcode import Opcode
from mcap.records import Channel, Schema

from quotebus.bus.capture.format import schemas
from quotebus.bus.capture.format.captured import GAP_TOPIC, is_recordable
from quotebus.bus.capture.format.records import MESSAGE, RECORD_HEAD, encode

CHUNK_MESSAGES = 500
CHUNK_BYTES = 1 << 20
MAX_TOPICS = 50_000
"""Per segment; MCAP numbers channels with 16 bits."""
_FIELDS = MESSAGE.size - RECORD_HEAD.size
_MESSAGE = int(Opcode.MESSAGE)
_GAP_TOPIC = GAP_TOPIC.encode()


@dataclass(frozen=True, slots=True)
class PackedChunk:
    """The content of one chunk, not yet compressed."""

    data: bytes
    messages: int
    heard: int
    """Those of them that came from the bus: without the recorder's own notes of what is missing."""
    start_ns: int
    end_ns: int
    index: dict[int, list[int]]
    """By channel, of each message the time and the offset in `data`: two numbers each."""
    channels: list[Channel]
    schemas: list[Schema]
    """Declared in this chunk, for the first time in the segment."""

    @property
    def counts(self) -> dict[int, int]:
        """Messages by channel."""
        return {channel: len(places) // 2 for channel, places in self.index.items()}


class ChunkBuilder:
    """Fills one chunk after another. `sequence`: of the last message. `topics`: how many the segment has so far."""

    def __init__(self, first_sequence: int = 1) -> None:
        self.sequence = first_sequence - 1
        self.size = self.messages = 0
        self._ids: dict[bytes, int] = {}
        self._schema_ids: dict[str, int] = {}
        self._start()

    def _start(self) -> None:
        self.size = self.messages = 0
        self._parts: list[bytes] = []
        self._index: dict[int, list[int]] = {}
        self._channels: list[Channel] = []
        self._schemas: list[Schema] = []
        self._start_ns = self._end_ns = 0

    @property
    def topics(self) -> int:
        return len(self._ids)

    @property
    def full(self) -> bool:
        """Whether to `take` the chunk before adding another message."""
        return self.messages >= CHUNK_MESSAGES or self.size >= CHUNK_BYTES

    @property
    def heard(self) -> int:
        """Messages of the chunk that came from the bus."""
        notes = self._index.get(self._ids.get(_GAP_TOPIC, 0), ())
        return self.messages - len(notes) // 2

    def add(self, topic: bytes, payload: bytes, received_ns: int, published_ns: int) -> None:
        """Append a message under the next sequence. `topic`: recordable, without its zero byte. Raises ValueError."""
        channel = self._ids.get(topic) or self._declare(topic)
        self.sequence = sequence = self.sequence + 1
        length = len(payload) + _FIELDS
        head = MESSAGE.pack(
            _MESSAGE, length, channel, sequence & 0xFFFFFFFF, received_ns, published_ns if published_ns > 0 else 0
        )
        self._parts += (head, payload)
        places = self._index.get(channel)
        if places is None:
            self._index[channel] = [received_ns, self.size]
        else:
            places += (received_ns, self.size)
        self.size += length + RECORD_HEAD.size
        if not self.messages:
            self._start_ns = self._end_ns = received_ns
        elif received_ns > self._end_ns:
            self._end_ns = received_ns
        elif received_ns < self._start_ns:
            self._start_ns = received_ns
        self.messages += 1

    def take(self) -> PackedChunk | None:
        """The messages added since the last call, as a chunk; None if there are none."""
        if not self.messages:
            return None
        packed = PackedChunk(
            b"".join(self._parts),
            self.messages,
            self.heard,
            self._start_ns,
            self._end_ns,
            self._index,
            self._channels,
            self._schemas,
        )
        self._start()
        return packed

    def new_segment(self) -> None:
        """Start another file, in which no topic is declared yet. Call only between chunks."""
        self._ids.clear()
        self._schema_ids.clear()

    def _declare(self, topic: bytes) -> int:
        name = topic.decode("ascii")
        if not is_recordable(name):
            raise ValueError(f"not a topic of the bus: {name[:40]!r}")
        event = schemas.find_event_type(name)
        declared = b""
        schema_id = self._schema_ids.get(event.__name__)
        if schema_id is None:
            schema_id = self._schema_ids[event.__name__] = len(self._schema_ids) + 1
            schema = Schema(
                id=schema_id, data=schemas.make_schema(event), encoding=schemas.SCHEMA_ENCODING, name=event.__name__
            )
            declared = encode(schema)
            self._schemas.append(schema)
        number = self._ids[topic] = len(self._ids) + 1
        channel = Channel(id=number, topic=name, message_encoding=schemas.ENCODING, metadata={}, schema_id=schema_id)
        self._channels.append(channel)
        declared += encode(channel)
        self._parts.append(declared)
        self.size += len(declared)
        return number


def encode_indexes(index: dict[int, list[int]]) -> tuple[bytes, dict[int, int]]:
    """The message indexes that follow a chunk, one a channel, and where each begins within them."""
    encoded, offsets = bytearray(), {}
    for channel, places in index.items():
        offsets[channel] = len(encoded)
        count, size = len(places), 8 * len(places)
        encoded += struct.pack(f"<BQHI{count}Q", Opcode.MESSAGE_INDEX, 6 + size, channel, size, *places)
    return bytes(encoded), offsets


def index_chunk(data: bytes) -> dict[int, list[int]]:
    """The index of a chunk's content that has been checked already."""
    index: dict[int, list[int]] = {}
    at = 0
    while at < len(data):
        if data[at] == _MESSAGE:
            _, length, channel, _, log_ns, _ = MESSAGE.unpack_from(data, at)
            index.setdefault(channel, []).extend((log_ns, at))
        else:
            _, length = RECORD_HEAD.unpack_from(data, at)
        at += RECORD_HEAD.size + length
    return index

"""The index at the end of a complete capture file: where its chunks are, and what time each covers.

It is trusted only if all of it is consistent: its CRC-32, its place, each field, the order of the chunks. A file
without such an index has to be read from front to back.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from mcap.opcode import Opcode

from quotebus.bus.capture.format import records
from quotebus.bus.capture.format.captured import is_recordable
from quotebus.bus.capture.format.metadata import HOLE_NAME
from quotebus.bus.capture.format.records import BadRecord, Channel, Fields
from quotebus.bus.capture.format.schemas import ENCODING

MAX_SUMMARY_BYTES = 128 << 20
_FOOTER = struct.Struct("<BQQQI")
_CHUNK_INDEX = struct.Struct("<QQQQ")
_TAIL_BYTES = _FOOTER.size + len(records.MAGIC)
Schemas = dict[int, tuple[str, str, bytes]]
"""Number to name, encoding and text."""


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """A chunk's place in its file, and when its earliest and latest messages were received."""

    offset: int
    length: int
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Index:
    """A file's topics, its chunks in file order, and its number of messages."""

    schemas: Schemas
    channels: dict[int, Channel]
    chunks: tuple[IndexedChunk, ...]
    messages: int
    has_holes: bool


def read_index(path: Path) -> Index | None:
    """The index of a file; None if it has none that can be trusted. Raises OSError."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < _TAIL_BYTES:
            return None
        file.seek(size - _TAIL_BYTES)
        tail = file.read(_TAIL_BYTES)
        if len(tail) < _TAIL_BYTES or not tail.endswith(records.MAGIC):
            return None
        opcode, length, start, _, crc = _FOOTER.unpack_from(tail)
        summary_bytes = size - _TAIL_BYTES - start
        if opcode != Opcode.FOOTER or length != 20 or not 0 < summary_bytes <= MAX_SUMMARY_BYTES:
            return None
        file.seek(start)
        summary = file.read(summary_bytes)
    if zlib.crc32(tail[: _FOOTER.size - 4], zlib.crc32(summary)) != crc:
        return None
    try:
        return _parse(summary, start)
    except BadRecord:
        return None


def _parse(summary: bytes, end: int) -> Index | None:
    schemas: Schemas = {}
    channels: dict[int, Channel] = {}
    chunks: list[IndexedChunk] = []
    messages = counted = -1
    has_holes = False
    fields = Fields(summary)
    while not fields.at_end:
        opcode, content = fields.number(1), fields.blob(8)
        if opcode == Opcode.SCHEMA:
            number, name, encoding, text = records.read_schema(content)
            schemas[number] = (name, encoding, text)
        elif opcode == Opcode.CHANNEL:
            channel = records.read_channel(content)
            if not is_recordable(channel.topic) or channel.encoding != ENCODING or channel.schema_id not in schemas:
                return None
            channels[channel.id] = channel
        elif opcode == Opcode.STATISTICS:
            statistics = Fields(content)
            messages = statistics.number(8)
            statistics.take(2 + 4 + 4 + 4)
            counted = statistics.number(4)
        elif opcode == Opcode.METADATA_INDEX:
            note = Fields(content)
            note.take(16)
            has_holes |= note.text() == HOLE_NAME
        elif opcode == Opcode.CHUNK_INDEX:
            chunk = _chunk(content)
            if chunk.end_ns < chunk.start_ns or (chunks and chunk.offset < chunks[-1].offset + chunks[-1].length):
                return None
            chunks.append(chunk)
    if counted != len(chunks) or (chunks and chunks[-1].offset + chunks[-1].length > end):
        return None
    return Index(schemas, channels, tuple(chunks), messages, has_holes)


def _chunk(content: bytes) -> IndexedChunk:
    start_ns, end_ns, offset, length = _CHUNK_INDEX.unpack(Fields(content).take(_CHUNK_INDEX.size))
    return IndexedChunk(offset, length, start_ns, end_ns)

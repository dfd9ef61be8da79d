"""One capture file, read from front to back in bounded memory; every byte read is checked.

A file is read as far as it can be trusted. Chunks are checked by CRC, messages must follow each other without a hole in
`sequence` and belong to a known topic, and a finished file must match its data and summary CRCs. The first mismatch
ends the reading and is kept as `damage`. For a part of the time only the chunks that the index names are read; what is
skipped is not checked.
"""

from __future__ import annotations

import os
import zlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import ne
from pathlib import Path
from typing import BinaryIO

from mcap.opcode import Opcode

from quotebus.bus.capture.format import records
from quotebus.bus.capture.format.captured import Captured, Damage, NotACapture, is_recordable
from quotebus.bus.capture.format.checked_file import CheckedFile, hides_chunk
from quotebus.bus.capture.format.file_names import PART
from quotebus.bus.capture.format.index import Index, IndexedChunk, Schemas, read_index
from quotebus.bus.capture.format.metadata import (
    END_NAME,
    HEAD_NAME,
    HOLE_NAME,
    ROTATED,
    CaptureMetadata,
    from_map,
    read_hole,
    read_lost,
)
from quotebus.bus.capture.format.records import BadRecord, Channel, ChunkHead, CutOff
from quotebus.bus.capture.format.schemas import ENCODING

_SEQUENCE_MASK = 0xFFFFFFFF
_MAX_SCHEMAS = 64
_MAX_NOTES = 64
_IN_SUMMARY = frozenset(
    {Opcode.SCHEMA, Opcode.CHANNEL, Opcode.STATISTICS, Opcode.CHUNK_INDEX, Opcode.METADATA_INDEX, Opcode.SUMMARY_OFFSET}
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk: its place in the file, its content, and which messages it holds."""

    offset: int
    length: int
    head: ChunkHead
    data: bytes
    first_sequence: int
    messages: int


class Segment:
    """A capture file. Its attributes are filled in while `read_chunks` is iterated, and final when that has ended.

    `size`: of the file when it was opened. `complete`: the end was read and is consistent. `damage`: where the file
    stops being trustworthy, else None. `good_bytes`, `crc`: length and CRC-32 of the trusted part. `lost`: the run's
    losses up to its end, None if not stated. `goes_on`: its end states that another segment follows. `notes`: offset,
    length and name of its metadata records.
    """

    def __init__(self, path: Path) -> None:
        """Read the head. Raises NotACapture and OSError."""
        self.path = path
        self.schemas: Schemas = {}
        self.channels: dict[int, Channel] = {}
        self.counts: dict[int, int] = {}
        with path.open("rb") as file:
            self.size = _size(file)
            try:
                self.metadata = _read_head(CheckedFile(file, self.size))
            except BadRecord as error:
                raise NotACapture(path.name, str(error), self.size) from None
        self._reset()

    def reopen(self) -> Segment:
        """Open the same file as it is now; its recorder may have completed it. Raises NotACapture and OSError."""
        try:
            return Segment(self.path)
        except FileNotFoundError:
            if not self.path.name.endswith(PART):
                raise
            return Segment(self.path.with_name(self.path.name.removesuffix(PART)))

    def _reset(self) -> None:
        self.damage: Damage | None = None
        self.complete = self.goes_on = self._seeking = False
        self.messages = self.good_bytes = self.crc = 0
        self.lost: int | None = None
        self.notes: list[tuple[int, int, str]] = []
        self.holes: list[tuple[int, int]] = []
        self.last_sequence = self.metadata.first_sequence - 1
        self.schemas.clear()
        self.channels.clear()
        self.counts.clear()

    def read(self, from_ns: int | None = None, to_ns: int | None = None) -> Iterator[Captured]:
        """All messages in file order, including the recorder's own. With a time range, others around it as well."""
        index = None if from_ns is None and to_ns is None else read_index(self.path)
        if index is not None and index.has_holes:
            index = None  # its numbers do not tell where they stand
        for chunk in (
            self.read_chunks() if index is None else self._checked(lambda r: self._indexed(r, index, from_ns, to_ns))
        ):
            if _touches(chunk.head, from_ns, to_ns):
                yield from self.unpack(chunk)

    def read_chunks(self) -> Iterator[Chunk]:
        """All chunks, each checked before it is yielded: a chunk counts as a whole or not at all. Raises OSError."""
        return self._checked(self._chunks)

    def _checked(self, walk: Callable[[CheckedFile], Iterator[Chunk]]) -> Iterator[Chunk]:
        with self.path.open("rb") as file:
            size = _size(file)
            reading = CheckedFile(file, size)
            self._reset()
            try:
                yield from walk(reading)
            except BadRecord as error:
                self.damage = Damage(
                    file=self.path.name,
                    offset=reading.begin,
                    what=str(error),
                    last_sequence=self.last_sequence,
                    lost_bytes=size - self.good_bytes,
                    cut_off=isinstance(error, CutOff) and not hides_chunk(file, reading.begin, size),
                )

    def unpack(self, chunk: Chunk) -> Iterator[Captured]:
        """The messages of a chunk from `read_chunks`."""
        data, at, size, sequence = chunk.data, 0, len(chunk.data), chunk.first_sequence
        skip, message, head = records.RECORD_HEAD.size, int(Opcode.MESSAGE), records.MESSAGE
        topic_of = {number: channel.topic for number, channel in self.channels.items()}
        while at < size:
            if data[at] != message:
                at += skip + records.RECORD_HEAD.unpack_from(data, at)[1]
                continue
            _, length, channel, _, log_ns, published_ns = head.unpack_from(data, at)
            start = at + head.size
            at += skip + length
            yield Captured(topic_of[channel], data[start:at], sequence, log_ns, published_ns)
            sequence += 1

    def _indexed(self, reading: CheckedFile, index: Index, from_ns: int | None, to_ns: int | None) -> Iterator[Chunk]:
        """The chunks that the index names for this time, in file order."""
        self._seeking = True  # the index has already declared what the chunks declare
        self.schemas |= index.schemas
        self.channels |= index.channels
        for place in index.chunks:
            if not _touches(place, from_ns, to_ns):
                continue
            reading.skip_to(place.offset)
            opcode, content = reading.record()
            if opcode != Opcode.CHUNK:
                raise BadRecord("the index does not match the data")
            head, data = records.read_chunk(content)
            before = self._first_sequence(data) - 1
            found = IndexedChunk(reading.begin, reading.at - reading.begin, head.start_ns, head.end_ns)
            if found != place or before < self.last_sequence:
                raise BadRecord("the index does not match the data")
            self.last_sequence = before
            yield self._take(reading, head, data)
        self.messages = index.messages
        self.last_sequence = self.metadata.first_sequence + index.messages - 1
        self.complete = True

    def _first_sequence(self, data: bytes) -> int:
        at, head, skip, base = 0, records.MESSAGE, records.RECORD_HEAD.size, self.metadata.first_sequence
        while at + head.size <= len(data):
            if data[at] == Opcode.MESSAGE:
                low: int = head.unpack_from(data, at)[3]
                return base + ((low - base) & _SEQUENCE_MASK)
            at += skip + records.RECORD_HEAD.unpack_from(data, at)[1]
        raise BadRecord("a chunk without messages")

    def _take(self, reading: CheckedFile, head: ChunkHead, data: bytes) -> Chunk:
        first, count = self._examine(data, head)
        self.messages += count
        self.last_sequence = first + count - 1
        self._settle(reading)
        return Chunk(reading.begin, reading.at - reading.begin, head, data, first, count)

    def _chunks(self, reading: CheckedFile) -> Iterator[Chunk]:
        places = array("Q")  # four numbers per chunk, of which a file may have a million
        _read_head(reading)
        self._keep_note(reading, HEAD_NAME)
        while True:
            opcode, content = reading.record()
            if opcode == Opcode.CHUNK:
                head, data = records.read_chunk(content)
                chunk = self._take(reading, head, data)
                places.extend((chunk.offset, chunk.length, head.start_ns, head.end_ns))
                yield chunk
            elif opcode == Opcode.METADATA:
                name, texts = records.read_metadata(content)
                if name == HOLE_NAME:
                    self._pass_hole(reading, texts)
                elif name == END_NAME:
                    self.lost, self.goes_on = read_lost(texts), texts.get("cause") == ROTATED
                else:
                    self._keep_note(reading, name)
            elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
                self._redeclare(opcode, content)
                self._settle(reading)
            elif opcode == Opcode.DATA_END:
                self._finish(reading, content, places)
                return
            elif opcode == Opcode.MESSAGE_INDEX:
                records.check_message_index(content)
                self._settle(reading)  # not needed here, but the mcap tools write it
            else:
                raise BadRecord(f"a {records.OPCODE_NAMES.get(opcode, 'foreign')} record where none belongs")

    def _examine(self, data: bytes, chunk: ChunkHead) -> tuple[int, int]:
        """Check a chunk and take up its channels; its first sequence and number of messages. Raises BadRecord."""
        at, size, expected = 0, len(data), self.last_sequence + 1
        first = expected
        head, skip, message = records.MESSAGE, records.RECORD_HEAD.size, int(Opcode.MESSAGE)
        shortest = head.size - skip
        channels: dict[int, Channel] = {}
        schemas: Schemas = {}
        counts: dict[int, int] = {}
        known = self.channels
        earliest, latest = 1 << 64, 0
        while at < size:
            if data[at] == message and at + head.size <= size:
                _, length, channel, sequence, log_ns, _ = head.unpack_from(data, at)
                at += skip + length
                if length < shortest or at > size:
                    raise BadRecord("a message runs past its chunk")
                if channel not in known and channel not in channels:
                    raise BadRecord("a message of an unknown topic")
                if sequence != expected & _SEQUENCE_MASK:
                    raise BadRecord(f"message {expected} is missing")
                if log_ns < earliest:
                    earliest = log_ns
                if log_ns > latest:
                    latest = log_ns
                counts[channel] = counts.get(channel, 0) + 1
                expected += 1
                continue
            if at + skip > size:
                raise BadRecord("a record runs past its chunk")
            opcode, length = records.RECORD_HEAD.unpack_from(data, at)
            at += skip + length
            if at > size:
                raise BadRecord("a record runs past its chunk")
            self._declare(opcode, data[at - length : at], schemas, channels)
        if expected == first:
            raise BadRecord("a chunk without messages")
        if (earliest, latest) != (chunk.start_ns, chunk.end_ns):
            raise BadRecord("the times of a chunk do not match its messages")
        self.schemas |= schemas
        self.channels |= channels
        for channel, count in counts.items():
            self.counts[channel] = self.counts.get(channel, 0) + count
        return first, expected - first

    def _declare(self, opcode: int, content: bytes, schemas: Schemas, channels: dict[int, Channel]) -> None:
        """Add a chunk's schema or channel to those it declares. Raises BadRecord."""
        if opcode == Opcode.SCHEMA:
            number, name, encoding, data = records.read_schema(content)
            if self._seeking and self.schemas.get(number) == (name, encoding, data):
                return
            if number in self.schemas or number in schemas or len(self.schemas) + len(schemas) >= _MAX_SCHEMAS:
                raise BadRecord("too many schemas, or one declared twice")
            schemas[number] = (name, encoding, data)
            return
        if opcode != Opcode.CHANNEL:
            raise BadRecord("a record that does not belong in a chunk")
        channel = records.read_channel(content)
        if self._seeking and self.channels.get(channel.id) == channel:
            return
        if channel.id in self.channels or channel.id in channels:
            raise BadRecord("a topic is declared twice")
        if not is_recordable(channel.topic):
            raise BadRecord(f"not a topic of the bus: {channel.topic[:40]!r}")
        if (channel.schema_id not in self.schemas and channel.schema_id not in schemas) or channel.encoding != ENCODING:
            raise BadRecord("a topic without its schema")
        channels[channel.id] = channel

    def _redeclare(self, opcode: int, content: bytes) -> None:
        """Outside of chunks a recovery declares what a lost chunk may have declared, perhaps once more."""
        self._seeking = True
        schemas: Schemas = {}
        channels: dict[int, Channel] = {}
        self._declare(opcode, content, schemas, channels)
        self.schemas |= schemas
        self.channels |= channels

    def _pass_hole(self, reading: CheckedFile, texts: dict[str, str]) -> None:
        try:
            first, count = read_hole(texts)
        except ValueError as error:
            raise BadRecord(str(error)) from None
        if first != self.last_sequence + 1:
            raise BadRecord("a note of missing messages that does not fit")
        self.last_sequence += count
        self.holes.append((first, count))
        self._settle(reading)

    def begin_salvage(self, index: Index | None) -> None:
        """Go on behind damage with `take_salvaged`; what lost chunks have declared is known from the index alone."""
        self._seeking = True
        if index is not None:
            self.schemas |= index.schemas
            self.channels |= index.channels

    def take_salvaged(self, offset: int, length: int, head: ChunkHead, data: bytes) -> Chunk:
        """Take up a chunk from behind damage. Raises BadRecord for one that does not follow what came before."""
        before = self.last_sequence
        self.last_sequence = self._first_sequence(data) - 1
        try:
            if self.last_sequence < before:
                raise BadRecord("a chunk that came before")
            first, count = self._examine(data, head)
        except BadRecord:
            self.last_sequence = before
            raise
        if first > before + 1:
            self.holes.append((before + 1, first - before - 1))
        self.messages += count
        self.last_sequence = first + count - 1
        return Chunk(offset, length, head, data, first, count)

    def _keep_note(self, reading: CheckedFile, name: str) -> None:
        if len(self.notes) >= _MAX_NOTES:
            raise BadRecord("too many metadata records")
        self.notes.append((reading.begin, reading.at - reading.begin, name))
        self._settle(reading)

    def _settle(self, reading: CheckedFile) -> None:
        """Everything up to here can be trusted."""
        self.good_bytes, self.crc = reading.at, reading.crc

    def _finish(self, reading: CheckedFile, data_end: bytes, places: array[int]) -> None:
        """Check what follows the data: its CRC, the summary, footer and magic, and that nothing follows them."""
        if len(data_end) != 4 or int.from_bytes(data_end, "little") != reading.crc_before:
            raise BadRecord("the checksum of the data is wrong")
        summary_start, reading.crc = reading.at, 0
        counted = -1
        while True:
            opcode, content = reading.record()
            if opcode == Opcode.FOOTER:
                break
            if opcode not in _IN_SUMMARY:
                raise BadRecord("a record that does not belong in the summary")
            if opcode == Opcode.STATISTICS:
                counted = int.from_bytes(content[:8], "little")
        head = records.RECORD_HEAD.pack(Opcode.FOOTER, len(content))
        crc = zlib.crc32(head + content[:16], reading.crc_before)
        if len(content) != 20 or int.from_bytes(content[16:], "little") != crc:
            raise BadRecord("the checksum of the summary is wrong")
        if int.from_bytes(content[:8], "little") != summary_start or counted != self.messages:
            raise BadRecord("the summary does not fit the data")
        if reading.take(len(records.MAGIC)) != records.MAGIC:
            raise BadRecord("the file does not end as it should")
        if reading.at != reading.size:
            raise BadRecord("something follows the end")
        index = read_index(self.path)
        if index is not None:
            indexed = (number for c in index.chunks for number in (c.offset, c.length, c.start_ns, c.end_ns))
            if 4 * len(index.chunks) != len(places) or index.channels != self.channels or any(map(ne, indexed, places)):
                raise BadRecord("the index does not match the data")
        self.complete = True
        self.good_bytes = reading.at


def _touches(chunk: ChunkHead | IndexedChunk, from_ns: int | None, to_ns: int | None) -> bool:
    """Whether a chunk may hold messages of [`from_ns`, `to_ns`)."""
    return (from_ns is None or chunk.end_ns >= from_ns) and (to_ns is None or chunk.start_ns < to_ns)


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _read_head(reading: CheckedFile) -> CaptureMetadata:
    if reading.take(len(records.MAGIC)) != records.MAGIC:
        raise BadRecord("not an MCAP file")
    opcode, content = reading.record()
    if opcode != Opcode.HEADER or records.read_header(content)[0] != records.PROFILE:
        raise BadRecord("an MCAP file, but not one of quotebus")
    opcode, content = reading.record()
    name, texts = records.read_metadata(content) if opcode == Opcode.METADATA else ("", {})
    if name != HEAD_NAME:
        raise BadRecord("the capture's head is missing")
    try:
        return from_map(texts)
    except ValueError as error:
        raise BadRecord(str(error)) from None

"""The end of a capture file: DataEnd, the summary with its indexes, the footer. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping

from mcap.opcode import Opcode
from mcap.records import (
    Channel,
    ChunkIndex,
    DataEnd,
    Footer,
    MetadataIndex,
    Schema,
    Statistics,
    SummaryOffset,
)

from quotebus.bus.capture.format.records import MAGIC, RECORD_HEAD, ChunkHead, encode


class Summary:
    """Collects what the end of a file states about its data; call its methods as chunks and metadata are written."""

    def __init__(self) -> None:
        self.messages = 0
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self._counts: dict[int, int] = {}
        self._chunks = bytearray()  # kept encoded: a long recording has a million of them
        self._chunk_count = 0
        self._start_ns: int | None = None
        self._end_ns = 0
        self._metadata: list[MetadataIndex] = []

    def declare(self, schemas: Iterable[Schema], channels: Iterable[Channel]) -> None:
        self._schemas |= {schema.id: schema for schema in schemas}
        self._channels |= {channel.id: channel for channel in channels}

    def count(self, counts: dict[int, int]) -> None:
        """Add a chunk's messages by channel."""
        for channel, count in counts.items():
            self._counts[channel] = self._counts.get(channel, 0) + count
            self.messages += count

    def on_chunk(self, offset: int, length: int, head: ChunkHead, index: Mapping[int, int], index_length: int) -> None:
        """Note a chunk at `offset`, and behind it its message indexes: by channel where each begins within them."""
        self._chunks += encode(
            ChunkIndex(
                chunk_length=length,
                chunk_start_offset=offset,
                compression=head.compression,
                compressed_size=head.packed_size,
                message_end_time=head.end_ns,
                message_index_length=index_length,
                message_index_offsets={channel: offset + length + begin for channel, begin in index.items()},
                message_start_time=head.start_ns,
                uncompressed_size=head.size,
            )
        )
        self._chunk_count += 1
        self._start_ns = head.start_ns if self._start_ns is None else min(self._start_ns, head.start_ns)
        self._end_ns = max(self._end_ns, head.end_ns)

    def on_metadata(self, offset: int, length: int, name: str) -> None:
        self._metadata.append(MetadataIndex(offset=offset, length=length, name=name))

    def end(self, offset: int, data_crc: int) -> bytes:
        """Everything from DataEnd to the closing magic; the data ends at `offset` and has that CRC-32."""
        data_end = encode(DataEnd(data_crc))
        start = offset + len(data_end)
        groups: dict[Opcode, bytes | bytearray] = {
            Opcode.SCHEMA: encode(*self._schemas.values()),
            Opcode.CHANNEL: encode(*self._channels.values()),
            Opcode.STATISTICS: encode(self._statistics()),
            Opcode.CHUNK_INDEX: self._chunks,
            Opcode.METADATA_INDEX: encode(*self._metadata),
        }
        summary, offsets = b"", b""
        for opcode, encoded in groups.items():
            if encoded:
                offsets += encode(SummaryOffset(opcode, start + len(summary), len(encoded)))
            summary += encoded
        offsets_start = start + len(summary)
        summary += offsets
        head = RECORD_HEAD.pack(Opcode.FOOTER, 20) + start.to_bytes(8, "little") + offsets_start.to_bytes(8, "little")
        footer = Footer(start, offsets_start, zlib.crc32(head, zlib.crc32(summary)))
        return data_end + summary + encode(footer) + MAGIC

    def _statistics(self) -> Statistics:
        return Statistics(
            attachment_count=0,
            channel_count=len(self._channels),
            channel_message_counts=self._counts,
            chunk_count=self._chunk_count,
            message_count=self.messages,
            message_end_time=self._end_ns,
            message_start_time=self._start_ns or 0,
            metadata_count=len(self._metadata),
            schema_count=len(self._schemas),
        )

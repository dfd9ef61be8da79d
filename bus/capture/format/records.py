"""MCAP records as bytes: strict and bounded reading, and the packing of messages.

The mcap package's own readers believe a forged size and accept truncated fields; here every length is checked against
what is really there. Layouts: https://mcap.dev/spec. Pure.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from mcap.data_stream import RecordBuilder
from mcap.opcode import Opcode
from mcap.records import McapRecord

from quotebus.bus.capture.format.compression import Undecompressable, decompress

MAGIC = b"\x89MCAP0\r\n"
PROFILE = "quotebus"
MAX_RECORD_BYTES = 8 << 20
"""The largest record read into memory; ours are a quarter of it."""
MAX_CHUNK_BYTES = 8 << 20
"""The largest chunk after decompression."""
MAX_NAME_BYTES = 256
MAX_SCHEMA_BYTES = 64 << 10
RECORD_HEAD = struct.Struct("<BQ")
MESSAGE = struct.Struct("<BQHIQQ")
"""A message record up to its data: opcode, length, channel, sequence, log time, publish time."""
_CHUNK = struct.Struct("<QQQI")


class BadRecord(ValueError):
    """Bytes that are not the record they claim to be; the text says why in a few words."""


class CutOff(BadRecord):
    """The bytes end where more has to follow."""


class Fields:
    """Reads a record's content field by field. All methods raise BadRecord."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._content):
            raise BadRecord("a field runs past its record")
        taken = self._content[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def blob(self, prefix: int = 4) -> bytes:
        return self.take(self.number(prefix))

    def text(self, limit: int = MAX_NAME_BYTES) -> str:
        length = self.number(4)
        if length > limit:
            raise BadRecord("a name is too long")
        try:
            return self.take(length).decode()
        except UnicodeDecodeError:
            raise BadRecord("a name is not text") from None

    def pairs(self) -> dict[str, str]:
        end = self.number(4) + self._at
        found: dict[str, str] = {}
        while self._at < end:
            key = self.text()
            found[key] = self.text(limit=MAX_RECORD_BYTES)
        if self._at != end:
            raise BadRecord("a map is longer than it states")
        return found

    @property
    def at_end(self) -> bool:
        return self._at == len(self._content)

    def end(self) -> None:
        if self._at != len(self._content):
            raise BadRecord("a record is longer than its fields")


@dataclass(frozen=True, slots=True)
class ChunkHead:
    """A chunk without its data."""

    start_ns: int
    end_ns: int
    size: int
    compression: str
    packed_size: int


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic and its number in one file."""

    id: int
    schema_id: int
    topic: str
    encoding: str


def read_header(content: bytes) -> tuple[str, str]:
    """Profile and library."""
    fields = Fields(content)
    profile, library = fields.text(), fields.text()
    fields.end()
    return profile, library


def read_metadata(content: bytes) -> tuple[str, dict[str, str]]:
    """A metadata record's name and map."""
    fields = Fields(content)
    name, texts = fields.text(), fields.pairs()
    fields.end()
    return name, texts


def read_schema(content: bytes) -> tuple[int, str, str, bytes]:
    """Number, name, encoding and text of a schema."""
    fields = Fields(content)
    number, name, encoding, data = fields.number(2), fields.text(), fields.text(), fields.blob()
    fields.end()
    if len(data) > MAX_SCHEMA_BYTES:
        raise BadRecord("a schema is too long")
    return number, name, encoding, data


def read_channel(content: bytes) -> Channel:
    fields = Fields(content)
    channel = Channel(fields.number(2), fields.number(2), fields.text(), fields.text())
    fields.pairs()
    fields.end()
    return channel


def read_chunk(content: bytes) -> tuple[ChunkHead, bytes]:
    """A chunk's head and its content, decompressed within MAX_CHUNK_BYTES and checked by CRC-32."""
    fields = Fields(content)
    start_ns, end_ns, size, crc = _CHUNK.unpack(fields.take(_CHUNK.size))
    compression, packed = fields.text(), fields.blob(8)
    fields.end()
    if size > MAX_CHUNK_BYTES:
        raise BadRecord(f"a chunk claims {size} bytes, more than any recorder writes")
    try:
        data = decompress(compression, packed, size)
    except Undecompressable as error:
        raise BadRecord(str(error)) from None
    if zlib.crc32(data) != crc:
        raise BadRecord("the checksum of a chunk is wrong")
    return ChunkHead(start_ns, end_ns, size, compression, len(packed)), data


def check_message_index(content: bytes) -> None:
    """Raise BadRecord unless this is a message index: two numbers for each message of a channel."""
    fields = Fields(content)
    fields.take(2)
    if len(fields.blob()) % 16:
        raise BadRecord("a malformed message index")
    fields.end()


OPCODE_NAMES = {int(opcode): opcode.name.lower().replace("_", " ") for opcode in Opcode}


def encode(*encoded: McapRecord) -> bytes:
    """Encode records, one after the other."""
    builder = RecordBuilder()
    for record in encoded:
        record.write(builder)
    return bytes(builder.end())  # type: ignore[no-untyped-call]

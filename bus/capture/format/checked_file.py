"""A capture file read front to back, record by record, with a checksum of everything read."""

from __future__ import annotations

import contextlib
import zlib
from typing import BinaryIO

from mcap.opcode import Opcode

from quotebus.bus.capture.format import records
from quotebus.bus.capture.format.records import BadRecord, CutOff

_MAX_TRIES = 100


class CheckedFile:
    """A file read in order. `begin`: where the newest record starts. `crc`: CRC-32 of all bytes read so far."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.size = size
        self.at = self.begin = self.crc = self.crc_before = 0
        self._file = file

    def take(self, length: int) -> bytes:
        if self.at + length > self.size:
            whole = self.begin == self.at == self.size
            raise CutOff("the file was not closed" if whole else "the file ends in the middle of a record")
        taken = self._file.read(length)
        if len(taken) < length:
            raise CutOff("the file became shorter while it was read")
        self.at += length
        self.crc = zlib.crc32(taken, self.crc)
        return taken

    def skip_to(self, offset: int) -> None:
        """Continue elsewhere in the file; `crc` is meaningless from then on."""
        self._file.seek(offset)
        self.at = offset

    def record(self) -> tuple[int, bytes]:
        """The next record's opcode and content; `crc_before` is the CRC-32 of all before it. Raises BadRecord."""
        self.begin, self.crc_before = self.at, self.crc
        opcode, length = records.RECORD_HEAD.unpack(self.take(records.RECORD_HEAD.size))
        if length > records.MAX_RECORD_BYTES:
            raise BadRecord(f"a record claims {length} bytes, more than any recorder writes")
        return opcode, self.take(length)


def hides_chunk(file: BinaryIO, begin: int, size: int) -> bool:
    """Whether a chunk follows the record at `begin`, whose length leads past the end of the file.

    Then that length is wrong, and the file was not cut off there.
    """
    file.seek(min(begin + 1, size))
    rest = file.read(records.MAX_RECORD_BYTES)
    opcode, skip, tries = bytes((Opcode.CHUNK,)), records.RECORD_HEAD.size, 0
    at = rest.find(opcode)
    while 0 <= at <= len(rest) - skip:
        length = records.RECORD_HEAD.unpack_from(rest, at)[1]
        if length <= len(rest) - skip - at:
            tries += 1
            with contextlib.suppress(BadRecord):
                records.read_chunk(rest[at + skip : at + skip + length])
                return True
            if tries >= _MAX_TRIES:
                return True  # crafted to take time: not to be trusted
        at = rest.find(opcode, at + 1)
    return False

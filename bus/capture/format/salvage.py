"""Good chunks behind damage, for a recovery: by the file's index, or where a chunk with a right checksum begins."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator

from mcap.opcode import Opcode

from quotebus.bus.capture.format import records
from quotebus.bus.capture.format.index import read_index
from quotebus.bus.capture.format.records import BadRecord
from quotebus.bus.capture.format.segment import Chunk, Segment

_CHUNK_BEGINS = re.compile(rb"\x06[\s\S]{4}\x00{4}")
"""The opcode of a chunk, and a length of less than 4 GiB."""


def read_good_chunks(segment: Segment) -> Iterator[Chunk]:
    """Every chunk that can be read, before and behind damage; `segment.holes` then names what is missing between.

    A chunk behind damage whose topics were declared in the damaged part is lost with it, unless the file is complete:
    then its end declares them too. Raises OSError.
    """
    yield from segment.read_chunks()
    if segment.damage is None:
        return
    index = read_index(segment.path)
    segment.begin_salvage(index)
    with segment.path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        end = segment.damage.offset
        begins = _find_begins(data, end) if index is None else (chunk.offset for chunk in index.chunks)
        for offset in begins:
            if offset < end:
                continue
            chunk = _read_chunk(segment, data, offset)
            if chunk is not None:
                end = chunk.offset + chunk.length
                yield chunk


def _find_begins(data: mmap.mmap, at: int) -> Iterator[int]:
    """Where chunks may begin; one found within another is no chunk of the file and fails its check."""
    while (found := _CHUNK_BEGINS.search(data, at)) is not None:
        yield found.start()
        at = found.start() + 1


def _read_chunk(segment: Segment, data: mmap.mmap, offset: int) -> Chunk | None:
    skip = records.RECORD_HEAD.size
    if offset + skip > len(data):
        return None
    opcode, size = records.RECORD_HEAD.unpack_from(data, offset)
    if opcode != Opcode.CHUNK or offset + skip + size > len(data):
        return None
    try:
        head, content = records.read_chunk(data[offset + skip : offset + skip + size])
        return segment.take_salvaged(offset, skip + size, head, content)
    except BadRecord:
        return None

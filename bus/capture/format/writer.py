"""Writing one capture file: `.part` until it is complete, then synced and renamed."""

from __future__ import annotations

import errno
import fcntl
import os
import zlib
from pathlib import Path
from types import TracebackType
from typing import Self

from mcap.records import Chunk, Header, Metadata

from quotebus.bus.capture.format.chunks import ChunkBuilder, PackedChunk, encode_indexes
from quotebus.bus.capture.format.compression import COMPRESS
from quotebus.bus.capture.format.file_names import PART, name_file
from quotebus.bus.capture.format.metadata import END_NAME, HEAD_NAME, CaptureMetadata, make_end_map, to_map
from quotebus.bus.capture.format.records import MAGIC, PROFILE, ChunkHead, encode
from quotebus.bus.capture.format.summary import Summary
from quotebus.bus.topics import END


class CaptureWriter:
    """Writes one segment to `<path>.part`, and renames it to `<path>` when it is closed.

    `write` packs messages into chunks. `flush` hands them to the operating system, where they survive the end of this
    process; `sync` forces them to the disk, where they survive a power failure. A program that packs its own chunks
    calls `write_chunk`. All raise OSError; after one, only `abandon` may be called: what was written before remains a
    readable prefix.
    """

    def __init__(self, path: Path | str, metadata: CaptureMetadata, *, compression: str = "lz4") -> None:
        """Create the file and write its head. Raises OSError, FileExistsError if `path` exists: no file is replaced."""
        self.path = Path(path)
        self.part = self.path.with_name(self.path.name + PART)
        self.metadata = metadata
        self.bytes = self.messages = self.lost = 0
        self._compression = "" if compression == "none" else compression
        self._pack = COMPRESS[self._compression]
        self._summary = Summary()
        self._crc = 0
        self._builder = ChunkBuilder(metadata.first_sequence)
        if self.path.exists():
            raise FileExistsError(errno.EEXIST, "exists already", str(self.path))
        self._fd = _create_locked(self.part)
        try:
            self._write(MAGIC + encode(Header(PROFILE, f"quotebus/{metadata.versions.get('quotebus', '')}")))
            self._write_metadata(HEAD_NAME, to_map(metadata))
        except OSError:
            os.close(self._fd)
            self.part.unlink(missing_ok=True)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    def write(self, topic: str, payload: bytes, received_ns: int, published_ns: int) -> int:
        """Record one message; returns its sequence. Raises ValueError for a topic that is not one of the bus."""
        self._builder.add(topic.encode("ascii"), payload, received_ns, published_ns)
        if self._builder.full:
            self._write_built()
        return self._builder.sequence

    def write_frame(self, frame: bytes, received_ns: int, published_ns: int) -> int:
        """Record one message given as it crossed the bus."""
        topic, _, payload = frame.partition(END)
        return self.write(topic.decode("ascii"), payload, received_ns, published_ns)

    def write_chunk(self, packed: PackedChunk) -> None:
        """Record a chunk and its message indexes with a single write to the operating system."""
        chunk = Chunk(
            compression=self._compression,
            data=self._pack(packed.data),
            message_end_time=packed.end_ns,
            message_start_time=packed.start_ns,
            uncompressed_crc=zlib.crc32(packed.data),
            uncompressed_size=len(packed.data),
        )
        data, offset = encode(chunk), self.bytes
        indexes, begins = encode_indexes(packed.index)
        self._write(data + indexes)
        self._summary.declare(packed.schemas, packed.channels)
        self._summary.count(packed.counts)
        head = ChunkHead(packed.start_ns, packed.end_ns, len(packed.data), self._compression, len(chunk.data))
        self._summary.on_chunk(offset, len(data), head, begins, len(indexes))
        self.messages += packed.messages

    def flush(self) -> None:
        """Make what was written so far survive the end of this process."""
        self._write_built()

    def sync(self) -> None:
        """Make what was written so far survive a power failure."""
        self._write_built()
        os.fsync(self._fd)

    def close(self, cause: str = "stopped") -> Path:
        """Complete the file, sync it, rename it, sync the folder; returns its path."""
        self._write_built()
        self._write_metadata(END_NAME, make_end_map(self.messages, self.lost, cause))
        self._write(self._summary.end(self.bytes, self._crc))
        os.fsync(self._fd)
        name_file(self.part, self.path)
        os.close(self._fd)
        self._fd = -1
        return self.path

    def abandon(self) -> None:
        """Leave the `.part` as it is. May be called again, and after `close`."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write_built(self) -> None:
        packed = self._builder.take()
        if packed is not None:
            self.write_chunk(packed)

    def _write_metadata(self, name: str, texts: dict[str, str]) -> None:
        data = encode(Metadata(name=name, metadata=texts))
        self._summary.on_metadata(self.bytes, len(data), name)
        self._write(data)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
        self._crc = zlib.crc32(data, self._crc)
        self.bytes += len(data)


def _create_locked(part: Path) -> int:
    """Create a file and lock it; the lock tells a recovery of `.part` files that it is in use. Raises OSError.

    Until it is locked it looks like one left by a killed recorder, and a recovery may remove it: then it is created
    again.
    """
    while True:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink > 0:
                return descriptor
        except OSError:
            os.close(descriptor)
            part.unlink(missing_ok=True)
            raise
        os.close(descriptor)

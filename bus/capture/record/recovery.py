"""Completes what a killed recorder left, or damage: every good chunk, byte for byte, and a proper end."""

from __future__ import annotations

import errno
import fcntl
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from mcap.records import Channel, Metadata, Schema

from quotebus.bus.capture.format.captured import Damage, NotACapture
from quotebus.bus.capture.format.chunks import encode_indexes, index_chunk
from quotebus.bus.capture.format.file_names import PART, SUFFIX, name_file
from quotebus.bus.capture.format.metadata import END_NAME, HOLE_NAME, make_end_map, make_hole_map
from quotebus.bus.capture.format.records import encode
from quotebus.bus.capture.format.salvage import read_good_chunks
from quotebus.bus.capture.format.segment import Segment
from quotebus.bus.capture.format.summary import Summary

_BLOCK_BYTES = 1 << 20
_DAMAGED = ".damaged"
_RECOVERING = ".recovering"


@dataclass(frozen=True, slots=True)
class Recovered:
    """The result for one file. `path` is None if no file was made; `why` then says why."""

    file: str
    path: Path | None
    messages: int = 0
    damage: Damage | None = None
    kept: Path | None = None
    why: str = ""
    missing: int = 0
    """Messages that could not be read, before others that could."""

    def __str__(self) -> str:
        if self.path is None:
            return f"{self.file} not recovered: {self.why}"
        kept = f"; the damaged file is kept as {self.kept.name}" if self.kept else ""
        if self.damage is None:
            return f"{self.file} was whole: {self.messages:,} messages, now named {self.path.name}"
        lost = str(self.damage).partition(": ")[2]
        if self.missing:
            lost = (
                f"{self.damage.what} at byte {self.damage.offset},"
                f" {self.missing:,} are missing before messages that are good"
            )
        return f"recovered {self.messages:,} messages of {self.file} as {self.path.name}; {lost}{kept}"


def recover_file(source: Path, target: Path) -> Recovered:
    """Write what is good of `source` to `target`, which must not exist. `source` is kept. Raises OSError."""
    with _unused(source) as unused:
        if not unused:
            return Recovered(source.name, None, why="its recorder is still writing it")
        return _recover_file(source, target)


def _recover_file(source: Path, target: Path) -> Recovered:
    if target.exists():
        return Recovered(source.name, None, why=f"{target.name} already exists")
    try:
        segment = Segment(source)
    except NotACapture as error:
        return Recovered(source.name, None, why=error.damage.what)
    temporary = target.with_name(f".{target.name}{_RECOVERING}")
    try:
        _rewrite(segment, temporary)
        name_file(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    missing = sum(count for _, count in segment.holes)
    return Recovered(source.name, target, segment.messages, segment.damage, missing=missing)


def recover_folder(folder: Path) -> Iterator[Recovered]:
    """Recover every `.part` in a folder that no recorder writes any more, each to its proper name.

    A file that was only cut off is then removed; one that is damaged inside is kept as `.damaged`. An empty file is
    removed. A file that cannot be recovered stays as it is, and is reported.
    """
    for part in sorted(folder.glob(f"*{SUFFIX}{PART}")):
        try:
            with _unused(part) as unused:
                if not unused:
                    continue
                recovered = _recover_part(part)
            yield recovered  # after the lock is released: the caller may take long
        except FileNotFoundError:
            continue  # its recorder has just completed it
        except OSError as error:
            yield Recovered(part.name, None, why=error.strerror or str(error))


def _recover_part(part: Path) -> Recovered:
    if part.stat().st_size == 0:
        part.unlink()
        return Recovered(part.name, None, why="it was empty and has been removed")
    target = part.with_name(part.name.removesuffix(PART))
    if target.exists() and _holds_all(target, part):  # an earlier recovery was killed before its last step
        part.unlink()
        return Recovered(part.name, None, why=f"{target.name} already holds all of it; it has been removed")
    recovered = _recover_file(part, target)
    if recovered.path is None:
        return recovered
    if recovered.damage is None or recovered.damage.cut_off:
        part.unlink()
        return recovered
    kept = part.with_name(part.name + _DAMAGED)
    part.rename(kept)
    return replace(recovered, file=part.name, kept=kept)


def _holds_all(target: Path, part: Path) -> bool:
    """Whether a complete capture holds every message of a `.part` that was merely cut off."""
    try:
        whole, left = Segment(target), Segment(part)
    except NotACapture:
        return False
    if whole.metadata != left.metadata:
        return False
    for segment in (whole, left):
        for _ in segment.read_chunks():
            continue
    cut_off = left.damage is None or left.damage.cut_off
    return whole.complete and cut_off and whole.last_sequence >= left.last_sequence


@contextmanager
def _unused(part: Path) -> Iterator[bool]:
    """Whether no recorder writes this file: a live one holds its lock. Raises FileNotFoundError if it is gone."""
    with part.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield os.path.samestat(os.fstat(file.fileno()), part.stat())  # else a new file has taken the name


def _rewrite(segment: Segment, target: Path) -> None:
    """Copy a whole file as it is; else the head and every good chunk, with message indexes and an end made anew."""
    for _ in segment.read_chunks():
        continue
    with segment.path.open("rb") as source, target.open("wb") as file:
        writing = _CountedFile(file)
        if segment.complete:
            writing.copy(source, segment.good_bytes)
        else:
            _write_good_part(segment, source, writing)
        file.flush()
        os.fsync(file.fileno())


def _write_good_part(segment: Segment, source: BinaryIO, writing: _CountedFile) -> None:
    summary = Summary()
    offset, length, name = segment.notes[0]  # the head, behind which the chunks begin
    writing.copy(source, offset + length)
    summary.on_metadata(offset, length, name)
    next_sequence = segment.metadata.first_sequence
    for chunk in read_good_chunks(segment):
        if chunk.first_sequence > next_sequence:
            _write_hole(segment, writing, summary, next_sequence, chunk.first_sequence - next_sequence)
        next_sequence = chunk.first_sequence + chunk.messages
        source.seek(chunk.offset)
        indexes, begins = encode_indexes(index_chunk(chunk.data))
        summary.on_chunk(writing.at, chunk.length, chunk.head, begins, len(indexes))
        writing.copy(source, chunk.length)
        writing.write(indexes)
    summary.declare(*_declarations(segment))
    summary.count(segment.counts)
    end = encode(Metadata(name=END_NAME, metadata=make_end_map(segment.messages, None, "recovered")))
    summary.on_metadata(writing.at, len(end), END_NAME)
    writing.write(end)
    writing.write(summary.end(writing.at, writing.crc))


def _write_hole(segment: Segment, writing: _CountedFile, summary: Summary, first: int, count: int) -> None:
    """Note what is missing, and declare all topics: the missing chunk may have been the first with some of them."""
    note = encode(Metadata(name=HOLE_NAME, metadata=make_hole_map(first, count)))
    summary.on_metadata(writing.at, len(note), HOLE_NAME)
    schemas, channels = _declarations(segment)
    writing.write(note + encode(*schemas, *channels))


def _declarations(segment: Segment) -> tuple[list[Schema], list[Channel]]:
    schemas = [
        Schema(id=number, name=name, encoding=encoding, data=data)
        for number, (name, encoding, data) in segment.schemas.items()
    ]
    channels = [
        Channel(
            id=channel.id,
            topic=channel.topic,
            message_encoding=channel.encoding,
            metadata={},
            schema_id=channel.schema_id,
        )
        for channel in segment.channels.values()
    ]
    return schemas, channels


class _CountedFile:
    """What is written, counted and summed up."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.at = self.crc = 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self.at += len(data)
        self.crc = zlib.crc32(data, self.crc)

    def copy(self, source: BinaryIO, length: int) -> None:
        """Copy from where `source` stands. Raises OSError."""
        while length > 0:
            block = source.read(min(length, _BLOCK_BYTES))
            if not block:
                raise OSError(errno.EIO, "the file shrank while it was recovered")
            self.write(block)
            length -= len(block)

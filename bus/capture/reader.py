"""Captures for reading: one file, several, or a folder of segments, as one stream of messages."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bus.capture.captured import GAP_TOPIC, Captured, CaptureDamaged, Damage, Gap, NotACapture, decode_gap
from bus.capture.metadata import CaptureMetadata
from bus.capture.records import MAGIC
from bus.capture.segment import PART, Segment

SUFFIX = ".mcap"


class Capture:
    """A recording, read front to back any number of times, in bounded memory.

    Order is file order, which is the order of reception; segments are put in order by what they say of themselves.
    Reading stops where a file cannot be trusted any further, and `damage` then says where and what is missing: what was
    yielded before is exactly what was recorded. A capture that is still being written, or whose recorder was killed,
    reads as one that is cut off. With `strict`, damage is raised instead. The recorder's own notes are not among the
    messages; see `gaps`.
    """

    def __init__(self, path: Path | str | Sequence[Path | str], *, strict: bool = False) -> None:
        """Read the heads. Raises NotACapture if there is none to read, and OSError."""
        self.strict = strict
        self.damage: Damage | None = None
        unreadable: list[NotACapture] = []
        segments: list[Segment] = []
        for file in files(path):
            try:
                segments.append(Segment(file))
            except NotACapture as error:
                unreadable.append(error)
        if not segments:
            raise unreadable[0] if unreadable else NotACapture(f"{path}: no capture there")
        self.segments = tuple(sorted(segments, key=_place))
        self._unreadable = unreadable
        self.metadata: CaptureMetadata = self.segments[0].metadata

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Files are open only while they are read: nothing is left to close."""

    def __iter__(self) -> Iterator[Captured]:
        return self.read()

    def read(
        self, from_ns: int | None = None, to_ns: int | None = None, topics: Iterable[str] = ()
    ) -> Iterator[Captured]:
        """Messages received in [`from_ns`, `to_ns`) whose topic starts with one of `topics`; none means all.

        What a complete file has before and after that is neither read nor checked.
        """
        prefixes = tuple(topics)
        for message in self.everything(from_ns, to_ns):
            if message.topic != GAP_TOPIC and (not prefixes or message.topic.startswith(prefixes)):
                yield message

    def gaps(self) -> Iterator[Gap]:
        """The losses that the recorder noted. Reads the whole capture. Raises UndecodableMessage."""
        return (decode_gap(message.payload) for message in self.everything() if message.topic == GAP_TOPIC)

    def everything(self, from_ns: int | None = None, to_ns: int | None = None) -> Iterator[Captured]:
        """As `read`, the recorder's own notes (GAP_TOPIC) among them. Raises CaptureDamaged if strict, and OSError."""
        self.damage = None
        last: Segment | None = None
        ends: dict[str, int] = {}
        for known in self.segments:
            segment = Segment(known.path)  # of its own, so that several may read one capture at the same time
            if not self._follows(ends.get(segment.metadata.run), segment):
                return
            for message in segment.read(from_ns, to_ns):
                if (from_ns is None or message.received_ns >= from_ns) and (
                    to_ns is None or message.received_ns < to_ns
                ):
                    yield message
            if segment.damage is not None:
                self._on_damage(segment.damage)
                return
            last = segment
            ends[segment.metadata.run] = segment.last_sequence
        if self._unreadable and last is not None:
            self._on_damage(
                Damage(last.path.name, last.good_bytes, f"beside it, {self._unreadable[0]}", last.last_sequence, 0)
            )

    def _follows(self, end: int | None, segment: Segment) -> bool:
        """Whether a segment starts where the one before it in its run ended; runs may be mixed in a folder."""
        first = segment.metadata.first_sequence
        if end is None or first == end + 1:
            return True
        missing = f"messages {end + 1} to {first - 1} are missing before it"
        what = missing if first > end else "its messages are there already"
        self._on_damage(Damage(segment.path.name, 0, what, end, segment.path.stat().st_size))
        return False

    def _on_damage(self, damage: Damage) -> None:
        self.damage = damage
        if self.strict:
            raise CaptureDamaged(damage)


def is_capture(path: Path) -> bool:
    """Whether a file begins as every MCAP file does. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _place(segment: Segment) -> tuple[int, str, int]:
    head = segment.metadata
    return head.utc_ns, head.run, head.segment


def files(path: Path | str | Sequence[Path | str]) -> list[Path]:
    """The capture files meant by a file, a folder or a list of these. Raises FileNotFoundError."""
    found: list[Path] = []
    for one in [Path(path)] if isinstance(path, (str, Path)) else map(Path, path):
        if one.is_dir():
            inside = [file for file in one.iterdir() if file.name.endswith((SUFFIX, SUFFIX + PART)) and file.is_file()]
            found += sorted(inside)
        elif one.is_file():
            found.append(one)
        else:
            raise FileNotFoundError(errno.ENOENT, "no such capture", str(one))
    return found

"""Reading captures: one file, several, or a folder of segments, as one stream of messages."""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from quotebus.bus.capture.format.captured import (
    GAP_TOPIC,
    Captured,
    CaptureDamaged,
    Damage,
    Gap,
    NotACapture,
    decode_gap,
)
from quotebus.bus.capture.format.file_names import PART, SUFFIX
from quotebus.bus.capture.format.metadata import CaptureMetadata
from quotebus.bus.capture.format.records import MAGIC
from quotebus.bus.capture.format.segment import Segment


class Capture:
    """A recording, read front to back any number of times, in bounded memory.

    Messages come in file order, which is the order of reception; segments are ordered by their heads. A file is read as
    far as it can be trusted, and reading continues with the next one; `damages` then lists where each damaged file ends
    and what is missing. What is yielded from a file is exactly what was recorded up to there; missing messages show as
    a hole in `sequence`. A capture that is still being written, or whose recorder was killed, reads as one that is cut
    off. With `strict`, the first damage is raised instead. The recorder's own notes are not yielded; see `gaps`.
    """

    def __init__(self, path: Path | str | Sequence[Path | str], *, strict: bool = False) -> None:
        """Read the heads. Raises NotACapture if no file has a readable one, and OSError."""
        self.strict = strict
        self.damages: list[Damage] = []
        """Found by the last read, in the order of reading."""
        self.partial: list[str] = []
        """Found by the last read: runs whose first or last segments are absent, which is no damage to the others."""
        unreadable: list[NotACapture] = []
        segments: list[Segment] = []
        for file in find_files(path):
            try:
                segments.append(Segment(file))
            except NotACapture as error:
                unreadable.append(error)
        if not segments:
            raise unreadable[0] if unreadable else NotACapture(_join_names(path), "no capture there")
        self.segments = tuple(sorted(segments, key=_place))
        self._unreadable = unreadable
        self.metadata: CaptureMetadata = self.segments[0].metadata

    @property
    def damage(self) -> Damage | None:
        """The first of `damages`."""
        return self.damages[0] if self.damages else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to close: files are open only while they are read."""

    def __iter__(self) -> Iterator[Captured]:
        return self.read()

    def read(
        self, from_ns: int | None = None, to_ns: int | None = None, topics: Iterable[str] = ()
    ) -> Iterator[Captured]:
        """Messages received in [`from_ns`, `to_ns`) whose topic begins with one of `topics`; of all topics if empty.

        In a complete file, chunks before and after that time are neither read nor checked. Raises as `everything`.
        """
        prefixes = tuple(topics)
        for message in self.read_everything(from_ns, to_ns):
            if message.topic != GAP_TOPIC and (not prefixes or message.topic.startswith(prefixes)):
                yield message

    def read_gaps(self) -> Iterator[Gap]:
        """The losses that the recorder noted. Reads the whole capture. Raises UndecodableMessage as well."""
        return (decode_gap(message.payload) for message in self.read_everything() if message.topic == GAP_TOPIC)

    def read_everything(self, from_ns: int | None = None, to_ns: int | None = None) -> Iterator[Captured]:
        """As `read`, with the recorder's own notes (GAP_TOPIC). Raises CaptureDamaged if `strict`, and OSError."""
        self.damages, self.partial = [], []
        ends: dict[str, _End] = {}
        for known in self.segments:
            segment = self._reopen(known)  # its own, so that several readers can share one capture
            if segment is None:
                continue
            before = ends.get(segment.metadata.run)
            self._check_order(before, segment)
            known_until = before.last_sequence if before is not None else 0
            for message in segment.read(from_ns, to_ns):
                if message.sequence > known_until and _within(message, from_ns, to_ns):
                    yield message
            if before is not None and segment.last_sequence <= known_until and before.repeats(segment):
                what = f"{before.file} already holds its messages"
                self._on_damage(Damage(segment.path.name, 0, what, known_until, segment.size))
                continue
            if segment.damage is not None:
                self._on_damage(segment.damage)
            self.partial += [
                f"{segment.path.name}: messages {first} to {first + count - 1} were lost before it was recovered"
                for first, count in segment.holes
            ]
            ends[segment.metadata.run] = _End(segment)
        for error in self._unreadable:
            self._on_damage(error.damage)
        self.partial += [f"{end.file}: the next segment of its run is absent" for end in ends.values() if end.goes_on]

    def _reopen(self, known: Segment) -> Segment | None:
        """A segment as it is now; None if it is gone."""
        try:
            return known.reopen()
        except NotACapture as error:
            self._on_damage(error.damage)
        except FileNotFoundError:
            self._on_damage(Damage(known.path.name, 0, "the file is gone", 0, known.size))
        return None

    def _check_order(self, before: _End | None, segment: Segment) -> None:
        """Report what is missing before a segment; a folder may hold several runs."""
        first, name = segment.metadata.first_sequence, segment.path.name
        if before is None:
            if first > 1:
                self.partial.append(f"{name}: begins with message {first} of its run")
            return
        what = ""
        if before.damaged:
            missing = range(before.segment + 1, segment.metadata.segment)
            if missing:
                what = f"segment {missing[0]}" if len(missing) == 1 else f"segments {missing[0]} to {missing[-1]}"
                what += " of its run (the first is 0)" + (" is" if len(missing) == 1 else " are")
        elif first > before.last_sequence + 1:
            what = f"messages {before.last_sequence + 1} to {first - 1} are"
        if what:
            self._on_damage(Damage(name, 0, f"{what} missing before it", before.last_sequence, 0))

    def _on_damage(self, damage: Damage) -> None:
        self.damages.append(damage)
        if self.strict:
            raise CaptureDamaged(damage)


class _End:
    """How the newest segment of a run ended."""

    def __init__(self, segment: Segment) -> None:
        self.file = segment.path.name
        self.segment = segment.metadata.segment
        self.last_sequence = segment.last_sequence
        self.damaged = segment.damage is not None
        self.goes_on = segment.goes_on

    def repeats(self, segment: Segment) -> bool:
        """Whether a segment repeats this one, or a part of the run that came before."""
        head = segment.metadata
        return head.segment == self.segment or head.first_sequence <= self.last_sequence


def _within(message: Captured, from_ns: int | None, to_ns: int | None) -> bool:
    return (from_ns is None or message.received_ns >= from_ns) and (to_ns is None or message.received_ns < to_ns)


def is_capture(path: Path) -> bool:
    """Whether a file begins as every MCAP file does. Raises OSError."""
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _join_names(path: Path | str | Sequence[Path | str]) -> str:
    return str(path) if isinstance(path, (str, Path)) else ", ".join(map(str, path))


def _place(segment: Segment) -> tuple[int, str, int]:
    head = segment.metadata
    return head.utc_ns, head.run, head.segment


def find_files(path: Path | str | Sequence[Path | str]) -> list[Path]:
    """The capture files that a file, a folder, or a list of these stands for. Raises FileNotFoundError."""
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

"""Small captures, and every way to break one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from quotebus.bus import codec
from quotebus.bus.capture import Capture, Captured, CaptureMetadata, CaptureWriter, Gap, NotACapture
from quotebus.bus.capture.format.captured import GAP_TOPIC, encode_gap
from quotebus.bus.capture.inspect.verify import verify
from quotebus.bus.events import Event
from tests.support.samples import SAMPLES, UTC_NS

HEAD = CaptureMetadata(
    run="0123456789abcdef",
    recorder="all",
    source="recorder-9d0e44",
    segment=0,
    first_sequence=1,
    boot_ns=5_000_000_000,
    utc_ns=UTC_NS,
    host="desk",
    topics=(),
    versions={"quotebus": "0.1.0"},
)
GAP = Gap(
    source=HEAD.source,
    seq=1,
    published_ns=UTC_NS,
    cause="bus",
    publisher="pricing-3f9c2a",
    topic="quote.SPY",
    first_seq=5,
    count=2,
)


def write_events(path: Path, events: list[Event], *, head: CaptureMetadata = HEAD, chunk: int = 4) -> Path:
    """A finished capture of these events, a millisecond apart, `chunk` of them in each chunk."""
    with CaptureWriter(path, head) as writer:
        for number, event in enumerate(events):
            writer.write_frame(codec.encode(event), UTC_NS + number * 1_000_000, event.published_ns)
            if number % chunk == chunk - 1:
                writer.flush()
    return path


def write_golden(path: Path) -> Path:
    """One event of each kind and one noted gap, in three chunks."""
    with CaptureWriter(path, HEAD) as writer:
        for number, event in enumerate(SAMPLES.values()):
            writer.write_frame(codec.encode(event), UTC_NS + number * 1_000_000, event.published_ns)
            if number % 4 == 3:
                writer.flush()
        writer.write(GAP_TOPIC, encode_gap(GAP), UTC_NS + 11_000_000, GAP.published_ns)
        writer.lost = GAP.count
    return path


def read_all(path: Path) -> list[Captured]:
    return list(Capture(path).read_everything())


def complaint(path: Path, original: list[Captured]) -> str | None:
    """What is wrong with how a damaged copy is read; None if it is found out and what is read is an exact prefix."""
    try:
        capture = Capture(path)
    except NotACapture:
        return None
    read = list(capture.read_everything())
    if read != original[: len(read)]:
        return "other messages than were recorded"
    if verify(capture).whole:
        return "called whole"
    if capture.segments[0].metadata != HEAD:
        return "another head than was recorded"
    if capture.damage is None:
        return "no damage named"
    if capture.damage.last_sequence != len(read):
        return f"says {capture.damage.last_sequence} are good, and gives {len(read)}"
    return None


def truncations(path: Path, copy: Path, step: int = 1, start: int = 0) -> Iterator[tuple[str, str | None]]:
    """Each cut of the file, at every `step` bytes, and what is wrong with how it is read."""
    data, original = path.read_bytes(), read_all(path)
    for length in range(start, len(data), step):
        copy.write_bytes(data[:length])
        yield f"cut after byte {length}", complaint(copy, original)


def flips(path: Path, copy: Path, step: int = 1, start: int = 0) -> Iterator[tuple[str, str | None]]:
    """Each flipped bit of the file, at every `step` bits, and what is wrong with how it is read."""
    data, original = bytearray(path.read_bytes()), read_all(path)
    for bit in range(start, len(data) * 8, step):
        data[bit // 8] ^= 1 << bit % 8
        copy.write_bytes(data)
        data[bit // 8] ^= 1 << bit % 8
        yield f"bit {bit % 8} of byte {bit // 8} flipped", complaint(copy, original)


if __name__ == "__main__":
    print(write_golden(Path(sys.argv[1])))

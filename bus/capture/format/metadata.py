"""The head of a capture: who recorded it, with which versions, and what its clocks showed. Pure."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

FORMAT = 1
HEAD_NAME = "quotebus.capture"
END_NAME = "quotebus.end"
HOLE_NAME = "quotebus.hole"
"""What a recovery writes in the place of chunks that it could not read."""
ROTATED = "rotated"
"""The cause in the end of a segment that another one follows."""
_NUMBERS = ("format", "wire", "segment", "first_sequence", "boot_ns", "utc_ns")
_VERSION = "version."


@dataclass(frozen=True, slots=True)
class CaptureMetadata:
    """One segment's head. The same `run` with `segment` 0, 1, 2 … is one recording.

    `boot_ns` and `utc_ns` are one instant on the recorder's two clocks. `topics`: prefixes it subscribed to, empty for
    everything. `versions`: program to version.
    """

    run: str
    recorder: str
    source: str
    segment: int
    first_sequence: int
    boot_ns: int
    utc_ns: int
    host: str = ""
    topics: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    wire: int = 1
    format: int = FORMAT


def to_map(metadata: CaptureMetadata) -> dict[str, str]:
    """The map of an MCAP metadata record: text to text, with a checksum, because MCAP gives such a record none."""
    plain = asdict(metadata)
    versions: dict[str, str] = plain.pop("versions")
    plain["topics"] = " ".join(metadata.topics)
    texts = {key: str(value) for key, value in plain.items()}
    texts |= {_VERSION + program: version for program, version in versions.items()}
    return {**texts, "crc32": compute_checksum(texts)}


def from_map(texts: Mapping[str, str]) -> CaptureMetadata:
    """The head of a segment. Raises ValueError with one line of text."""
    fields = dict(texts)
    if fields.pop("crc32", "") != compute_checksum(fields):
        raise ValueError("the checksum of the capture's head is wrong")
    try:
        numbers = {name: int(fields.pop(name)) for name in _NUMBERS}
        words = {name: fields.pop(name) for name in ("run", "recorder", "source", "host")}
        topics = tuple(fields.pop("topics").split())
    except KeyError as error:
        raise ValueError(f"the capture's head lacks {error.args[0]}") from None
    if numbers["format"] != FORMAT:
        raise ValueError(f"capture format {numbers['format']}; this program reads format {FORMAT}")
    versions = {key.removeprefix(_VERSION): value for key, value in fields.items() if key.startswith(_VERSION)}
    return CaptureMetadata(
        run=words["run"],
        recorder=words["recorder"],
        source=words["source"],
        host=words["host"],
        topics=topics,
        versions=versions,
        **numbers,
    )


def make_end_map(messages: int, lost: int | None, cause: str) -> dict[str, str]:
    """The map at the end of a segment: its messages, the run's losses so far, and why it ends."""
    texts = {"messages": str(messages), "cause": cause}
    return texts if lost is None else {**texts, "lost": str(lost)}


def make_hole_map(first_sequence: int, count: int) -> dict[str, str]:
    """The map in the place of `count` messages that a recovery could not read."""
    return {"first_sequence": str(first_sequence), "count": str(count)}


def read_hole(texts: Mapping[str, str]) -> tuple[int, int]:
    """The first missing number and how many are missing. Raises ValueError."""
    first, count = texts.get("first_sequence", ""), texts.get("count", "")
    if not (first.isdecimal() and count.isdecimal() and len(first) < 20 and len(count) < 20 and int(count)):
        raise ValueError("a malformed note of missing messages")
    return int(first), int(count)


def read_lost(texts: Mapping[str, str]) -> int | None:
    """The run's losses up to a segment's end; None if they are not stated."""
    lost = texts.get("lost", "")
    return int(lost) if lost.isdecimal() and len(lost) < 20 else None


def compute_checksum(texts: Mapping[str, str]) -> str:
    """CRC-32 of the pairs in key order, each text followed by a zero byte; eight hex digits."""
    data = b"".join(part.encode() + b"\0" for key in sorted(texts) for part in (key, texts[key]))
    return f"{zlib.crc32(data):08x}"

"""One file: every cut and every flipped bit is found, and a hostile file takes no memory."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from mcap.records import Channel, Chunk, DataEnd, Header, Message, Metadata, Schema
from mcap.writer import Writer

from quotebus.bus.capture import Capture
from quotebus.bus.capture.format.metadata import HEAD_NAME, to_map
from quotebus.bus.capture.format.records import MAGIC, encode
from quotebus.bus.capture.format.segment import Segment
from tests.support.captures import HEAD, flips, truncations, write_golden

ROOT = Path(__file__).parents[3]
START = MAGIC + encode(Header("quotebus", "x"), Metadata(name=HEAD_NAME, metadata=to_map(HEAD)))
SCHEMA = encode(Schema(id=1, name="Quote", encoding="jsonschema", data=b"{}"))


def channel(number: int, topic: str, schema: int = 1, encoding: str = "msgpack") -> bytes:
    return encode(Channel(id=number, topic=topic, message_encoding=encoding, metadata={}, schema_id=schema))


def message(number: int, sequence: int, data: bytes = b"x", log_ns: int = 1) -> bytes:
    return encode(Message(channel_id=number, log_time=log_ns, publish_time=1, sequence=sequence, data=data))


def chunk(content: bytes, compression: str = "", packed: bytes | None = None, size: int | None = None) -> bytes:
    return encode(
        Chunk(
            compression=compression,
            data=content if packed is None else packed,
            message_start_time=1,
            message_end_time=1,
            uncompressed_crc=zlib.crc32(content),
            uncompressed_size=len(content) if size is None else size,
        )
    )


GOOD = chunk(SCHEMA + channel(1, "quote.SPY") + message(1, 1))


def test_a_sample_of_all_cuts_and_flips_is_found(tmp_path: Path) -> None:
    """All of them: `python -m tests.perf.capture_damage`."""
    path, copy = write_golden(tmp_path / "whole.mcap"), tmp_path / "broken.mcap"
    size = path.stat().st_size
    step = size // 80
    for tried in (
        truncations(path, copy, step, start=os.getpid() % step),
        truncations(path, copy, 1, start=size - 30),
        flips(path, copy, step * 8 + 1, start=os.getpid() % 97),
        flips(path, copy, 7, start=(size - 30) * 8),
    ):
        assert [(what, wrong) for what, wrong in tried if wrong] == []


@pytest.mark.parametrize(
    ("after", "what"),
    [
        (GOOD + chunk(message(1, 3)), "message 2 is missing"),
        (GOOD + chunk(message(1, 1)), "message 2 is missing"),
        (GOOD + chunk(message(2, 2)), "unknown topic"),
        (GOOD + chunk(channel(1, "quote.SPY") + message(1, 2)), "declared twice"),
        (GOOD + chunk(channel(2, "secret.SPY") + message(2, 2)), "not a topic of the bus"),
        (GOOD + chunk(channel(2, "quote.\x1b[2J") + message(2, 2)), "not a topic of the bus"),
        (GOOD + chunk(channel(2, "quote.QQQ", schema=9) + message(2, 2)), "without its schema"),
        (GOOD + chunk(channel(2, "quote.QQQ", encoding="json") + message(2, 2)), "without its schema"),
        (GOOD + chunk(b""), "without messages"),
        (GOOD + chunk(message(1, 2)[:-1]), "runs past its chunk"),
        (GOOD + chunk(message(1, 2) + b"\x05"), "runs past its chunk"),
        (GOOD + chunk(b"\x0f" + struct.pack("<Q", 4) + b"1234"), "does not belong in a chunk"),
        (GOOD + chunk(message(1, 2, log_ns=2)), "times of a chunk"),
        (GOOD + chunk(message(1, 2), size=5), "not as long as it says"),
        (GOOD + chunk(message(1, 2), "br"), "unknown compression"),
        (GOOD + chunk(message(1, 2), "lz4", b"nothing of the kind"), "cannot be decompressed"),
        (GOOD + chunk(message(1, 2), "lz4", lz4.frame.compress(message(1, 2))[:-3]), "not one whole frame"),
        (GOOD + chunk(message(1, 2), "zstd", b"nothing of the kind"), "cannot be decompressed"),
        (GOOD + chunk(message(1, 2), "lz4", lz4.frame.compress(message(1, 2)) + b"x"), "not one whole frame"),
        (GOOD + chunk(message(1, 2), "zstd", zstandard.compress(message(1, 2)) + b"x"), "more follows it"),
        (GOOD + chunk(message(1, 2), "zstd", zstandard.compress(message(1, 2)) * 2), "more follows it"),
        (GOOD + chunk(message(1, 2), "zstd", zstandard.compress(message(1, 2))[:-1]), "cannot be decompressed"),
        (GOOD + message(1, 2), "where none belongs"),
        (GOOD + b"\x80" + struct.pack("<Q", 0), "where none belongs"),
        (GOOD + encode(DataEnd(1)), "checksum of the data"),
        (GOOD + encode(DataEnd(0)), "checksum of the data"),
        (GOOD + b"\x06" + struct.pack("<Q", 2**63), "more than any recorder writes"),
        (GOOD + b"\x06" + struct.pack("<Q", 60), "middle of a record"),
        (GOOD, "not closed"),
    ],
)
def test_what_does_not_fit_ends_the_reading_there(tmp_path: Path, after: bytes, what: str) -> None:
    path = tmp_path / "a.mcap"
    path.write_bytes(START + after)
    segment = Segment(path)
    assert len(list(segment.read())) == 1
    assert segment.damage is not None
    assert what in segment.damage.what
    assert segment.damage.last_sequence == 1
    assert segment.good_bytes == len(START + GOOD)
    assert segment.damage.lost_bytes == len(after) - len(GOOD)


def test_files_of_the_mcap_tools_with_message_indexes_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.mcap"
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=100, enable_data_crcs=True)
        writer.start("quotebus")
        writer.add_metadata(HEAD_NAME, to_map(HEAD))
        schema = writer.register_schema("Quote", "jsonschema", b"{}")
        number = writer.register_channel("quote.SPY", "msgpack", schema)
        for sequence in range(1, 8):
            writer.add_message(number, 1, b"payload", 1, sequence)
        writer.finish()
    assert len(list(Capture(path, strict=True))) == 7


ZEROS = bytes(1 << 20)
HOSTILE: dict[str, Callable[[], bytes]] = {
    "lz4 bomb": lambda: chunk(b"", "lz4", lz4.frame.compress(ZEROS * 72), size=8 << 20),
    "lz4 bomb of a forged size": lambda: chunk(b"", "lz4", lz4.frame.compress(ZEROS * 72), size=1 << 62),
    "zstd bomb": lambda: chunk(b"", "zstd", zstandard.compress(ZEROS * 72), size=8 << 20),
    "zstd bomb that states less": lambda: chunk(b"", "zstd", ZSTD_FORGED, size=1 << 20),
    "zstd bomb that states nothing": lambda: chunk(b"", "zstd", ZSTD_UNSTATED, size=1 << 20),
    "zstd bomb of a forged size": lambda: chunk(b"", "zstd", zstandard.compress(ZEROS * 72), size=1 << 62),
    "zstd window": lambda: chunk(b"", "zstd", bytes.fromhex("28b52ffd00f8") + bytes(64), size=8 << 20),
    "forged record": lambda: b"\x06" + struct.pack("<Q", 1 << 62) + b"x" * 100,
    "large record": lambda: b"\x0c" + struct.pack("<Q", 8 << 20) + bytes(8 << 20),
    "many channels": lambda: chunk(
        SCHEMA + b"".join(channel(n, f"quote.{n}-" + "X" * 100) for n in range(1, 10_000)) + message(1, 1)
    ),
    "many schemas": lambda: chunk(
        b"".join(encode(Schema(id=n, name="Q", encoding="j", data=ZEROS[: 64 << 10])) for n in range(1, 100))
    ),
    "forged field": lambda: b"\x06" + struct.pack("<Q", 60) + b"\xff" * 60,
    "forged map": lambda: b"\x0c" + struct.pack("<Q", 60) + b"\0\0\0\0" + b"\xff" * 56,
    "many metadata records": lambda: encode(Metadata(name="x", metadata={})) * 30_000,
}
ZSTD_UNSTATED = zstandard.ZstdCompressor(write_content_size=False).compress(ZEROS * 72)
ZSTD_FORGED = (
    b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", 1 << 20) + (struct.pack("<I", 128 << 13 | 2)[:3] + b"\0") * 5_000
)
"""A frame of one megabyte, followed by 5,000 blocks that repeat one byte 128 Ki times, none of them the last."""
MEASURE = """
import resource, sys
from quotebus.bus.capture import Capture
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    before = peak()
    capture = Capture(path)
    count = sum(1 for _ in capture)
    print(peak() - before, capture.damage is not None)
"""


def test_a_hostile_file_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    paths = []
    for name, make in HOSTILE.items():
        paths.append(tmp_path / f"{name}.mcap")
        paths[-1].write_bytes(START + make())
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, paths)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    grown = [line.split() for line in done.stdout.splitlines()]
    assert len(grown) == len(paths)
    for path, (kib, damaged) in zip(paths, grown, strict=True):
        assert damaged == "True", path.name
        assert int(kib) <= 64 * 1024, path.name
    assert sum(int(kib) for kib, _ in grown) <= 64 * 1024

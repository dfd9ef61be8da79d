"""Names of files and reasons of disks; the threads are tested with the recorder."""

from __future__ import annotations

import errno
import logging
from pathlib import Path

import pytest

from quotebus.bus import codec
from quotebus.bus.capture import CaptureWriter
from quotebus.bus.capture.format.chunks import ChunkBuilder
from quotebus.bus.capture.format.file_names import find_free_name
from quotebus.bus.capture.record.disk import Disk, find_cause
from quotebus.bus.capture.record.frame_packer import FramePacker
from tests.support.captures import HEAD
from tests.support.samples import QUOTE, like


def test_a_name_that_neither_a_file_nor_an_unfinished_one_has(tmp_path: Path) -> None:
    base = tmp_path / "a.mcap"
    assert find_free_name(base) == base
    base.touch()
    assert find_free_name(base).name == "a.001.mcap"
    (tmp_path / "a.001.mcap.part").touch()
    assert find_free_name(base).name == "a.002.mcap"
    (tmp_path / ".mcap").touch()
    assert find_free_name(tmp_path / ".mcap").name == ".001.mcap"


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EROFS, "read_only"),
        (errno.EACCES, "read_only"),
        (errno.ETIMEDOUT, "slow_disk"),
        (errno.EIO, "disk_error"),
        (None, "disk_error"),
    ],
)
def test_every_refusal_has_a_cause(code: int | None, cause: str) -> None:
    assert find_cause(OSError(code, "x") if code else OSError("x")) == cause


def test_a_chunk_handed_over_after_the_failure_is_counted_as_lost(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "a.mcap", lambda path, *_: CaptureWriter(path, HEAD), queue_bytes=1 << 20, sync_s=1)
    disk.give_up("no answer")
    builder = ChunkBuilder()
    builder.add(b"quote.SPY", b"x", 1, 1)
    packed = builder.take()
    assert packed is not None
    disk.put(packed, 0)
    assert (disk.messages, disk.lost) == (0, 1)


def test_the_recorders_own_notes_are_no_losses(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "a.mcap", lambda path, *_: CaptureWriter(path, HEAD), queue_bytes=1 << 20, sync_s=1)
    disk.give_up("no answer")
    packer = FramePacker(HEAD.source)
    heard = [codec.encode(like(QUOTE, seq=number)) for number in range(1, 8)]
    packer.receive(heard[:2], 1, room=True)
    packer.receive(heard[2:4], 1, room=False)
    packed = packer.flush(2)
    assert packed is not None
    assert packed.messages == 3, "two quotes, and a note of two that were dropped"
    disk.put(packed, packer.lost)
    packer.receive(heard[6:], 3, room=True)
    assert (packer.builder.messages, packer.builder.heard) == (2, 1), "a quote after a note of two that never came"
    assert packer.lost + disk.lost + packer.builder.heard == len(heard)


def test_segments_and_chunks_are_logged_at_debug(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    builder = ChunkBuilder()
    builder.add(b"quote.SPY", b"x", 1, 1)
    packed = builder.take()
    assert packed is not None
    disk = Disk(tmp_path / "a.mcap", lambda path, *_: CaptureWriter(path, HEAD), queue_bytes=1 << 20, sync_s=1)
    with caplog.at_level(logging.DEBUG, "quotebus.bus.capture.record.disk"):
        disk.start()
        disk.put(packed, 0)
        assert disk.end(20)
    said = [record.getMessage().split(":")[0] for record in caplog.records]
    assert said == ["segment 0 begins", "chunk written", "segment 0 ends (stopped)"]

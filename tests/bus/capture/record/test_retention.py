"""Captures go by age and by size, oldest first; nobody else's do, and none that is not complete."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from quotebus.bus.capture import CaptureWriter
from quotebus.bus.capture.record.retention import KeepRule, KeptFile, list_files, remove_expired
from quotebus.bus.clock import NS_PER_S
from tests.support.captures import HEAD, write_events
from tests.support.samples import QUOTE, UTC_NS

HOUR_NS = 3_600 * NS_PER_S
FILES = [KeptFile(Path(f"{number}.mcap"), 1 << 20, UTC_NS - number * HOUR_NS) for number in range(5)]


@pytest.mark.parametrize(
    ("rule", "gone"),
    [
        (KeepRule(), ""),
        (KeepRule(keep_s=2.5 * 3_600), "43"),
        (KeepRule(keep_mb=2), "432"),
        (KeepRule(keep_mb=5), ""),
        (KeepRule(keep_s=3.5 * 3_600, keep_mb=2), "432"),
        (KeepRule(keep_s=1), "4321"),
    ],
)
def test_the_oldest_go_first(rule: KeepRule, gone: str) -> None:
    assert "".join(file.path.stem for file, _ in rule.choose_expired(FILES, UTC_NS)) == gone
    assert rule.is_on == (rule != KeepRule())


def test_a_file_of_the_future_does_not_go_by_age() -> None:
    ahead = [KeptFile(Path("a.mcap"), 1, UTC_NS + HOUR_NS)]
    assert KeepRule(keep_s=1).choose_expired(ahead, UTC_NS) == []


def test_only_complete_files_of_this_recorder_are_touched(tmp_path: Path) -> None:
    old_s = UTC_NS // NS_PER_S - 1_000
    ours = write_events(tmp_path / "ours.mcap", [QUOTE])
    others = write_events(tmp_path / "others.mcap", [QUOTE], head=replace(HEAD, recorder="other"))
    (tmp_path / "foreign.mcap").write_bytes(b"\x89MCAP0\r\nnot ours")
    (tmp_path / "notes.txt").write_text("keep")
    writer = CaptureWriter(tmp_path / "now.mcap", HEAD)
    for path in tmp_path.iterdir():
        os.utime(path, (old_s, old_s))
    assert [file.path for file in list_files(tmp_path, HEAD.recorder)] == [ours]
    lines = list(remove_expired(tmp_path, HEAD.recorder, KeepRule(keep_s=60), UTC_NS))
    assert lines == ["removed ours.mcap, written 0.3 hours ago (RECORD_KEEP_S)"]
    assert not ours.exists()
    assert others.exists()
    assert {path.name for path in tmp_path.iterdir()} >= {"foreign.mcap", "notes.txt", "now.mcap.part"}
    writer.abandon()
    assert list(remove_expired(tmp_path, HEAD.recorder, KeepRule(keep_s=60), UTC_NS)) == []

"""The file of known halts: whole or not there, and never the end of a node."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from quotebus.bus.events import Cause, HaltKind
from quotebus.pricing.halt_file import HaltFile
from quotebus.pricing.halts import KnownHalt
from tests.support.samples import UTC_NS

HALTS = [
    KnownHalt("SPY", UTC_NS, Cause.PAUSE, HaltKind.STATUS),
    KnownHalt("QQQ", UTC_NS - 7, Cause.HALT, HaltKind.HEARSAY),
]


def written(path: Path, halts: list[KnownHalt]) -> HaltFile:
    file = HaltFile(path)
    file.write(halts)
    file.close(10)
    return file


def test_what_is_written_is_read_in_another_life(tmp_path: Path) -> None:
    path = tmp_path / "x.halts"
    assert HaltFile(path).read() == []
    assert written(path, HALTS).failures == 0
    assert HaltFile(path).read() == HALTS
    written(path, [])
    assert HaltFile(path).read() == []
    assert [each.name for each in tmp_path.iterdir()] == ["x.halts"], "nothing is left beside it"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b'{"version":1}', b'{"version":1,"halts":[["SPY"]]}', b"[]", b"[" * 5_000]
)
def test_a_damaged_file_is_told_and_is_none(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "x.halts"
    path.write_bytes(content)
    file = HaltFile(path)
    with caplog.at_level(logging.WARNING):
        assert file.read() == []
    assert (file.failures, "is damaged" in caplog.text) == (1, True)
    written(path, HALTS)
    assert HaltFile(path).read() == HALTS, "the next write mends it"


def test_a_disk_that_takes_nothing_is_told_and_the_old_file_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.halts"
    written(path, HALTS)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with caplog.at_level(logging.WARNING):
        assert written(path, HALTS[:1]).failures == 1
    assert "No space left on device" in caplog.text
    assert HaltFile(path).read() == HALTS
    assert [each.name for each in tmp_path.iterdir()] == ["x.halts"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert written(tmp_path / "no" / "x.halts", HALTS).failures == 1


def test_of_many_writes_the_last_one_counts(tmp_path: Path) -> None:
    file = HaltFile(tmp_path / "x.halts")
    for number in range(200):
        file.write([KnownHalt("SPY", number, Cause.HALT, HaltKind.STATUS)])
    file.close(10)
    assert [halt.exchange_ns for halt in file.read()] == [199]

"""Journals on a real disk of 64 KiB that fills up, and on one that may only be read any more."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from quotebus.bus.errors import ConfigError
from quotebus.execution_adapter.orders.journal import ENDED
from tests.execution_adapter.test_unreadable_journals import Starts

PAGE = 4_096


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid():
        pytest.skip("only root may mount a disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, pages_left: int) -> Path:
    """Take what is left of the disk but for so many pages."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file:
        with suppress(OSError):
            while True:
                file.write(bytes(PAGE))
        assert os.statvfs(disk).f_bavail == 0
        file.truncate(max(0, file.tell() // PAGE - pages_left) * PAGE)
    return path


@pytest.mark.parametrize("pages_left", range(4))
def test_full_from_the_start(disk: Path, pages_left: int) -> None:
    starts = Starts(disk / "journal")
    starts.folder.mkdir()
    filler = fill(disk, pages_left)
    status = starts.run(sent=True)
    assert status in (0, 3, 4), starts.lines
    assert (starts.desk.filled(starts.name) == 7) == (status == 0)
    assert not starts.desk.open()
    filler.unlink()
    starts.run()
    assert starts.run(sent=True) == 0, starts.lines
    assert starts.desk.filled(starts.name) == 7, "there is room again, and it is gone on with"


@pytest.mark.parametrize("pages_left", range(3))
def test_full_while_an_order_is_open(disk: Path, pages_left: int) -> None:
    starts = Starts(disk / "journal")
    starts.order_one()
    filler = fill(disk, pages_left)
    status = starts.run()
    filled = starts.desk.filled(starts.name)
    assert (filled == 7) == (status == 0), starts.lines
    assert not starts.desk.open(), "it was cancelled, or filled"
    assert filled <= 7
    filler.unlink()
    assert starts.run() in (0, 3), starts.lines
    assert filled <= starts.desk.filled(starts.name) <= 7


def test_it_may_only_be_read_any_more(disk: Path) -> None:
    starts = Starts(disk / "journal")
    starts.order_one()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert starts.run() in (0, 3), starts.lines
    assert starts.ordered == 1, "nothing is ordered without a record"
    assert not starts.desk.open()
    assert any("Read-only file system" in line for line in starts.lines), "why is said"
    assert starts.run() in (0, 3), "and again"
    other = Starts(disk / "new")
    with pytest.raises(ConfigError, match=r"EXECUTION_JOURNAL_DIR: cannot open .*: Read-only file system"):
        other.run(typed="SPY buy 5 in 2s")
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert starts.run() in (0, 3)
    assert starts.run() == 0, "it is settled, and out of the way"
    assert [path.stem for path in (starts.folder / ENDED).glob("*.jsonl")] == [starts.name]

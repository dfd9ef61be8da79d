"""One holder at a time, gone with its process; never through a link, never for others to read."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quotebus.bus.process.locked_file import LockedFile


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    one, other = LockedFile(tmp_path / "a"), LockedFile(tmp_path / "a")
    assert one.acquire()
    assert one.acquire(), "asking again is harmless"
    assert not other.acquire()
    one.close()
    assert other.acquire()
    other.close()
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_what_is_written_is_kept_and_appended(tmp_path: Path) -> None:
    for word in (b"one ", b"two"):
        held = LockedFile(tmp_path / "a")
        os.write(held.file, word)
        held.close()
    assert (tmp_path / "a").read_bytes() == b"one two"


def test_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="link"):
        LockedFile(tmp_path / "link")
    assert not (tmp_path / "target").exists()


def test_child_process_does_not_inherit_it(tmp_path: Path) -> None:
    held = LockedFile(tmp_path / "a")
    code = f"import os; os.fstat({held.file})"
    assert subprocess.run([sys.executable, "-c", code], close_fds=False, check=False, capture_output=True).returncode
    held.close()

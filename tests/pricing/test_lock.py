"""One node per account and feed: the kernel's lock, on a file whose name gives no key away."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quotebus.bus.errors import ConfigError
from quotebus.pricing.lock import AccountLock

KEY = "canary-key"


def test_second_holder_waits_until_the_first_lets_go(tmp_path: Path) -> None:
    first, second = AccountLock(tmp_path, "iex", KEY), AccountLock(tmp_path, "iex", KEY)
    assert first.acquire()
    assert not second.acquire()
    assert first.acquire(), "asking again is harmless"
    first.close()
    assert second.acquire()
    second.close()


def test_the_next_holder_learns_whose_process_has_ended(tmp_path: Path) -> None:
    first = AccountLock(tmp_path, "iex", KEY, "pricing-aaaaaaaa")
    assert first.acquire()
    assert first.former == ""
    second = AccountLock(tmp_path, "iex", KEY, "pricing-bbbbbb")
    assert not second.acquire()
    assert second.former == ""
    first.close()
    assert second.acquire()
    assert second.acquire()
    assert second.former == "pricing-aaaaaaaa"
    assert second.path.read_text() == "pricing-bbbbbb"
    second.close()


def test_what_nobody_wrote_is_no_node(tmp_path: Path) -> None:
    first = AccountLock(tmp_path, "iex", KEY, "pricing-aaaaaa")
    first.path.write_bytes(b"\xff" * 5_000)
    assert first.acquire()
    assert len(first.former) == 128
    assert first.path.read_text() == "pricing-aaaaaa"
    first.close()


def test_another_feed_or_key_is_another_lock(tmp_path: Path) -> None:
    locks = [AccountLock(tmp_path, feed, key) for feed, key in (("iex", KEY), ("sip", KEY), ("iex", "other"))]
    assert all(lock.acquire() for lock in locks)
    assert len(list(tmp_path.iterdir())) == 3
    for lock in locks:
        lock.close()


def test_feed_and_key_cannot_be_confused(tmp_path: Path) -> None:
    one, two = AccountLock(tmp_path, "iex", "a\0b"), AccountLock(tmp_path, "iex", "ab")
    assert one.path != two.path
    one.close()
    two.close()


def test_file_gives_nothing_away_and_is_nobody_elses(tmp_path: Path) -> None:
    lock = AccountLock(tmp_path, "iex", KEY)
    lock.acquire()
    assert KEY not in lock.path.name
    assert lock.path.read_bytes() == b""
    assert lock.path.stat().st_mode & 0o077 == 0
    lock.close()
    assert lock.path.exists(), "removing it would let two nodes hold two files of one name"


def test_death_of_the_holder_frees_it(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from quotebus.pricing.lock import AccountLock;"
        f"l = AccountLock(pathlib.Path(sys.argv[1]), 'iex', {KEY!r}); print(l.acquire(), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "True\n"
        lock = AccountLock(tmp_path, "iex", KEY)
        assert not lock.acquire()
        holder.kill()
        holder.wait()
        assert lock.acquire()
        lock.close()


def test_a_link_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    first = AccountLock(tmp_path, "iex", KEY)
    first.close()
    first.path.unlink()
    target = tmp_path / "precious"
    os.symlink(target, first.path)
    with pytest.raises(ConfigError, match="PRICING_LOCK_DIR"):
        AccountLock(tmp_path, "iex", KEY)
    assert not target.exists()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="PRICING_LOCK_DIR") as caught:
        AccountLock(tmp_path / "missing", "iex", KEY)
    assert KEY not in str(caught.value)

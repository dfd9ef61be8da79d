"""The bucket that the nodes of a host share: by file, by two real nodes, and what a file that cannot be used does."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import ConnectionHealth, Counters
from quotebus.pricing.feeds import find_dial_limit
from quotebus.pricing.host_dials import HostDials
from tests.support.world import World

UTC_NS = 1_770_000_000 * NS_PER_S


def take_until_empty(dials: HostDials, most: int = 100) -> int:
    return next(number for number in range(most) if dials.take(UTC_NS))


def test_two_share_one_bucket_and_the_file_is_this_users_own(tmp_path: Path) -> None:
    one, other = (HostDials(tmp_path, "ws.kraken.com", 20) for _ in range(2))
    elsewhere = HostDials(tmp_path, "example.com", 20)
    assert one.path == other.path != elsewhere.path
    assert not list(tmp_path.iterdir())
    for _ in range(5):
        assert one.take(UTC_NS) == other.take(UTC_NS) == 0
    assert one.take(UTC_NS) == other.take(UTC_NS) == 60 * NS_PER_S
    assert elsewhere.take(UTC_NS) == 0
    assert one.take(UTC_NS + 60 * NS_PER_S) == 0
    assert other.take(UTC_NS + 60 * NS_PER_S) == 60 * NS_PER_S
    assert stat.S_IMODE(one.path.stat().st_mode) == 0o600
    assert one.path.stat().st_size == 20


def test_a_venue_without_a_limit_has_no_file(tmp_path: Path) -> None:
    dials = HostDials(tmp_path, "example.com", find_dial_limit("wss://example.com/v2/iex"))
    assert not any(dials.take(UTC_NS) for _ in range(1_000))
    assert not list(tmp_path.iterdir())
    assert find_dial_limit("wss://ws.kraken.com/v2") == 100


@pytest.mark.parametrize("damage", [b"x" * 20, b"12", b"-1770000000000000000\n", b"1" * 500, bytes(20)])
def test_a_damaged_file_is_told_and_begins_anew(
    damage: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dials = HostDials(tmp_path, "h", 10)
    dials.take(UTC_NS)
    dials.path.write_bytes(damage)
    assert dials.take(UTC_NS) == 0
    assert "was damaged and begins anew" in caplog.text
    assert dials.unshared == 1
    assert take_until_empty(dials) == 5


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_takes_nothing_is_told_once_and_stops_nobody(
    error: int, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(error, os.strerror(error))

    dials = HostDials(tmp_path, "h", 10)
    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", fail)
        assert [dials.take(UTC_NS) for _ in range(20)] == [0] * 20
    assert len([record for record in caplog.records if os.strerror(error) in record.message]) == 1
    assert dials.unshared == 20
    assert take_until_empty(dials) == 5


def test_a_write_in_part_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    dials, write = HostDials(tmp_path, "h", 10), os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: write(file, data[:7], at))
    assert dials.take(UTC_NS) == 0
    assert dials.unshared == 1


def test_a_file_of_others_or_a_link_is_not_used(tmp_path: Path) -> None:
    dials = HostDials(tmp_path, "h", 10)
    dials.path.touch()
    dials.path.chmod(0o644)
    assert [dials.take(UTC_NS) for _ in range(9)] == [0] * 9
    dials.path.unlink()
    (tmp_path / "target").touch(0o600)
    dials.path.symlink_to(tmp_path / "target")
    assert [dials.take(UTC_NS) for _ in range(9)] == [0] * 9
    dials.path.unlink()
    os.mkfifo(dials.path, 0o600)
    assert [dials.take(UTC_NS) for _ in range(9)] == [0] * 9
    assert dials.unshared == 27
    assert not (tmp_path / "target").read_bytes()


def test_a_file_that_somebody_holds_is_not_waited_for(tmp_path: Path) -> None:
    dials = HostDials(tmp_path, "h", 10)
    dials.take(UTC_NS)
    with dials.path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert dials.take(UTC_NS) == 0
    assert dials.unshared == 1


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[list[World]]:
    """Two buses and two accounts on one host, one venue."""
    worlds = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        world = World(tmp_path / name)
        world.environment |= {"PRICING_LOCK_DIR": str(tmp_path), "PRICING_API_KEY": name, "PRICING_DIAL_LIMIT": "12"}
        worlds.append(world)
    worlds[0].exchange("--max-connections", "9")
    worlds[0].control.faults(http_status=503)
    worlds[1].environment["PRICING_UPSTREAM_URL"] = worlds[0].environment["PRICING_UPSTREAM_URL"]
    yield worlds
    for world in reversed(worlds):
        world.close()


def test_two_nodes_of_a_host_dial_no_more_than_the_venue_allows(worlds: list[World]) -> None:
    logs = []
    for world in worlds:
        world.broker()
        world.node()
        logs.append(world.log(b"health.", b"counters."))
    for world in worlds:
        world.client().request(["SPY"])
    for log in logs:
        log.wait(ConnectionHealth, lambda health: health.cause == "dial_limit", within_s=30)
    assert worlds[0].control.state()["tcp_accepted_total"] == 6
    dials = [log.wait(Counters, lambda told: told.program == "pricing-node", since=log.position())[0] for log in logs]
    assert sum(counters.counters["dials"] for counters in dials) == 6
    waiting, _ = logs[0].wait(ConnectionHealth, lambda health: health.cause == "dial_limit", since=logs[0].position())
    assert waiting.next_retry_ns is not None

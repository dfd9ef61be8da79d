"""READY is said once, when a program serves, and never before."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from quotebus.bus.process import readiness
from tests.support.bus import NOBODY, environment_of
from tests.support.world import World


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        yield manager


@pytest.mark.parametrize("address", ["", "relative", "/nowhere/notify", "@quotebus-nobody-listens", "vsock:2:3"])
def test_without_a_manager_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(readiness.VARIABLE, address)
    assert not readiness.notify(b"READY=1")


def test_abstract_names_are_taken_as_systemd_writes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0quotebus-test-notify")
        monkeypatch.setenv(readiness.VARIABLE, "@quotebus-test-notify")
        assert readiness.notify(b"READY=1")
        assert manager.recv(100) == b"READY=1"


def test_programs_are_ready_once_they_serve(world: World, manager: socket.socket, tmp_path: Path) -> None:
    tell = {readiness.VARIABLE: str(tmp_path / "notify")}
    alone = world.start("pricing-node", **tell, PRICING_NODE="alone", **environment_of(NOBODY),
                        PRICING_UPSTREAM_URL="ws://127.0.0.1:1")  # fmt: skip
    alone.line("idle until a symbol is requested")
    alone.stop()
    manager.settimeout(0)
    with pytest.raises(BlockingIOError):
        manager.recv(100)  # no broker: nothing can be asked of it
    manager.settimeout(20)
    world.environment |= tell
    world.broker()
    assert manager.recv(100) == b"READY=1"
    world.node(PRICING_UPSTREAM_URL="ws://127.0.0.1:1")
    assert manager.recv(100) == b"READY=1"
    world.start("quotebus", "record", "-o", str(tmp_path / "day.mcap"))
    assert manager.recv(100) == b"READY=1"

"""SIGHUP and a real node: a service connects at once, a node whose terminal is closed ends."""

from __future__ import annotations

import os
import pty
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quotebus.bus.clock import NS_PER_S, now_ns
from tests.support.bus import NOBODY, environment_of
from tests.support.programs import eventually
from tests.support.world import World

NOWHERE = {
    **environment_of(NOBODY),
    "PRICING_UPSTREAM_URL": "ws://127.0.0.1:1/v2/iex",
}
PROGRAM = str(Path(sys.executable).parent / "pricing-node")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def test_a_service_connects_at_once(world: World) -> None:
    world.broker()
    world.exchange()
    world.control.faults(http_status=401)  # tried once a minute
    node = world.node()
    log = world.log(b"health.")
    client = world.client()
    client.request(["SPY"])
    log.health("refused")
    world.control.lift_faults()
    began_ns = now_ns()
    node.process.send_signal(signal.SIGHUP)
    eventually(lambda: client.usable("SPY"))
    assert now_ns() - began_ns < 5 * NS_PER_S
    node.line("SIGHUP: trying to connect at once")
    node.process.send_signal(signal.SIGHUP)
    node.line("SIGHUP: line streaming, no attempt at once is due")


class InTerminal:
    """A node in a terminal of its own, as a shell's foreground program."""

    def __init__(self, folder: Path) -> None:
        self.pid, self._terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execve(PROGRAM, [PROGRAM], {**os.environ, **NOWHERE, "PRICING_LOCK_DIR": str(folder)})
        self.status: int | None = None
        self.said = b""

    def says(self, text: bytes) -> bool:
        while text not in self.said:
            self.said += os.read(self._terminal, 4096)
        return True

    def close_terminal(self) -> None:
        os.close(self._terminal)

    def has_ended(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.status = os.waitstatus_to_exitcode(status) if pid else None
        return self.status is not None

    def end(self) -> None:
        if not self.has_ended():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[InTerminal]:
    node = InTerminal(tmp_path)
    yield node
    node.end()


def test_a_node_whose_terminal_is_closed_ends(node: InTerminal) -> None:
    assert node.says(b"idle until a symbol is requested")
    node.close_terminal()
    eventually(node.has_ended)
    assert node.status == 0


def test_a_node_in_a_terminal_goes_on_after_a_signal_that_somebody_sent(node: InTerminal) -> None:
    assert node.says(b"idle until a symbol is requested")
    os.kill(node.pid, signal.SIGHUP)
    assert node.says(b"no attempt at once is due")
    assert not node.has_ended()
    node.close_terminal()
    eventually(node.has_ended)
    assert node.status == 0


def test_a_node_that_is_told_before_its_terminal_is_gone_ends(node: InTerminal) -> None:
    """As by a shell that ends: the signal comes first, and the kernel's own may find the node ignoring nothing."""
    assert node.says(b"idle until a symbol is requested")
    for _ in range(3):
        os.kill(node.pid, signal.SIGHUP)
    node.close_terminal()
    eventually(node.has_ended)
    assert node.status == 0

"""One broker a folder: a second is refused by name, a dead one's place is taken, a lost place is noticed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from quotebus import BusClient
from quotebus.bus.clock import now_ns
from quotebus.bus.errors import ConfigError
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.zeromq import ipc_folder
from quotebus.bus.transport.zeromq.broker import Broker
from quotebus.bus.transport.zeromq.broker_lock import BrokerLock
from tests.support.bus import fake_node, running_broker
from tests.support.programs import Program, eventually, run
from tests.support.stopwatch import Stopwatch

OTHER_UID = 54_321
ATTACK = """
import os, sys, zmq
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
context = zmq.Context()
for path, kind in zip(sys.argv[2:], (zmq.PUB, zmq.SUB, zmq.PUB)):
    try:
        found = os.listdir(os.path.dirname(path))
    except PermissionError:
        found = "refused"
    socket = context.socket(kind)
    monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    socket.connect(f"ipc://{path}")
    print(found, "in" if monitor.poll(700) else "out", flush=True)
    socket.disable_monitor(); monitor.close(0); socket.close(0)
context.term()
"""


@pytest.fixture
def environment(short_folder: Path) -> dict[str, str]:
    return {"BUS_URL": "ipc://desk", "BUS_RUNTIME_DIR": str(short_folder)}


@pytest.fixture
def settings(short_folder: Path) -> BusSettings:
    return BusSettings(bus_url="ipc://desk", bus_runtime_dir=str(short_folder))


@pytest.fixture
def first(environment: dict[str, str]) -> Iterator[Program]:
    program = Program("quotebus", "broker", environment=environment)
    program.line("quotebus broker: publish ipc://")
    yield program
    program.stop()


def test_a_second_broker_is_told_who_is_there_and_disturbs_nobody(
    first: Program, environment: dict[str, str], settings: BusSettings
) -> None:
    with fake_node(settings), BusClient(settings, name="stays") as client:
        assert client.request(["SPY"], wait_s=20)["SPY"].symbol == "SPY"
        status, printed = run("quotebus", "broker", environment=environment)
        assert (status, printed.count("\n")) == (78, 1)
        assert f"a broker is already running: process {first.pid} holds" in printed
        assert client.is_connected
        assert client.counters["reconnects"] == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_place_that_was_left_is_taken_over(
    first: Program, environment: dict[str, str], settings: BusSettings, number: signal.Signals
) -> None:
    first.process.send_signal(number)
    first.process.wait(20)
    assert (Path(environment["BUS_RUNTIME_DIR"]) / "desk/publish").exists() is (number is signal.SIGKILL)
    second = Program("quotebus", "broker", environment=environment)
    try:
        second.line("quotebus broker: publish ipc://")
        with fake_node(settings), BusClient(settings) as client:
            eventually(lambda: client.is_connected)
    finally:
        second.stop()


def test_a_frozen_broker_is_still_there(first: Program, environment: dict[str, str]) -> None:
    first.freeze()
    assert run("quotebus", "broker", environment=environment)[0] == 78
    first.thaw()


def test_a_broker_in_the_second_place_is_seen_from_the_first(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its user logged in after it was started: only then there was a `/run/user/UID`."""
    monkeypatch.setattr(ipc_folder, "_RUN_USER", short_folder / "user")
    monkeypatch.setattr(ipc_folder, "_TEMPORARY", short_folder / "tmp")
    (short_folder / "tmp").mkdir()
    settings = BusSettings(bus_url="ipc://desk")
    with running_broker(settings):
        (short_folder / "user" / str(os.geteuid())).mkdir(parents=True)
        with pytest.raises(ConfigError, match=f"already running: process {os.getpid()} holds {short_folder}/tmp"):
            Broker(settings)
        with fake_node(settings), BusClient(settings) as client:
            eventually(lambda: client.is_connected, why="a client looks in both")


def test_both_places_are_named_when_nobody_answers(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    uid = str(os.geteuid())
    monkeypatch.setattr(ipc_folder, "_RUN_USER", short_folder / "user")
    monkeypatch.setattr(ipc_folder, "_TEMPORARY", short_folder / "tmp")
    (short_folder / "user" / uid).mkdir(parents=True)
    (short_folder / "tmp").mkdir()
    with BusClient(BusSettings(bus_url="ipc://desk"), name="alone") as client:
        client.request(["SPY"])
        hint = (
            f"({short_folder}/user/{uid}/desk and {short_folder}/tmp/quotebus-{uid}/desk); start it with: quotebus up"
        )
        eventually(lambda: hint in caplog.text)


@pytest.mark.parametrize("what", ["folder", "socket"])
def test_a_broker_whose_place_is_gone_ends(
    first: Program, environment: dict[str, str], what: str, stopwatch: Stopwatch
) -> None:
    folder = Path(environment["BUS_RUNTIME_DIR"]) / "desk"
    began_ns = now_ns()
    if what == "folder":
        shutil.rmtree(folder)
    else:
        (folder / "subscribe").unlink()
    assert first.process.wait(20) == 70
    assert stopwatch.seconds(began_ns) < 3
    assert "removed or replaced" in first.lines[-1]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user for a moment")
def test_another_user_of_the_machine_gets_in_nowhere(first: Program, environment: dict[str, str]) -> None:
    folder = Path(environment["BUS_RUNTIME_DIR"]) / "desk"
    paths = [str(folder / name) for name in ("publish", "subscribe", "request")]
    attack = [sys.executable, "-c", ATTACK, str(OTHER_UID), *paths]
    os.chmod(environment["BUS_RUNTIME_DIR"], 0o755)
    tried = subprocess.run(attack, capture_output=True, text=True, check=True, timeout=60).stdout
    assert tried.splitlines() == ["refused out"] * 3
    folder.chmod(0o777)  # by mistake, while it runs: the sockets themselves look who comes
    for path in paths:
        os.chmod(path, 0o777)
    tried = subprocess.run(attack, capture_output=True, text=True, check=True, timeout=60).stdout
    assert [line.rpartition(" ")[2] for line in tried.splitlines()] == ["out"] * 3


def test_who_is_refused_holds_nothing(short_folder: Path) -> None:
    one, other = short_folder / "one", short_folder / "other"
    one.mkdir()
    other.mkdir()
    held = BrokerLock([other])
    with pytest.raises(ConfigError, match=f"process {os.getpid()} holds"):
        BrokerLock([one, other])
    BrokerLock([one]).release()
    held.release()
    BrokerLock([one, other]).release()

"""`quotebus up`: the whole job on free ports, told in order, ended in order."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from quotebus.bus.cli.up import UpSettings, describe_orders
from quotebus.bus.clock import now_ns
from quotebus.bus.events import ConnectionHealth
from tests.support.eventlog import EventLog
from tests.support.nats_server import TEXT, NatsServer, needs_server
from tests.support.programs import Program, eventually, run
from tests.support.stopwatch import Stopwatch
from tests.support.world import LOOPBACK

BIN = Path(sys.executable).parent


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        **LOOPBACK,
        "SIMULATOR_PORT": "0",
        "SIMULATOR_CONTROL_PORT": "0",
        "PRICING_LOCK_DIR": str(tmp_path),
        "EXECUTION_INTERVAL_S": "0.2",
    }


@pytest.fixture
def up(environment: dict[str, str]) -> Iterator[Program]:
    program = Program("quotebus", "up", environment=environment)
    children: list[psutil.Process] = []
    try:
        program.line(" limit ")
        yield program
    finally:
        if program.process.poll() is None:
            children = psutil.Process(program.pid).children(recursive=True)
        program.stop()
        assert not [child for child in children if child.is_running()]


def test_tells_the_story_in_order_and_ends_by_itself(environment: dict[str, str]) -> None:
    status, printed = run("quotebus", "up", "--for", "6", environment=environment, within_s=30)
    assert status == 0, printed
    position = 0
    for word in ("idle", "connecting", "authenticating", "subscribing", "streaming", " limit "):
        assert word in printed[position:], f"no {word!r} in its place:\n{printed}"
        position = printed.index(word, position)
    first, *others = printed.splitlines()
    assert first == "quotebus up: decisions only: nothing is ordered"
    assert {line.partition("|")[0].strip() for line in others} == {
        "broker",
        "exchange",
        "pricing",
        "worker",
    }


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_within_two_seconds(up: Program, stopwatch: Stopwatch, number: signal.Signals) -> None:
    children = psutil.Process(up.pid).children(recursive=True)
    assert len(children) == 4
    began_ns = now_ns()
    for _ in range(20):
        up.process.send_signal(number)
    assert up.wait(60) == 0
    assert stopwatch.seconds(began_ns) < 2
    eventually(lambda: not [child for child in children if child.is_running()])
    assert stopwatch.seconds(began_ns) < 3


@needs_server
def test_over_a_nats_server_that_runs_no_broker_is_started(environment: dict[str, str], tmp_path: Path) -> None:
    server = NatsServer(tmp_path, text=TEXT)
    try:
        status, printed = run("quotebus", "up", "--for", "6", "--bus", server.url, environment=environment)
    finally:
        server.stop()
    assert status == 0, printed
    names = {line.partition("|")[0].strip() for line in printed.splitlines() if "|" in line}
    assert names == {"exchange", "pricing", "worker"}
    assert "would buy" in printed or "would sell" in printed


def test_consumers_hear_the_last_word_of_the_node(up: Program) -> None:
    words = up.line(" subscribe ").split()
    log = EventLog(words[words.index("subscribe") + 1], b"health.")
    log.health("streaming")
    up.process.send_signal(signal.SIGTERM)
    last, _ = log.health("stopped")
    assert last.cause == "shutdown"
    assert up.wait(60) == 0
    assert log.all(ConnectionHealth)[-1] == last, "nothing after it"
    log.close()


def test_killed_it_leaves_nothing_behind(up: Program) -> None:
    children = psutil.Process(up.pid).children(recursive=True)
    up.kill()
    eventually(
        lambda: not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE],
        within_s=5,
        why="all have ended",
    )


@pytest.mark.long
def test_output_that_nobody_reads_any_more_stops_nothing(environment: dict[str, str]) -> None:
    command = [str(BIN / "quotebus"), "up", "--for", "5"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env={**os.environ, **environment}, stdout=pipe, stderr=pipe) as up:
        assert up.stdout is not None
        assert up.stderr is not None
        assert up.stdout.readline().startswith(b"quotebus up: decisions only")
        assert up.stdout.readline().startswith(b"broker")
        up.stdout.close()
        assert (up.wait(30), up.stderr.read()) == (0, b"")


def child(up: Program, name: str) -> psutil.Process:
    """The running child with this in its command line."""
    found: list[psutil.Process] = []

    def running() -> bool:
        found[:] = [each for each in psutil.Process(up.pid).children(recursive=True) if is_program(each, name)]
        return bool(found)

    eventually(running, why=f"{name} runs")
    return found[0]


def is_program(process: psutil.Process, name: str) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and any(word.endswith(name) for word in process.cmdline())
    except psutil.NoSuchProcess:
        return False


def since(up: Program, position: int, *words: str) -> None:
    """Wait for a line with all these words after a position in what was printed."""
    eventually(lambda: any(all(word in line for word in words) for line in up.lines[position:]), why=" ".join(words))


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "command"), [("pricing", "pricing-node"), ("worker", "execution-worker"), ("broker", "broker")]
)
def test_a_killed_program_is_started_again_and_prices_come_back(up: Program, name: str, command: str) -> None:
    killed, started = kill_and_see_another(up, name, command)
    assert not killed.is_running()
    position = len(up.lines)
    since(up, position, "worker", " limit ")
    assert started.is_running()
    assert up.process.poll() is None


def test_a_killed_exchange_is_started_again_where_the_others_look_for_it(up: Program) -> None:
    """How soon the node dials again is the node's affair."""
    position = len(up.lines)
    killed, started = kill_and_see_another(up, "exchange", "exchange-simulator")
    assert started.pid != killed.pid
    for word in (" control ", " orders "):
        first = up.line(word)
        since(up, position, first)
        assert up.lines.count(first) == 2, "the same addresses"


def kill_and_see_another(up: Program, name: str, command: str) -> tuple[psutil.Process, psutil.Process]:
    """The one that was killed, and the one that was started in its place; all others go on."""
    before = {each.pid for each in psutil.Process(up.pid).children(recursive=True)}
    killed = child(up, command)
    position = len(up.lines)
    killed.kill()
    since(up, position, f"quotebus up: {name} was killed by SIGKILL; it is started again in 0.1 s, restart 1 of 5")
    started = child(up, command)
    now = {each.pid for each in psutil.Process(up.pid).children(recursive=True)}
    assert now == before - {killed.pid} | {started.pid}
    return killed, started


def test_a_program_that_goes_on_dying_ends_up_as_a_shell_would_say(up: Program) -> None:
    children = psutil.Process(up.pid).children(recursive=True)
    for restart in range(1, 6):
        child(up, "execution-worker").kill()
        up.line(
            f"worker was killed by SIGKILL; it is started again in {0.1 * 2 ** (restart - 1):.1f} s, restart {restart}"
        )
    child(up, "execution-worker").kill()
    assert up.wait(60) == 128 + signal.SIGKILL
    up.line("quotebus up: worker was killed by SIGKILL; everything is stopped")
    eventually(lambda: not [each for each in children if each.is_running()])


def test_the_time_is_up_also_while_a_restart_waits(environment: dict[str, str]) -> None:
    program = Program("quotebus", "up", "--for", "6", environment=environment)
    try:
        program.line(" limit ")
        child(program, "pricing-node").kill()
        program.line("pricing was killed by SIGKILL")
        assert program.wait(60) == 0
    finally:
        program.stop()


def run_until(text: str, environment: dict[str, str], *arguments: str) -> list[str]:
    """Everything that `up` prints until a line has this text, and until its end."""
    up = Program("quotebus", "up", *arguments, environment=environment)
    try:
        up.line(text)
    finally:
        assert up.stop() == 0
    return up.lines


def test_settings_for_logging_reach_the_programs(environment: dict[str, str]) -> None:
    printed = run_until(" would ", {**environment, "PRICING_LINGR": "1"}, "--log-format", "json")
    lines = [json.loads(line) for line in printed]
    assert {line["program"] for line in lines} == {"quotebus up", "broker", "exchange", "pricing", "worker"}
    assert {line["level"] for line in lines if line["program"] == "pricing"} >= {"info"}
    assert any("would" in line["message"] for line in lines if line["program"] == "worker"), "also what is no log line"
    told = [line for line in printed if "PRICING_LINGR is no setting; did you mean PRICING_LINGER_S?" in line]
    assert len(told) == 1, "told once for all"
    printed = run_until(" limit ", {**environment, "LOG_LEVEL": "warning"})
    assert not [line for line in printed if " INFO " in line]


def test_a_child_that_refuses_its_settings_ends_up_with_its_status(environment: dict[str, str]) -> None:
    status, printed = run("quotebus", "up", environment={**environment, "EXECUTION_SYMBOLS": "**"}, within_s=30)
    assert status == 78
    assert "EXECUTION_SYMBOLS" in printed


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({}, "decisions only: nothing is ordered"),
        ({"execution_gateway": "simulator"}, "orders go to EXECUTION_GATEWAY=simulator"),
        ({"execution_gateway": "paper"}, "orders go to EXECUTION_GATEWAY=paper"),
        ({"execution_gateway": "live", "pricing_api_key": "k"}, "decisions only: nothing is ordered"),
        ({"execution_gateway": "live", "pricing_upstream_url": "ws://x"}, "decisions only: nothing is ordered"),
    ],
)
def test_the_first_line_says_where_orders_go(flags: dict[str, str], says: str) -> None:
    assert describe_orders(UpSettings(**flags)) == says  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "changes", "named"),
    [
        ((), {"BUS_PUBLISH_URL": "tcp://192.0.2.1:5570"}, "BUS_PUBLISH_URL"),
        (("--for", "0"), {}, "for"),
        (("--no-such-flag",), {}, "no-such-flag"),
    ],
)
def test_a_bad_setting_exits_78_with_one_line(
    environment: dict[str, str], arguments: tuple[str, ...], changes: dict[str, str], named: str
) -> None:
    status, printed = run("quotebus", "up", *arguments, environment={**environment, **changes})
    assert status == 78
    assert printed.count("\n") == 1
    assert named.lower() in printed.lower()


def test_a_page_whose_port_is_taken_leaves_the_rest_alone(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        up = Program("quotebus", "up", environment={**environment, "UP_SERVE": "auto", "SERVE_PORT": port})
        try:
            up.line(f"page     | quotebus serve: SERVE_PORT: cannot listen on 127.0.0.1:{port}")
            up.line("quotebus up: the page is not served, the rest runs on")
            up.line(" limit ")
        finally:
            assert up.stop() == 0

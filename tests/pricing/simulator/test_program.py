"""The program as a program: first line, exit statuses, idleness, audit file."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import websocket

from quotebus.bus.clock import now_ns
from tests.support.stopwatch import Stopwatch

Open = Callable[..., Any]
ROOT = Path(__file__).parents[3]


def run(*flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "quotebus.pricing.simulator", *flags],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


@pytest.mark.parametrize(
    ("flags", "about"),
    [
        (["--port", "0", "--host", "0.0.0.0"], "--host: refused: not a loopback address"),
        (["--port", "0", "--faults", "nope"], "no such fault"),
        (["--port", "0", "--control-port", "0", "--faults", "tls_wrong"], "needs --tls-wrong-cert"),
        (["--port", "0", "--control-port", "0", "--tls-cert", "/nowhere"], "TLS: cannot use /nowhere"),
        (["--port", "0", "--audit", "/nowhere/at/all"], "AUDIT"),
        (["--unheard-of", "1"], "flag"),
    ],
)
def test_bad_settings_are_one_line_and_78(flags: list[str], about: str) -> None:
    result = run(*flags)
    assert result.returncode == 78
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("exchange-simulator: ")
    assert about in result.stderr


def test_settings_come_from_the_environment_too() -> None:
    assert "no such fault" in run("--port", "0", SIMULATOR_FAULTS="nope").stderr


def test_a_port_in_use_is_one_line_and_78() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port = str(sock.getsockname()[1])
        for flags in (["--port", port, "--control-port", "0"], ["--port", "0", "--control-port", port]):
            result = run(*flags)
            assert result.returncode == 78
            assert result.stderr.count("\n") == 1
            assert port in result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_0_within_a_second(
    start: Open, logged_in: Open, stopwatch: Stopwatch, number: int
) -> None:
    program = start("--rate", "0")
    client = logged_in(program.url())
    client.subscribe(quotes=["SPY"])
    client.quote("SPY")
    program.process.send_signal(number)
    began_ns = now_ns()
    assert program.process.wait(timeout=60) == 0
    assert stopwatch.seconds(began_ns) < 1
    client.wait_closed()


def test_idle_means_idle(start: Open, connect: Open) -> None:
    program = start("--rate", "0")
    client = connect(program.url())
    client.log_in()
    process = psutil.Process(program.process.pid)
    before, switches = process.cpu_times(), process.num_ctx_switches().voluntary
    client.socket.settimeout(0.5)
    with pytest.raises(websocket.WebSocketTimeoutException):
        client.receive()
    after = process.cpu_times()
    assert (after.user + after.system) - (before.user + before.system) <= 0.02
    assert process.num_ctx_switches().voluntary - switches < 10
    program.stop()


def test_event_lines_are_logged_on_stderr_and_quiet_leaves_them_out(start: Open, connect: Open, tmp_path: Path) -> None:
    for flags, wanted in (((), True), (("--quiet",), False)):
        path = tmp_path / f"stderr{wanted}"
        with path.open("w") as stderr:
            program = start(*flags, stderr=stderr)
            client = connect(program.url())
            client.log_in()
            client.subscribe(quotes=["SPY"])
            program.control.faults(mute=True)
            client.close()
            assert program.stop() == 0
        text = path.read_text()
        assert bool(text) == wanted
        for said in (
            "connection 1 opened (iex)",
            "connection 1 authenticated",
            "connection 1 is subscribed to 1 quotes",
            "faults set: mute=True; in force: mute",
            "connection 1 closed: ",
        ):
            assert text.count(said) == wanted, said


def test_the_audit_file_says_exactly_what_was_sent(
    start: Open, logged_in: Open, eventually: Open, tmp_path: Path
) -> None:
    path = tmp_path / "audit.jsonl"
    program = start("--rate", "500", "--audit", str(path))
    client = logged_in(program.url(), "msgpack")
    client.subscribe(quotes=["SPY", "AAPL"], trades=["SPY"])
    received = [message for _ in range(300) for message in client.receive() if message["T"] in "qt"]
    program.control.faults(half_frame=True)
    eventually(lambda: program.control.state()["connections"][0]["frozen_by"] == "half_frame")
    sent = program.control.state()["connections"][0]["sent_quotes"]
    client.socket.settimeout(0.3)

    def keep(message: dict[str, Any]) -> bool:
        received.append(message)
        return False

    with pytest.raises(websocket.WebSocketTimeoutException):
        client.until(keep)
    client.close()
    eventually(lambda: '"close"' in path.read_text())
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert (lines[0]["event"], lines[0]["feed"], lines[-1]["event"]) == ("open", "iex", "close")
    told = [
        (line["T"], line["symbol"], line.get("bid", line.get("price")), line.get("ask"), line["t_ns"])
        for line in lines[1:-1]
    ]
    heard = [(m["T"], m["S"], m.get("bp", m.get("p")), m.get("ap"), m["t"]) for m in received]
    assert told == heard
    assert sum(line[0] == "q" for line in told) == sent
    assert all(line["connection"] == 1 for line in lines)
    program.stop()

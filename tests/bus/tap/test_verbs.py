"""Each verb as a real program, on a live bus and on a capture."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from quotebus.bus.settings import BusSettings
from quotebus.bus.tap.program import main
from tests.support.bus import NOBODY, FakeNode, environment_of, fake_node, running_broker, set_environment
from tests.support.programs import eventually, run
from tests.support.samples import STATUS, like
from tests.support.tap import EVIL, STORY, capture

Tap: TypeAlias = Callable[..., tuple[int, str]]
BIN = Path(sys.executable).parent


@pytest.fixture
def bus() -> Iterator[tuple[BusSettings, FakeNode]]:
    with running_broker() as settings, fake_node(settings) as node:
        yield settings, node


def live(settings: BusSettings) -> dict[str, str]:
    return {**environment_of(settings), "TAP_NICE": "0"}


@pytest.fixture
def tap(capsys: pytest.CaptureFixture[str]) -> Iterator[Tap]:
    """The program in this process: its exit status and all it printed."""
    former = signal.getsignal(signal.SIGTERM)

    def call(*argv: str) -> tuple[int, str]:
        try:
            status = main(argv)
        except SystemExit as ended:
            status = int(ended.code or 0)
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    yield call
    signal.signal(signal.SIGTERM, former)


def test_the_verbs_on_a_capture(tmp_path: Path, tap: Tap) -> None:
    file = str(capture(tmp_path, *STORY))
    status, printed = tap("echo", "--file", file, "quote")
    assert status == 0
    assert printed.splitlines()[1].split()[:4] == ["14:30:05.000", "quote.SPY", "pricing-3f9c2a#10", "687.30"]
    assert "(1 missing before)" in printed
    status, printed = tap("echo", "--json", "--file", file)
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [line["topic"].partition(".")[0] for line in lines][:3] == ["health", "symbols", "symbols"]
    assert lines[2]["results"][0]["last_quote"]["bid_price"] == 687.25
    status, printed = tap("rate", "--json", "--file", file)
    topics = {row["topic"]: row for row in json.loads(printed)["topics"]}
    assert (topics["quote.SPY"]["messages"], topics["quote.SPY"]["missing"]) == (2, 1)
    status, printed = tap("delay", "--file", file)
    assert "published > heard" in printed
    assert "500us" in printed
    status, printed = tap("why", "spy", "--file", file)
    assert (status, printed.partition("Z")[0]) == (1, "SPY  may NOT be used  14:30:07.000")
    status, printed = tap("why", "SPY", "--json", "--to", "2.5", "--file", file)
    assert json.loads(printed)["line"]["state"] == "streaming"
    status, printed = tap("top", "--file", file, "--width", "80")
    assert (status, "\x1b" in printed) == (0, False)
    assert "SPY         687.30    687.31" in printed


def test_the_verbs_on_the_bus(bus: tuple[BusSettings, FakeNode], tap: Tap, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, _ = bus
    for name, value in live(settings).items():
        monkeypatch.setenv(name, value)
    status, printed = tap("echo", "health", "--count", "2")
    assert (status, printed.count("health.pricing")) == (0, 2)
    status, printed = tap("rate", "--every", "0.5", "--count", "2")
    assert (status, printed.count("TOPIC")) == (0, 2)
    status, printed = tap("delay", "--every", "0.5", "--count", "1")
    assert (status, "published > heard" in printed) == (0, True)
    status, printed = tap("why", "SPY", "--for", "0.5")
    assert (status, "cannot tell" in printed) == (1, True)
    status, printed = tap("top", "--json", "--count", "1")
    shown = json.loads(printed)
    assert (shown["connected"], shown["lines"][0]["state"]) == (True, "streaming")


def test_nothing_heard_is_124_and_says_where_it_listened(tap: Tap, monkeypatch: pytest.MonkeyPatch) -> None:
    set_environment(monkeypatch, NOBODY)
    monkeypatch.setenv("TAP_NICE", "0")
    for verb in (["echo"], ["rate"], ["why", "SPY"], ["top"]):
        status, printed = tap(*verb, "--for", "0.2")
        assert (status, "not connected: nothing answers at tcp://127.0.0.1:1" in printed) == (124, True), printed


@pytest.mark.parametrize(
    "argv",
    [["no-such-verb"], ["why"], ["why", "no symbol"], ["echo", "nope"], ["echo", "--symbol", "*"],
     ["top", "--sort", "x"],
     ["echo", "--count", "0"], ["rate", "--from", "3"],
     ["top", "--for", "inf"], ["echo", "--for", "1e300"], ["why", "SPY", "--max-age-s", "inf"],
     ["top", "--bus-subscribe-url", "tcp://10.0.0.1:1"]],
)  # fmt: skip
def test_bad_settings_are_one_line_and_78(argv: list[str], tap: Tap) -> None:
    status, printed = tap(*argv)
    assert (status, printed.count("\n")) == (78, 1), printed


def test_it_is_a_verb_of_quotebus_too(tmp_path: Path) -> None:
    status, printed = run("quotebus", "tap", "rate", "--file", str(capture(tmp_path, *STORY)))
    assert (status, "quote.SPY" in printed) == (0, True)


def test_a_closed_pipe_is_quiet(tmp_path: Path) -> None:
    file = capture(tmp_path, *STORY * 200)
    command = f"'{BIN}/bus-tap' echo --file '{file}' | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)


@pytest.mark.parametrize(
    "ending", [b"q", *[[number] * 20 for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)]]
)
def test_the_screen_is_given_back(bus: tuple[BusSettings, FakeNode], ending: bytes | list[signal.Signals]) -> None:
    """On a real terminal: drawn in the alternate screen, nothing a peer sent gets through, the terminal as it was."""
    settings, node = bus
    node.publish(like(STATUS, symbol="HOST", state=EVIL, cause=EVIL))
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    before = termios.tcgetattr(slave)
    environment = {**os.environ, **live(settings), "TERM": "xterm-256color"}
    shown = b""
    with subprocess.Popen(
        [str(BIN / "bus-tap"), "top"], stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
    ) as program:

        def read(until: bytes) -> bool:
            nonlocal shown
            shown += os.read(master, 65_536)
            return until in shown

        eventually(lambda: read(b"streaming"))
        assert not termios.tcgetattr(slave)[3] & termios.ICANON
        if isinstance(ending, bytes):
            os.write(master, ending)
        else:
            for number in ending:
                program.send_signal(number)
        eventually(lambda: read(b"\x1b[?1049l"))
        assert program.wait(60) == 0
    assert termios.tcgetattr(slave) == before
    assert b"\x1b[?1049h" in shown
    assert b"\x1b]0;" not in shown
    os.close(master)
    os.close(slave)


def test_no_such_file_is_one_line_and_66(tap: Tap) -> None:
    status, printed = tap("echo", "--file", "absent.mcap")
    assert (status, printed) == (66, "quotebus tap echo: absent.mcap: no such capture\n")


def test_it_stands_back_as_it_is_told() -> None:
    look = "print(os.nice(0), os.sched_getscheduler(0) == os.SCHED_IDLE)"
    script = (
        f"import os; from quotebus.bus.tap.source import lower_priority as s; s(0); {look}; s(4); {look}; s(20); {look}"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    before, nicer, idle = (line.split() for line in done.stdout.splitlines())
    assert int(nicer[0]) == int(before[0]) + 4
    assert (nicer[1], idle[1]) == ("False", "True")

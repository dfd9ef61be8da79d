"""The program: one line and 78 for bad settings, 0 and soon for a signal, and no secret in anything it prints."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from quotebus.bus.clock import now_ns
from quotebus.pricing import program
from quotebus.pricing.upstream.hot_thread import HotThread
from tests.support.bus import NOBODY, environment_of
from tests.support.programs import Program, run
from tests.support.stopwatch import Stopwatch

SECRET = "canary-secret"
NOWHERE = {
    **environment_of(NOBODY),
    "PRICING_UPSTREAM_URL": f"ws://127.0.0.1:1/v2/iex?key={SECRET}",
    "PRICING_API_KEY": "key",
    "PRICING_API_SECRET": SECRET,
}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"PRICING_UPSTREAM_URL": "", "PRICING_API_KEY": "", "PRICING_API_SECRET": ""}, "PRICING_UPSTREAM_URL"),
        ({"PRICING_API_KEY": ""}, "go together"),
        ({"PRICING_UPSTREAM_URL": f"wss://me:{SECRET}@example.com/"}, "PRICING_UPSTREAM_URL"),
        ({"BUS_PUBLISH_URL": "tcp://192.0.2.1:1"}, "BUS_PUBLISH_URL"),
    ],
)
def test_bad_settings_are_one_line_and_78(
    wrong: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {**NOWHERE, **wrong}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        program.main([])
    assert ended.value.code == 78
    assert_told(capsys.readouterr().err, told)


def test_a_lock_that_cannot_be_made_is_one_line_and_78() -> None:
    status, printed = run("pricing-node", environment={**NOWHERE, "PRICING_LOCK_DIR": "/nonexistent"})
    assert status == 78
    assert_told(printed, "PRICING_LOCK_DIR")


def assert_told(printed: str, told: str) -> None:
    assert printed.startswith("pricing-node: ")
    assert printed.count("\n") == 1
    assert told in printed
    assert SECRET not in printed


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_soon_and_in_order_even_without_a_broker(
    number: signal.Signals, tmp_path: Path, stopwatch: Stopwatch
) -> None:
    node = Program("pricing-node", environment={**NOWHERE, "PRICING_LOCK_DIR": str(tmp_path)})
    try:
        assert "upstream ws://127.0.0.1:1/v2/iex: idle" in node.line("idle until a symbol is requested")
        began_ns = now_ns()
        node.process.send_signal(number)
        assert node.wait(60) == 0
        assert stopwatch.seconds(began_ns) < 2
    finally:
        node.stop()
    assert SECRET not in "\n".join(node.lines)


def test_a_node_without_its_hot_thread_is_status_70(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(self: HotThread) -> None:
        self.publisher.close()
        self.control.close()

    monkeypatch.setattr(HotThread, "_run", ended)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(program, "setup", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    for name, value in {**NOWHERE, "PRICING_LOCK_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    assert program.main([]) == 70

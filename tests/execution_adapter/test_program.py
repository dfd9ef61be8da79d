"""The worker's command line with intents: one clear line for a mistake, and no real order by accident."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quotebus.bus.errors import ConfigError
from quotebus.bus.settings import parse
from quotebus.execution_adapter.gateways.alpaca import AlpacaGateway
from quotebus.execution_adapter.gateways.base import NullGateway
from quotebus.execution_adapter.gateways.simulator import SimulatorGateway
from quotebus.execution_adapter.program import check_intents, open_gateway
from quotebus.execution_adapter.settings import ExecutionSettings
from tests.support.programs import run

pytestmark = pytest.mark.filterwarnings("ignore:websockets.legacy is deprecated")


def settings(*flags: str) -> ExecutionSettings:
    return parse(ExecutionSettings, flags, "execution-worker")


def test_intents_come_from_flags_and_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    file.write_text("symbol,side,qty,in,id\nMSFT,sell,3,90s,am\n")
    read = settings(
        "--intent", "spy buy 10 in 60s", "--intent=QQQ sell 5", "--execution-intents-file", str(file)
    ).intents()
    assert [str(intent) for intent in read] == ["SPY buy 10 in 60s", "QQQ sell 5 in 60s", "MSFT sell 3 in 90s id=am"]


@pytest.mark.parametrize(
    ("flags", "names"),
    [
        (["--intent", "SPY hold 1"], "--intent: side must be buy or sell"),
        (["--intent", "SPY buy 1", "--intent", "SPY buy 1"], "--intent: duplicate intent"),
        (["--execution-gateway", "live"], "--i-mean-live"),
        (["--execution-gateway", "nasdaq"], "--execution-gateway: must be none, simulator, paper or live"),
        (["--execution-fallbacks", "SPY=maybe"], "--execution-fallbacks: fallback must be one of"),
        (["--execution-orders-url", "http://10.0.0.1:1/v2"], "--execution-orders-url: http:// on this machine"),
        (["--execution-intents-from", "a b"], "--execution-intents-from: client names"),
        (["--execution-aggression-end", "3"], "--execution-aggression-end: must be a number from 0 to 2"),
    ],
)
def test_bad_setting_is_named(flags: list[str], names: str) -> None:
    with pytest.raises(ConfigError, match=names):
        settings(*flags)


def test_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="EXECUTION_INTENTS_FILE: No such file"):
        check_intents(settings("--execution-intents-file", str(tmp_path / "none.csv")))
    (tmp_path / "bad.csv").write_text("symbol,side,qty\nSPY,buy,x\n")
    with pytest.raises(ConfigError, match="EXECUTION_INTENTS_FILE: line 2: quantity is not a number"):
        check_intents(settings("--execution-intents-file", str(tmp_path / "bad.csv")))


def test_gateway_is_what_was_asked_for() -> None:
    assert isinstance(open_gateway(settings()), NullGateway)
    assert isinstance(open_gateway(settings("--execution-gateway", "simulator")), SimulatorGateway)
    keys = ("--execution-api-key", "canary-key", "--execution-api-secret", "canary-secret")
    assert isinstance(open_gateway(settings("--execution-gateway", "paper", *keys)), AlpacaGateway)
    assert isinstance(open_gateway(settings("--execution-gateway", "live", "--i-mean-live", *keys)), AlpacaGateway)
    assert "canary" not in repr(settings(*keys))
    with pytest.raises(ConfigError, match="need APCA_API_KEY_ID and APCA_API_SECRET_KEY"):
        open_gateway(settings("--execution-gateway", "paper"))


@pytest.mark.parametrize("named", [False, True])
def test_keys_go_to_a_simulator_only_where_a_setting_names_it(named: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APCA_API_KEY_ID", "canary-key")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "canary-secret")
    sent: list[tuple[object, ...]] = []
    monkeypatch.setattr("quotebus.execution_adapter.program.SimulatorGateway", lambda *given, **_: sent.append(given))
    address = ["--execution-orders-url", "http://127.0.0.1:1/v2"] if named else []
    open_gateway(settings("--execution-gateway", "simulator", *address))
    assert sent[0][1:3] == (("canary-key", "canary-secret") if named else ("simulated", "simulated"))


def test_without_alpaca_py_there_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "alpaca.trading.client", None)
    with pytest.raises(ConfigError, match="paper and live need alpaca-py"):
        open_gateway(settings("--execution-gateway", "paper"))


def test_hash_names_what_working_an_order_depends_on() -> None:
    one = settings("--intent", "SPY buy 1")
    assert settings("--intent", "QQQ buy 1").config_hash == one.config_hash
    for flags in (["--execution-jump", "0.2"], ["--execution-fallbacks", "refuse"], ["--execution-repeg-max", "1"]):
        assert settings(*flags).config_hash != one.config_hash


def test_program_ends_with_78_and_one_line() -> None:
    status, printed = run("execution-worker", "--intent", "SPY buy")
    assert (status, printed.count("\n")) == (78, 1)
    assert printed.startswith("execution-worker: --intent: not an intent")


@pytest.mark.parametrize("output", ["left", "/dev/full"])
def test_output_that_nobody_takes_ends_no_worker_and_leaves_the_exit_status(output: str) -> None:
    """Orders may be open when the reader of a pipe leaves, or the disk of a log is full."""
    reader, writer = os.pipe() if output == "left" else (-1, os.open(output, os.O_WRONLY))
    if reader >= 0:
        os.close(reader)
    code = (
        "import sys; from quotebus.execution_adapter import program\n"
        "for number in range(300): program._say(f'{number} ' * 50)\n"
        "sys.exit(4)"
    )
    ended = subprocess.run([sys.executable, "-c", code], stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (4, b"")

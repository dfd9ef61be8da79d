"""`--dry-run`: what would be sent, the same as what is sent afterwards, and nothing is sent."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from quotebus.bus.errors import ConfigError
from quotebus.bus.settings import parse
from quotebus.execution_adapter.settings import ExecutionSettings
from tests.execution_adapter.runs import Run, books
from tests.support.programs import Program
from tests.support.world import World

SAMPLE = Path(__file__).resolve().parents[2] / "docs/intents.csv"
FILE = {"EXECUTION_INTENTS": "", "EXECUTION_INTENTS_FILE": str(SAMPLE)}


def try_out(run: Run, **settings: str) -> tuple[int, Program]:
    worker = run.start(EXECUTION_DRY_RUN="on", **settings)
    return worker.wait(60), worker


def test_the_sample_file_is_tried_and_then_worked_under_the_same_ids(world: World) -> None:
    run = Run(world, recorded=False)
    rows = list(csv.DictReader(SAMPLE.read_text().splitlines()))
    status, dry = try_out(run, EXECUTION_GATEWAY="none", **FILE)
    assert status == 0, dry.lines
    assert f"{len(rows)} of {len(rows)} would be sent now; nothing was sent" in dry.lines
    status, dry = try_out(run, **FILE)
    assert status == 0, dry.lines
    assert not books(world.audit).orders, "nothing was sent"
    assert not (world.folder / "journal").exists() or not list((world.folder / "journal").iterdir())
    said = [
        re.search(r"(\w+) +would (buy|sell) (\d+)  limit [0-9.]+  day  as (qb-\S+)  \(place, aggr", line)
        for line in dry.lines
    ]
    would = {found[4]: (found[1], found[2], found[3]) for found in said if found}
    assert sorted(would.values()) == sorted((row["symbol"], row["side"], row["qty"]) for row in rows)
    worker = run.start(**FILE)
    assert worker.wait(90) == 0, worker.lines
    orders = books(world.audit).orders
    first = {taken[0]["client_order_id"]: taken[0] for taken in orders.values()}
    assert {name: (order["symbol"], order["side"], order["qty"]) for name, order in first.items()} == would
    status, again = try_out(run, **FILE)
    assert status == 3
    assert sum("already done: " in line for line in again.lines) == len(rows)


def test_what_would_not_be_sent_is_told_with_its_reasons(world: World) -> None:
    run = Run(world, ("SPY",), recorded=False)
    texts = "SPY buy 10 in 60s; QQQ sell all; AAPL sell 3"
    bus = world.client("watcher")
    assert bus.request("AAPL", wait_s=30)["AAPL"].usable
    world.control.halt("AAPL")
    status, dry = try_out(run, EXECUTION_INTENTS=texts)
    assert status == 3, dry.lines
    assert any(line.startswith("SPY    would buy 10  limit") for line in dry.lines), dry.lines
    assert "QQQ    sell all would not be sent: no position" in dry.lines
    [halted] = [line for line in dry.lines if line.startswith("AAPL ")]
    assert "would not be sent" in halted
    assert "halted" in halted
    assert "1 of 3 would be sent now; nothing was sent" in dry.lines
    status, dry = try_out(run, EXECUTION_INTENTS="QQQ sell all", EXECUTION_GATEWAY="none")
    assert status == 3
    assert any("nobody knows how much is held" in line for line in dry.lines)
    assert not books(world.audit).orders


def test_settings() -> None:
    def settings(*flags: str) -> ExecutionSettings:
        return parse(ExecutionSettings, flags, "execution-worker")

    with pytest.raises(ConfigError, match="needs intents"):
        settings("--dry-run")
    assert settings("--dry-run", "--gateway", "live", "--intent", "SPY buy 1").execution_dry_run, "it sends nothing"
    for url in ("http://127.0.0.1:8766", "http://127.0.0.1:8766/", "http://127.0.0.1:8766/v2"):
        assert settings("--orders-url", url).execution_orders_url == "http://127.0.0.1:8766/v2"

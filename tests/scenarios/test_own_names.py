"""Where a key or a user says who everybody is, programs speak in their own names: nothing honest is called forged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quotebus.bus.events import Counters, ExecutionDecision, RecorderHealth, SymbolsRequested, TradeIntent
from tests.support.certificates import needs_openssl
from tests.support.nats_server import needs_server
from tests.support.programs import run
from tests.support.world import World

ENGINES = ["tcp-keys", pytest.param("nats-tls", marks=[needs_server, needs_openssl])]
OWN = {"tcp-keys": {"execution", "recorder", "edge", "worker"}, "nats-tls": {"recorder", "worker"}}
"""Whose names begin how: a key for each program, a user for each role."""


@pytest.fixture
def here(tmp_path: Path, engine: str) -> Iterator[World]:
    world = World(tmp_path, engine=engine)
    try:
        yield world
    finally:
        world.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_honest_is_dropped(here: World, tmp_path: Path) -> None:
    carrier = here.broker()
    here.exchange("--rate", "100")
    here.node()
    log = here.log()
    here.start("quotebus", "record", "-o", str(tmp_path / "day.mcap"))
    here.worker(EXECUTION_SYMBOLS="SPY", EXECUTION_INTERVAL_S="0.1")
    here.start("quotebus", "edge", "--port", "0").line("quotebus edge: ws://")
    client = here.client("desk")
    assert client.name == "worker-desk"
    client.request(["SPY"], wait_s=30)
    log.wait(ExecutionDecision)
    recorder, _ = log.wait(RecorderHealth)
    for words in (("intent", "SPY", "buy", "1"), ("counters", "orders=3")):
        status, printed = run("quotebus", "tap", "pub", *words, environment=here.environment_of("worker"))
        assert status == 0, printed
        assert printed.startswith("published")
    intent, _ = log.wait(TradeIntent)
    log.wait(Counters, lambda each: each.counters.get("orders") == 3)
    log.wait(Counters, lambda each: each.program == "pricing-node", since=log.position())
    named = {each.client for kind in (SymbolsRequested, ExecutionDecision) for each in log.all(kind)}
    assert {name.partition("-")[0] for name in {*named, intent.client, recorder.name}} <= OWN[here.engine]
    assert {name.partition("-")[0] for name in named} >= OWN[here.engine] - {"recorder", "edge"}
    counted = [each.counters for each in log.all(Counters)]
    assert {each.get(name, 0) for each in counted for name in ("forged", "requests_forged")} == {0}
    assert not [line for line in carrier.lines if "Violation" in line or "another's name" in line]

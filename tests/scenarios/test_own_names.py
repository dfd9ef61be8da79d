"""Where a key or a user says who everybody is, programs speak in their own names: nothing honest is called forged."""

from __future__ import annotations

from pathlib import Path

import pytest

from quotebus.bus.events import Counters, ExecutionDecision, RecorderHealth, SymbolsRequested, TradeIntent
from tests.support.programs import run
from tests.support.world import World

OWN = {"tcp-keys": {"execution", "recorder", "edge", "worker"}, "nats-tls": {"recorder", "worker"}}
"""Whose names begin how: a key for each program, a user for each role."""


@pytest.mark.engines("tcp-keys", "nats-tls")
def test_nothing_honest_is_dropped(world: World, tmp_path: Path) -> None:
    carrier = world.broker()
    world.exchange("--rate", "100")
    world.node()
    log = world.log()
    world.start("quotebus", "record", "-o", str(tmp_path / "day.mcap"))
    world.worker(EXECUTION_SYMBOLS="SPY", EXECUTION_INTERVAL_S="0.1")
    world.start("quotebus", "edge", "--port", "0").line("quotebus edge: ws://")
    client = world.client("desk")
    assert client.name == "worker-desk"
    client.request(["SPY"], wait_s=30)
    log.wait(ExecutionDecision)
    recorder, _ = log.wait(RecorderHealth)
    for words in (("intent", "SPY", "buy", "1"), ("counters", "orders=3")):
        status, printed = run("quotebus", "tap", "pub", *words, environment=world.environment_of("worker"))
        assert status == 0, printed
        assert printed.startswith("published")
    intent, _ = log.wait(TradeIntent)
    log.wait(Counters, lambda each: each.counters.get("orders") == 3)
    log.wait(Counters, lambda each: each.program == "pricing-node", since=log.position())
    named = {each.client for kind in (SymbolsRequested, ExecutionDecision) for each in log.all(kind)}
    assert {name.partition("-")[0] for name in {*named, intent.client, recorder.name}} <= OWN[world.engine]
    assert {name.partition("-")[0] for name in named} >= OWN[world.engine] - {"recorder", "edge"}
    counted = [each.counters for each in log.all(Counters)]
    assert {each.get(name, 0) for each in counted for name in ("forged", "requests_forged")} == {0}
    assert not [line for line in carrier.lines if "Violation" in line or "another's name" in line]

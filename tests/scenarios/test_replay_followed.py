"""A recording played on a bus where a key or a user says who everybody is: strategies and workers follow it tworld."""

from __future__ import annotations

from pathlib import Path

import pytest

from quotebus import BusClient
from quotebus.bus.events import ExecutionDecision
from tests.support.programs import eventually
from tests.support.world import World


@pytest.mark.engines("tcp-keys", "nats-tls")
def test_a_strategy_and_a_worker_follow_a_replay(world: World, tmp_path: Path) -> None:
    world.broker()
    world.exchange("--rate", "100")
    node = world.node()
    file = tmp_path / "day.mcap"
    recorder = world.start("quotebus", "record", "-o", str(file))
    recorder.line("recording")
    client = world.client("live")
    client.request(["SPY", "QQQ"], wait_s=30)
    quotes = iter(client.quotes(conflate=False))
    for _ in range(200):
        next(quotes)
    for program in (recorder, node):
        assert program.stop() == 0
    if world.engine == "nats-tls":  # a player may speak on a bus of its own only
        world.environment["BUS_URL"] += "/replay"
    log = world.log(b"decision.")
    worker = world.worker(EXECUTION_CLOCK="stream", EXECUTION_SYMBOLS="SPY,QQQ", EXECUTION_INTERVAL_S="0.1")
    with BusClient(world.settings(), name="follower", replayed=True) as follower:
        follower.request(["SPY"])
        feed = iter(follower.quotes(timeout_s=30))
        player = world.start("quotebus", "replay", str(file), "--clients", "2", "--rate", "10")
        heard = next(feed)
        assert heard.source.startswith("replay:")
        assert follower.name == "worker-follower"
        decision, _ = log.wait(ExecutionDecision, lambda decision: decision.action == "limit")
        assert decision.source.startswith("replay:")
        assert player.wait(60) == 0, player.lines[-10:]
        assert follower.counters["forged"] == 0
    eventually(lambda: worker.stop() == 0)

"""A recording played on a bus where a key or a user says who everybody is: strategies and workers follow it there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quotebus import BusClient
from quotebus.bus.events import ExecutionDecision
from tests.support.certificates import needs_openssl
from tests.support.nats_server import needs_server
from tests.support.programs import eventually
from tests.support.world import World

ENGINES = ["tcp-keys", pytest.param("nats-tls", marks=[needs_server, needs_openssl])]


@pytest.fixture
def here(tmp_path: Path, engine: str) -> Iterator[World]:
    """Over the engines that know who is who, whatever the others run over."""
    world = World(tmp_path, engine=engine)
    try:
        yield world
    finally:
        world.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_strategy_and_a_worker_follow_a_replay(here: World, tmp_path: Path) -> None:
    here.broker()
    here.exchange("--rate", "100")
    node = here.node()
    file = tmp_path / "day.mcap"
    recorder = here.start("quotebus", "record", "-o", str(file))
    recorder.line("recording")
    client = here.client("live")
    client.request(["SPY", "QQQ"], wait_s=30)
    quotes = iter(client.quotes(conflate=False))
    for _ in range(200):
        next(quotes)
    for program in (recorder, node):
        assert program.stop() == 0
    if here.engine == "nats-tls":  # a player may speak on a bus of its own only
        here.environment["BUS_URL"] += "/replay"
    log = here.log(b"decision.")
    worker = here.worker(EXECUTION_CLOCK="stream", EXECUTION_SYMBOLS="SPY,QQQ", EXECUTION_INTERVAL_S="0.1")
    with BusClient(here.settings(), name="follower", replayed=True) as follower:
        follower.request(["SPY"])
        feed = iter(follower.quotes(timeout_s=30))
        player = here.start("quotebus", "replay", str(file), "--clients", "2", "--rate", "10")
        heard = next(feed)
        assert heard.source.startswith("replay:")
        assert follower.name == "worker-follower"
        decision, _ = log.wait(ExecutionDecision, lambda decision: decision.action == "limit")
        assert decision.source.startswith("replay:")
        assert player.wait(60) == 0, player.lines[-10:]
        assert follower.counters["forged"] == 0
    eventually(lambda: worker.stop() == 0)

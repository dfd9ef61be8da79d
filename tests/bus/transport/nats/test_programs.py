"""Every program in its role over the shipped server, at once: node, worker, clients, recorder, tap, page, replay."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from quotebus import AsyncBusClient
from quotebus.bus.capture import Capture
from quotebus.bus.events import ConnectionHealth, ExecutionDecision, Quote
from tests.support.certificates import needs_openssl
from tests.support.eventlog import EventLog
from tests.support.nats_server import needs_server
from tests.support.programs import DEADLINE_S, eventually, run
from tests.support.world import World

pytestmark = [needs_server, needs_openssl]


@pytest.fixture
def engine() -> str:
    return "nats-tls"


async def read_one(world: World) -> Quote:
    async with AsyncBusClient(world.settings(), name="async") as bus:
        await bus.request(["QQQ"], wait_s=DEADLINE_S)
        async for quote in bus.quotes():
            return quote
    raise AssertionError("no quote")


def test_all_programs_work_over_nats_and_nobody_tries_what_its_role_may_not(world: World, tmp_path: Path) -> None:
    server = world.broker()
    world.exchange("--rate", "100")
    node = world.node()
    log = world.log()
    file = tmp_path / "day.mcap"
    recorder = world.start("quotebus", "record", "--output", str(file))
    recorder.line("quotebus record: recording")
    worker = world.worker(EXECUTION_SYMBOLS="SPY", EXECUTION_INTERVAL_S="0.1")
    log.wait(ExecutionDecision, lambda decision: decision.action == "limit")
    assert asyncio.run(read_one(world)).symbol == "QQQ"
    observer = world.environment_of("observer")
    status, printed = run("bus-tap", "why", "SPY", environment=observer)
    assert status == 0, printed
    assert "may be used" in printed
    assert "may NOT" not in printed
    status, printed = run("bus-tap", "echo", "quote.SPY", "--count", "2", environment=observer)
    assert status == 0, printed
    for program in (worker, recorder, node):
        program.process.send_signal(signal.SIGINT)
        assert program.wait(60) == 0, program.lines[-10:]
    with Capture(file) as capture:
        kinds = {captured.topic.partition(".")[0] for captured in capture}
    assert kinds >= {"quote", "health", "decision", "symbols", "counters", "recorder"}
    assert not [line for line in server.lines if "Violation" in line]
    # The recording, on the bus of replays: a player may speak there, and nowhere else.
    replayed = {**world.environment_of("player"), "BUS_URL": f"{world.carrier.url}/replay"}
    heard = EventLog(world.settings("player").model_copy(update={"bus_url": replayed["BUS_URL"]}), b"health.")
    status, printed = run("quotebus", "replay", str(file), "--rate", "max", "--clients", "0", environment=replayed)
    assert status == 0, printed
    eventually(lambda: heard.all(ConnectionHealth))
    heard.close()
    status, printed = run(
        "quotebus", "replay", str(file), "--rate", "max", "--clients", "0", environment=world.environment_of("player")
    )
    assert status != 0
    assert "Violation" in "".join(server.lines)

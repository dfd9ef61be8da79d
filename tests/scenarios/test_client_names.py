"""Two programs under one client name: the first keeps it, both are told, and who was killed gets it back."""

from __future__ import annotations

import asyncio
import logging

import pytest

from quotebus import AsyncBusClient, BusClient, Unusable
from quotebus.bus.clock import now_ns
from tests.support.aio import soon
from tests.support.programs import Program, eventually
from tests.support.stopwatch import Stopwatch
from tests.support.world import World

HOLDS = """
import signal
from quotebus import BusClient
from quotebus.bus.clock import now_ns
with BusClient(name="worker") as bus:
    bus.request(["SPY"], wait_s=20)
    print("holds", flush=True)
    signal.pause()
"""


def test_the_first_keeps_its_name_and_both_are_told(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.broker()
    world.exchange("--rate", "200")
    world.node()
    with BusClient(world.settings(), name="strategy") as first, caplog.at_level(logging.WARNING, "quotebus"):
        first.request(["SPY"], wait_s=20)
        eventually(lambda: first.usable("SPY"))
        second = BusClient(world.settings(), name="strategy")
        second.request(["QQQ"])
        eventually(lambda: Unusable.CLIENT_CONFLICT in second.assess("QQQ").reasons)
        name = world.name_of("strategy")
        texts = (f"asks for prices under the client name {name}", f"runs under the client name {name} and holds it")
        eventually(lambda: all(any(text in line for line in caplog.messages) for text in texts), within_s=15)
        assert first.usable("SPY")
        assert Unusable.CLIENT_CONFLICT not in first.assess("SPY").reasons
        assert world.control.state()["connections"][0]["symbols"].get("quotes") == ["SPY"]
        assert second.counters["requests_client_conflict"] > 0
        assert first.counters["requests_client_conflict"] == 0
        first.close()
        eventually(lambda: second.usable("QQQ"), within_s=5, why="released: the name is free")
        second.close()


def test_an_asyncio_holder_keeps_its_name_too(world: World) -> None:
    world.broker()
    world.exchange("--rate", "200")
    world.node()

    async def main() -> None:
        async with AsyncBusClient(world.settings(), name="strategy") as first:
            await first.request(["SPY"], wait_s=20)
            async with AsyncBusClient(world.settings(), name="strategy") as second:
                await second.request(["QQQ"])
                await soon(lambda: second.counters["requests_client_conflict"] >= 8)  # for four seconds
                assert not second.usable("QQQ")
                await soon(lambda: first.usable("SPY"))

    asyncio.run(main())


def test_a_killed_program_has_its_name_back_soon_after_its_restart(world: World, stopwatch: Stopwatch) -> None:
    world.broker()
    world.exchange("--rate", "200")
    world.node()
    killed = Program("python", "-c", HOLDS, environment=world.environment)
    world.programs.append(killed)
    killed.line("holds")
    killed.kill()
    with BusClient(world.settings(), name="worker") as restarted:
        restarted.request(["SPY", "QQQ"])
        began_ns = now_ns()
        eventually(lambda: restarted.usable("SPY") and restarted.usable("QQQ"))
        took_s = stopwatch.seconds(began_ns)
        assert took_s < 4, f"usable only after {took_s:.2f} s"

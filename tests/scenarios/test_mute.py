"""A feed that answers pings and delivers nothing, through the real programs."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import now_ns
from quotebus.bus.events import ConnectionHealth, Counters
from tests.support.programs import eventually
from tests.support.stopwatch import Stopwatch
from tests.support.world import World

RATE = 20
"""Quotes per second: a bound of 5 s comes soon, and so does the experience that it needs."""


def start(world: World, **settings: str) -> None:
    world.broker()
    world.exchange("--rate", str(RATE))
    world.node(PRICING_DATA_URL=world.environment["PRICING_ORDER_REST_URL"], PRICING_QUIET_S="60", **settings)


def watch(world: World, seconds: float) -> None:
    """Let the node learn how often its symbols tick."""
    began_ns = now_ns()
    eventually(lambda: now_ns() - began_ns > seconds * 1e9, within_s=seconds + 5)


@pytest.mark.long
def test_a_mute_feed_is_suspect_within_15_s_redialled_and_usable_again_when_the_fault_ends(
    world: World, stopwatch: Stopwatch
) -> None:
    start(world)
    log = world.log()
    client = world.client("reader")
    client.request(["SPY", "QQQ"], wait_s=10)
    watch(world, 13)
    position, muted_ns = log.position(), now_ns()
    world.control.faults(mute=True)
    silent, _ = log.wait(ConnectionHealth, lambda health: "silent" in health.detail, since=position)
    assert silent.state == "streaming"
    suspect, suspect_ns = log.health("suspect", since=position)
    assert suspect.cause == "mute"
    assert stopwatch.seconds(muted_ns, suspect_ns) < 15
    lost, _ = log.wait(ConnectionHealth, lambda health: health.state == "backing_off", since=position)
    assert lost.cause == "mute"
    eventually(lambda: not client.usable("SPY"), within_s=1)
    back, _ = log.wait(ConnectionHealth, lambda h: h.state == "streaming" and h.connection == 2, since=position)
    assert back.gap_start_ns is not None, "the gap begins with the last tick"
    assert not client.usable("SPY"), "nothing has come over the new connection"
    world.control.faults(mute=False)
    eventually(lambda: client.usable("SPY") and client.usable("QQQ"), within_s=5)
    assert world.control.state()["upgraded_total"] == 2
    assert world.control.state()["max_simultaneous"] == 1


@pytest.mark.long
def test_a_quiet_market_stays_usable_and_is_called_silent(world: World) -> None:
    start(world)
    log = world.log()
    client = world.client("reader", max_age_s=120)
    client.request(["SPY", "QQQ"], wait_s=10)
    watch(world, 13)
    position = log.position()
    world.control.rate(0.001)
    log.wait(ConnectionHealth, lambda health: "silent" in health.detail, since=position)
    log.wait(Counters, lambda counted: counted.counters.get("rest_requests", 0) >= 2, within_s=20, since=position)
    assert client.usable("SPY")
    assert {health.state for health in log.all(ConnectionHealth, since=position)} == {"streaming"}
    world.control.rate(RATE)
    log.wait(ConnectionHealth, lambda health: not health.detail, since=log.position())
    assert world.control.state()["upgraded_total"] == 1

"""What the fault suite does not ask of a failing line: decisions and the gap through it, and growing waits."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.bus.events import ConnectionHealth, ExecutionDecision
from tests.support.judge import judge
from tests.support.programs import eventually
from tests.support.stopwatch import Stopwatch
from tests.support.world import World


def test_half_open_line_is_suspect_then_replaced(world: World, stopwatch: Stopwatch) -> None:
    world.broker()
    world.exchange("--rate", "200")
    world.node()
    log = world.log()
    world.worker(EXECUTION_SYMBOLS="SPY,QQQ", EXECUTION_INTERVAL_S="0.02")
    log.wait(ExecutionDecision, lambda decision: decision.action == "limit")
    client = world.client("watcher")
    client.request(["SPY"], wait_s=10)
    position = log.position()
    broken_ns = now_ns()
    world.control.faults(half_open=True)
    suspect, suspect_ns = log.health("suspect", since=position)
    assert stopwatch.seconds(broken_ns, suspect_ns) < 3.0
    assert suspect.cause == "no_life"
    eventually(lambda: not client.usable("SPY"), within_s=1)
    lost, lost_ns = log.wait(
        ConnectionHealth, lambda health: health.state in ("backing_off", "connecting"), since=position
    )
    assert stopwatch.seconds(broken_ns, lost_ns) < 5.0
    assert lost.attempt == 1
    back, _ = log.wait(ConnectionHealth, lambda health: health.state == "streaming" and health.connection == 2)
    assert back.gap_start_ns is not None
    assert back.gap_end_ns is not None
    assert back.gap_start_ns < back.gap_end_ns
    eventually(lambda: client.usable("SPY"))
    position = log.position()
    log.wait(ExecutionDecision, lambda d: d.action == "limit" and "collar" not in d.reasons, since=position)
    actions = judge(log, world.audit)
    assert actions["limit"] > 10
    assert actions["collar"] > 10
    assert actions["market"] == 0
    assert world.control.state()["max_simultaneous"] == 1


def test_closing_after_authentication_makes_the_waits_grow(world: World) -> None:
    world.broker()
    world.exchange("--faults", "close_after_auth=3")
    world.node()
    log = world.log()
    client = world.client("watcher")
    client.request(["SPY"])
    log.wait(ConnectionHealth, lambda health: health.state == "backing_off" and health.attempt == 3)
    eventually(lambda: client.usable("SPY"))
    attempts = [health.attempt for health in log.all(ConnectionHealth, lambda h: h.state == "backing_off")]
    assert sorted(set(attempts)) == [1, 2, 3]
    assert world.control.state()["max_simultaneous"] == 1


@pytest.mark.long
def test_behind_a_proxy_that_swallows_pings_quiet_symbols_keep_their_connection(world: World) -> None:
    world.broker()
    world.exchange("--faults", "no_pong")
    world.node()
    log = world.log()
    client = world.client("watcher")
    client.request(["SPY"], wait_s=10)
    log.wait(ConnectionHealth, lambda health: health.detail == "no_pongs")
    world.control.faults(mute=True)
    quiet_ns = now_ns()
    position = log.position()
    eventually(lambda: now_ns() - quiet_ns > 7 * NS_PER_S, within_s=10)
    assert {h.state for h in log.all(ConnectionHealth, since=position)} == {"streaming"}, "4.5 s were the bound"
    assert world.control.state()["upgraded_total"] == 1
    world.control.faults(no_pong=None)
    log.wait(ConnectionHealth, lambda health: health.state == "streaming" and health.detail == "", since=position)
    world.control.faults(half_open=True)
    position = log.position()
    log.health("suspect", since=position, within_s=5)

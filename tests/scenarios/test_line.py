"""The upstream line fails in the basic ways; health says so in time, and there are never two sockets."""

from __future__ import annotations

import pytest

from bus.clock import now_ns
from bus.events import ConnectionHealth, ExecutionDecision
from tests.support.judge import judge
from tests.support.programs import eventually
from tests.support.world import World


@pytest.mark.parametrize("fault", ["half_open", "half_frame"])
def test_half_open_line_is_suspect_then_replaced(world: World, fault: str) -> None:
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
    world.control.faults(**{fault: True})
    suspect, suspect_ns = log.health("suspect", since=position)
    assert (suspect_ns - broken_ns) / 1e9 < 3.0
    assert suspect.cause == "no_life"
    eventually(lambda: not client.usable("SPY"), within_s=1)
    lost, lost_ns = log.wait(
        ConnectionHealth, lambda health: health.state in ("backing_off", "connecting"), since=position
    )
    assert (lost_ns - broken_ns) / 1e9 < 5.0
    assert lost.attempt == 1
    back, _ = log.wait(ConnectionHealth, lambda health: health.state == "streaming" and health.connection == 2)
    assert back.gap_start_ns is not None
    assert back.gap_end_ns is not None
    assert back.gap_start_ns < back.gap_end_ns
    eventually(lambda: client.usable("SPY"))
    position = log.position()
    log.wait(ExecutionDecision, lambda decision: decision.action == "limit", since=position)
    actions = judge(log, world.audit)
    assert actions["limit"] > 10
    assert actions["market"] > 10
    assert world.control.state()["max_simultaneous"] == 1


@pytest.mark.parametrize("how", ["rst", "fin"])
def test_cut_line_is_replaced_at_once(world: World, how: str) -> None:
    world.broker()
    world.exchange("--rate", "200")
    world.node()
    log = world.log()
    client = world.client("watcher")
    client.request(["SPY"], wait_s=10)
    position = log.position()
    cut_ns = now_ns()
    world.control.faults(cut=how)
    lost, lost_ns = log.wait(ConnectionHealth, lambda health: health.state == "backing_off", since=position)
    assert (lost_ns - cut_ns) / 1e9 < 0.5
    assert lost.cause in ("reset", "closed")
    eventually(lambda: client.usable("SPY"))
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


def test_silent_handshake_ends_in_time(world: World) -> None:
    world.broker()
    world.exchange("--faults", "silent")
    world.node()
    log = world.log()
    world.client("watcher").request(["SPY"])
    _, began_ns = log.health("connecting")
    failed, failed_ns = log.health("backing_off")
    assert failed.cause == "handshake_timeout"
    assert (failed_ns - began_ns) / 1e9 < 5.5


@pytest.mark.parametrize(
    ("plan", "state", "cause"),
    [
        ("auth_fail", "refused", "auth_failed"),
        ("http_status=401", "refused", "http_status"),
        ("http_status=500", "backing_off", "http_status"),
        ("http_status=429", "backing_off", "http_429"),
        ("http_status=302", "refused", "redirect"),
    ],
)
def test_refusals_are_told_apart(world: World, plan: str, state: str, cause: str) -> None:
    world.broker()
    world.exchange("--faults", plan)
    world.node()
    log = world.log()
    world.client("watcher").request(["SPY"])
    health, _ = log.wait(ConnectionHealth, lambda health: health.attempt == 1)
    assert (health.state, health.cause) == (state, cause)
    assert health.next_retry_ns is not None
    wait_s = (health.next_retry_ns - health.published_ns) / 1e9
    if state == "refused":
        assert wait_s > 59
    elif cause == "http_429":
        assert 29.5 < wait_s < 31

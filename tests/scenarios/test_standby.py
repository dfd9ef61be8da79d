"""One active node per account and per bus; the other one waits and takes over by itself."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import now_ns
from quotebus.bus.events import ConnectionHealth, Counters, SymbolsAcknowledged
from tests.support.programs import Program, eventually
from tests.support.stopwatch import Stopwatch
from tests.support.world import World


def test_second_node_waits_for_the_lock_and_takes_over(world: World, stopwatch: Stopwatch) -> None:
    world.broker()
    world.exchange("--rate", "100")
    first = world.node(PRICING_NODE="first")
    log = world.log()
    client = world.client("holder")
    client.request(["SPY"], wait_s=10)
    world.node(PRICING_NODE="second")
    waiting, _ = log.wait(ConnectionHealth, lambda health: health.node == "second")
    assert (waiting.state, waiting.cause) == ("standby", "other_node")
    client.request(["SPY", "QQQ"], wait_s=10)
    assert not log.all(SymbolsAcknowledged, lambda ack: ack.source == waiting.source), "a node in waiting never answers"
    assert world.control.state()["tcp_accepted_total"] == 1, "nor does it dial"
    first.kill()
    killed_ns = now_ns()
    _, streams_ns = log.wait(ConnectionHealth, lambda health: health.node == "second" and health.state == "streaming")
    assert stopwatch.seconds(killed_ns, streams_ns) < 5
    eventually(lambda: getattr(client.health(), "node", "") == "second")
    eventually(lambda: client.usable("SPY") and client.usable("QQQ"), why="the second node has taken over")
    assert world.control.state()["max_simultaneous"] == 1


def test_two_nodes_without_a_common_lock_settle_who_is_active(world: World, stopwatch: Stopwatch) -> None:
    world.broker()
    world.exchange("--rate", "100", "--max-connections", "2")
    log = world.log()
    for name in ("left", "right"):
        own_lock(world, name)
    _, started_ns = log.wait(ConnectionHealth)
    _, waits_ns = log.wait(ConnectionHealth, lambda health: health.cause == "other_node")
    _, active_ns = log.health("idle")
    assert stopwatch.seconds(started_ns, max(waits_ns, active_ns)) < 3
    client = world.client("holder")
    client.request(["SPY"], wait_s=10)
    assert client.usable("SPY")
    log.health("streaming")
    position = log.position()
    for _ in range(3):
        log.health("standby", since=log.position())
    states = {(health.node, health.state) for health in log.all(ConnectionHealth, since=position)}
    assert {state for _, state in states} == {"standby", "streaming"}
    assert len(states) == 2, "nobody changes sides"
    assert world.control.state()["upgraded_total"] == 1


def test_node_started_beside_a_streaming_one_neither_dials_nor_answers(world: World) -> None:
    world.broker()
    world.exchange("--rate", "100", "--max-connections", "2")
    own_lock(world, "first").line("idle until")
    log = world.log()
    client = world.client("holder")
    client.request(["SPY"], wait_s=10)
    log.wait(ConnectionHealth, lambda health: health.state == "streaming")
    position = log.position()
    own_lock(world, "second")
    waiting, _ = log.wait(ConnectionHealth, lambda health: health.node == "second" and health.cause == "other_node")
    client.request(["SPY", "QQQ"], wait_s=10)
    assert client.usable("SPY")
    assert not log.all(SymbolsAcknowledged, lambda ack: ack.source == waiting.source)
    states = {(health.node, health.state) for health in log.all(ConnectionHealth, since=position)}
    assert states == {("first", "streaming"), ("second", "standby")}
    assert world.control.state()["tcp_accepted_total"] == 1


@pytest.mark.parametrize("common_lock", [True, False])
def test_orderly_stop_says_so_and_hands_over_at_once(world: World, stopwatch: Stopwatch, common_lock: bool) -> None:
    world.broker()
    world.exchange("--rate", "100")
    first = world.node(PRICING_NODE="first") if common_lock else own_lock(world, "first")
    log = world.log()
    client = world.client("holder")
    client.request(["SPY"], wait_s=10)
    world.node(PRICING_NODE="second") if common_lock else own_lock(world, "second")
    waiting, _ = log.wait(ConnectionHealth, lambda health: health.cause == "other_node")
    log.wait(Counters, lambda counters: counters.source == waiting.source)  # it has been there for a second: it hears
    assert first.stop(within_s=2) == 0
    stopped, stopped_ns = log.health("stopped")
    assert stopped.cause == "shutdown"
    _, active_ns = log.wait(ConnectionHealth, lambda health: health.node == "second" and health.state == "idle")
    assert stopwatch.seconds(stopped_ns, active_ns) < 1
    eventually(lambda: client.usable("SPY"))
    assert world.control.state()["max_simultaneous"] == 1


def test_kill_without_a_common_lock_hands_over_within_five_seconds(world: World, stopwatch: Stopwatch) -> None:
    world.broker()
    world.exchange("--rate", "100")
    first = own_lock(world, "first")
    log = world.log()
    client = world.client("holder")
    client.request(["SPY"], wait_s=10)
    own_lock(world, "second")
    log.wait(ConnectionHealth, lambda health: health.cause == "other_node")
    first.kill()
    killed_ns = now_ns()
    _, streams_ns = log.wait(ConnectionHealth, lambda health: health.node == "second" and health.state == "streaming")
    assert stopwatch.seconds(killed_ns, streams_ns) < 5
    eventually(lambda: client.usable("SPY"))
    assert world.control.state()["max_simultaneous"] == 1


def own_lock(world: World, name: str) -> Program:
    """A node with a lock folder of its own, as in a container: only the bus tells it of others."""
    (world.folder / name).mkdir()
    return world.start("pricing-node", PRICING_NODE=name, PRICING_LOCK_DIR=str(world.folder / name))

"""One active node per account and per bus; the other one waits and takes over by itself."""

from __future__ import annotations

from quotebus.bus.events import ConnectionHealth, SymbolsAcknowledged
from tests.support.programs import eventually
from tests.support.world import World


def test_second_node_waits_for_the_lock_and_takes_over(world: World) -> None:
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
    log.wait(ConnectionHealth, lambda health: health.node == "second" and health.state == "streaming")
    eventually(lambda: getattr(client.health(), "node", "") == "second")
    eventually(lambda: client.usable("SPY") and client.usable("QQQ"), why="the second node has taken over")
    assert world.control.state()["max_simultaneous"] == 1


def test_two_nodes_without_a_common_lock_settle_who_is_active(world: World) -> None:
    world.broker()
    world.exchange("--rate", "100", "--max-connections", "2")
    for name in ("left", "right"):
        (world.folder / name).mkdir()
        world.node(PRICING_NODE=name, PRICING_LOCK_DIR=str(world.folder / name))
    log = world.log()
    log.health("standby")
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


def test_orderly_stop_says_so_and_hands_over_at_once(world: World) -> None:
    world.broker()
    world.exchange("--rate", "100")
    first = world.node(PRICING_NODE="first")
    log = world.log()
    client = world.client("holder")
    client.request(["SPY"], wait_s=10)
    world.node(PRICING_NODE="second")
    log.health("standby")
    assert first.stop(within_s=2) == 0
    stopped, _ = log.health("stopped")
    assert stopped.cause == "shutdown"
    eventually(lambda: client.usable("SPY"))
    assert world.control.state()["max_simultaneous"] == 1

"""Whatever is killed comes back, and nobody's code has to do anything: real processes, SIGKILL."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import now_ns
from quotebus.bus.events import ConnectionHealth, ExecutionDecision, Quote, SymbolsAcknowledged, SymbolStatus
from tests.support.judge import judge
from tests.support.programs import Program, eventually
from tests.support.stopwatch import Stopwatch
from tests.support.world import World

ASKS_AND_WAITS = """
import signal
from quotebus import BusClient, BusSettings
with BusClient(BusSettings(), name="dying", ttl_s=3) as bus:
    bus.request(["SPY", "QQQ"])
    signal.pause()
"""
THOUSAND = [f"SYM{number}" for number in range(1000)]


def test_ask_first_start_the_node_later(world: World, stopwatch: Stopwatch) -> None:
    world.broker()
    world.exchange()
    log = world.log()
    client = world.client("early")
    assert client.request(["SPY"], wait_s=0.3)["SPY"].acknowledged is False
    world.node()
    _, started_ns = log.wait(ConnectionHealth)
    _, active_ns = log.health("idle")
    _, acknowledged_ns = log.wait(SymbolsAcknowledged)
    assert stopwatch.seconds(active_ns, acknowledged_ns) < 0.25, "kept while the node listened, not repeated after it"
    _, quoted_ns = log.quote("SPY")
    assert stopwatch.seconds(started_ns, quoted_ns) < 2.0
    eventually(lambda: client.usable("SPY"))


def test_killed_node_comes_back_with_a_thousand_symbols(world: World, stopwatch: Stopwatch) -> None:
    world.broker()
    world.exchange("--rate", "1000")
    node = world.node()
    log = world.log()
    client = world.client("holder")
    client.request(THOUSAND, wait_s=20)
    assert {result.state for result in client.results().values()} == {"live"}
    before = client.health()
    assert before is not None
    node.kill()
    position = log.position()
    world.node()
    fresh, started_ns = log.wait(ConnectionHealth, lambda health: health.source != before.source, since=position)
    _, acknowledged_ns = log.wait(
        ConnectionHealth, lambda health: health.source == fresh.source and health.acknowledged == 1000, since=position
    )
    assert stopwatch.seconds(started_ns, acknowledged_ns) < 5
    eventually(lambda: all(result.state == "live" for result in client.results().values()), within_s=10)
    eventually(lambda: client.usable("SYM7"))
    assert world.control.state()["max_simultaneous"] == 1


@pytest.mark.engines
def test_killed_broker_comes_back_and_nothing_old_is_fresh(world: World, stopwatch: Stopwatch) -> None:
    broker = world.broker()
    world.exchange("--rate", "200")
    world.node()
    log = world.log()
    world.worker(EXECUTION_INTERVAL_S="0.05", EXECUTION_SYMBOLS="SPY,QQQ")
    client = world.client("holder")
    client.request(["SPY", "QQQ"], wait_s=10)
    assert client.usable("SPY")
    for _ in range(3):
        broker.kill()
        eventually(lambda: not client.usable("SPY"), within_s=5, why="not usable without a broker")
        broker = world.broker()
        began_ns = now_ns()
        eventually(lambda: client.usable("SPY") and client.usable("QQQ"))
        took_s = stopwatch.seconds(began_ns)
        assert took_s < 1.5, f"usable only {took_s:.2f} s after the broker's return"
    assert world.control.state()["upgraded_total"] == 1, "the upstream line never knew"
    # What the log missed while the broker was down is re-sent within ten seconds; from then on all can be judged.
    eventually(lambda: judge(log, world.audit, heard_all=False)["limit"] >= 50)


@pytest.mark.long
def test_worker_decides_soundly_while_everything_is_killed(world: World) -> None:
    broker = world.broker()
    world.exchange("--rate", "300")
    node = world.node()
    log = world.log()
    world.worker(EXECUTION_INTERVAL_S="0.02", EXECUTION_SYMBOLS="SPY,QQQ,AAPL", EXECUTION_CLIENT="judged")

    def limits_since(position: int) -> bool:
        priced = log.all(ExecutionDecision, lambda d: d.action == "limit" and "collar" not in d.reasons, since=position)
        return bool(priced)

    eventually(lambda: limits_since(0))
    node.kill()
    eventually(lambda: log.all(ExecutionDecision, lambda decision: "collar" in decision.reasons))
    position = log.position()
    world.node()
    eventually(lambda: limits_since(position))
    broker.kill()
    broker = world.broker()
    position = log.position()
    eventually(lambda: limits_since(position))
    world.control.faults(cut="rst")
    log.health("backing_off", since=position)
    position = log.position()
    eventually(lambda: limits_since(position))
    actions = judge(log, world.audit, heard_all=False)
    assert actions["limit"] >= 20
    assert actions["collar"] > 0
    assert actions["market"] == 0


def test_killed_client_is_released_after_its_lease_and_only_it(world: World) -> None:
    world.broker()
    world.exchange("--rate", "200")
    world.node()
    log = world.log()
    keeper = world.client("keeper")
    keeper.request(["SPY"], wait_s=10)
    dying = Program("python", "-c", ASKS_AND_WAITS, environment=world.environment)
    world.programs.append(dying)
    status, _ = log.wait(SymbolStatus, lambda status: status.symbol == "SPY" and len(status.clients) == 2)
    assert {claim.client for claim in status.clients} == {keeper.name, world.name_of("dying")}
    dying.kill()
    position = log.position()
    released, _ = log.wait(
        SymbolStatus, lambda status: status.symbol == "QQQ" and status.state == "released", since=position
    )
    assert released.cause == "lease_expired"
    after = log.position()
    log.wait(Quote, lambda quote: quote.symbol == "SPY", since=after)
    assert not log.all(SymbolStatus, lambda status: status.symbol == "SPY" and status.state == "released")
    [connection] = world.control.state()["connections"]
    eventually(lambda: world.control.state()["connections"][0]["symbols"].get("quotes") == ["SPY"])
    assert keeper.usable("SPY")
    assert connection["number"] == 1

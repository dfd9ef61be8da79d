"""A halt survives whoever knows of it, and is not taken for trading by those who do not."""

from __future__ import annotations

from quotebus.bus.events import ExecutionDecision, SymbolStatus
from tests.support.judge import judge
from tests.support.programs import eventually
from tests.support.world import World


def _wait_for(world: World, halt: str, kind: str = "", symbol: str = "SPY", source_not: str = "") -> SymbolStatus:
    log = world.log(b"symbol.")
    status, _ = log.wait(
        SymbolStatus,
        lambda s: (
            s.symbol == symbol and s.halt == halt and (not kind or s.halt_kind == kind) and s.source != source_not
        ),
        within_s=30,
    )
    return status


def test_a_halt_is_known_to_a_node_started_again_without_the_former_ones_file(world: World) -> None:
    world.broker()
    world.exchange("--rate", "200")
    node = world.node()
    log = world.log()
    world.worker(EXECUTION_SYMBOLS="SPY,QQQ", EXECUTION_INTERVAL_S="0.02")
    log.wait(ExecutionDecision, lambda d: d.symbol == "SPY" and d.action == "limit")
    _wait_for(world, "presumed")  # from now on a halt is reported to the node
    world.control.halt("SPY")
    told = _wait_for(world, "halted", "status")
    node.kill()
    log.wait(ExecutionDecision, lambda d: d.symbol == "QQQ" and "health_silent" in d.reasons)
    elsewhere = world.folder / "elsewhere"
    elsewhere.mkdir()
    world.node(PRICING_LOCK_DIR=str(elsewhere))
    again = _wait_for(world, "halted", "hearsay", source_not=told.source)
    assert again.halt_exchange_ns == told.halt_exchange_ns, "passed on with its original time"
    position = log.position()
    log.wait(ExecutionDecision, lambda d: d.symbol == "QQQ" and d.action == "limit", since=position)
    assert not log.all(ExecutionDecision, lambda d: d.symbol == "SPY" and d.action != "refuse", since=position)
    world.control.resume("SPY")
    log.wait(ExecutionDecision, lambda d: d.symbol == "SPY" and d.action == "limit", since=position)
    judge(log, world.audit)


def test_a_halt_is_known_to_a_node_started_again_though_nobody_tells_it(world: World) -> None:
    world.broker()
    world.exchange("--rate", "200")
    node = world.node()
    client = world.client()
    client.request(["SPY"], wait_s=10)
    _wait_for(world, "presumed")
    world.control.halt("SPY")
    told = _wait_for(world, "halted", "status")
    eventually(lambda: list(world.folder.glob("*.halts")), why="the file of known halts")
    client.request([])
    node.kill()
    world.node()
    newcomer = world.client("newcomer")
    newcomer.request(["SPY"], wait_s=10)
    eventually(lambda: (status := newcomer.status("SPY")) is not None and status.halt == "halted")
    status = newcomer.status("SPY")
    assert status is not None
    assert (status.halt_kind, status.halt_exchange_ns) == ("status", told.halt_exchange_ns)
    assert "halted" in newcomer.assess("SPY").reasons


def test_a_symbol_halted_before_anybody_asks_is_unknown_and_gets_passive_orders_alone(world: World) -> None:
    world.broker()
    world.exchange("--rate", "200")
    world.control.halt("SPY")
    world.node()
    log = world.log()
    world.worker(EXECUTION_SYMBOLS="SPY,QQQ", EXECUTION_INTERVAL_S="0.02")
    _wait_for(world, "presumed", symbol="QQQ")
    position = log.position()
    log.wait(ExecutionDecision, lambda d: d.symbol == "QQQ" and "aggression=1.00" in d.reasons, since=position)
    log.wait(ExecutionDecision, lambda d: d.symbol == "SPY" and "aggression=0" in d.reasons, since=position)
    world.control.resume("SPY")
    _wait_for(world, "trading", "status")
    log.wait(ExecutionDecision, lambda d: d.symbol == "SPY" and "aggression=1.00" in d.reasons, since=position)
    eventually(lambda: len(log.all(ExecutionDecision, lambda d: d.action == "limit")) > 20)
    assert judge(log, world.audit)["limit"] > 10

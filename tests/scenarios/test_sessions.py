"""Sessions and levels of prices through the real programs."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.bus.events import ConnectionHealth, ExecutionDecision
from tests.execution_adapter.runs import Run, books
from tests.support.programs import eventually
from tests.support.stopwatch import Stopwatch
from tests.support.world import World


@pytest.mark.long
def test_after_a_real_gap_a_symbol_that_is_quoted_once_is_usable_after_5_s(world: World, stopwatch: Stopwatch) -> None:
    world.broker()
    world.exchange("--rate", "50")
    world.node(PRICING_QUIET_S="60")
    client = world.client("reader")
    client.request(["SPY"], wait_s=10)
    world.control.faults(mute_symbol="SPY")
    world.control.quote("SPY", 100.0, 100.02)
    world.control.quote("SPY", 100.0, 200.0)
    world.control.quote("SPY", 100.0, 100.02)
    eventually(lambda: client.usable("SPY"), why="the good quote behind a stub")
    world.control.quote("SPY", 125.0, 125.02)
    gap_ns = now_ns()
    eventually(lambda: client.assess("SPY").reasons == ("suspicious",), why="a jump is not believed at once")
    eventually(lambda: client.usable("SPY"), within_s=10, why="it has stood")
    usable_ns = now_ns()
    quote = client.assess("SPY").quote
    assert quote is not None
    assert (quote.bid_price, quote.flags) == (125.0, 0)
    assert (usable_ns - gap_ns) / NS_PER_S > 4
    assert stopwatch.seconds(gap_ns, usable_ns) < 6


def test_outside_the_regular_session_nothing_is_ordered(world: World) -> None:
    world.broker()
    world.exchange("--rate", "50")
    world.node(PRICING_SESSION="post")
    log = world.log(b"decision.", b"health.")
    worker = world.worker(EXECUTION_SYMBOLS="SPY", EXECUTION_FALLBACK="market")
    health, _ = log.wait(ConnectionHealth, lambda health: health.state == "streaming")
    assert health.session == "post"
    decision, _ = log.wait(ExecutionDecision, lambda decision: decision.quote != ("", 0))
    assert (decision.action, decision.reasons[-1]) == ("refuse", "not_tradable")
    assert "out_of_session" in decision.reasons
    worker.line("would not ")
    worker.stop()
    extended = world.worker(EXECUTION_SYMBOLS="SPY", EXECUTION_EXTENDED_HOURS="true")
    limit, _ = log.wait(ExecutionDecision, lambda decision: decision.action == "limit")
    assert "extended_hours" in limit.reasons
    assert extended.stop() == 0


def test_no_market_order_while_the_brokers_clock_says_closed(world: World) -> None:
    world.environment["PRICING_SESSION"] = "regular"  # the node's word and the broker's must agree
    run = Run(world, ("SPY",), window_s=4, recorded=False)
    world.control.session("closed")
    world.control.faults(mute=True)
    worker = run.start(EXECUTION_FALLBACK="market", EXECUTION_MAX_AGE_S="0.5", EXECUTION_GRACE_S="1")
    refused, _ = run.log.wait(ExecutionDecision, lambda decision: "broker_closed" in decision.reasons, within_s=30)
    assert refused.action == "refuse"
    assert run.end(worker) == 3
    assert not books(world.audit).orders


def test_with_an_open_market_at_the_broker_the_fallback_goes_to_the_market(world: World) -> None:
    run = Run(world, ("SPY",), window_s=4, recorded=False)
    world.control.faults(mute=True)
    worker = run.start(EXECUTION_FALLBACK="market", EXECUTION_MAX_AGE_S="0.5")
    run.log.wait(ExecutionDecision, lambda decision: decision.action == "market", within_s=30)
    assert run.end(worker) == 0
    assert books(world.audit).filled

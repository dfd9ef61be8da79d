"""Clocks that are wrong, are set, or jump, and lines that are late: told, never an old price, and healed."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import NS_PER_S, now_ns, utc_ns
from quotebus.bus.events import ConnectionHealth, ExecutionDecision, Quote
from tests.support.judge import judge
from tests.support.programs import eventually
from tests.support.skewed import Clocks
from tests.support.stopwatch import Stopwatch
from tests.support.world import World


def _own_clocks(world: World, *programs: str) -> Clocks:
    clocks = Clocks(world.folder / "clocks")
    for program in programs:
        world.clocks[program] = clocks.file
    return clocks


@pytest.mark.long
@pytest.mark.parametrize(("skew_s", "reason"), [(15.0, "exchange_late"), (-15.0, "exchange_ahead")])
def test_a_node_that_starts_before_its_clock_is_set(world: World, skew_s: float, reason: str) -> None:
    clocks = _own_clocks(world, "pricing-node")
    clocks.set(wall_s=skew_s)
    world.broker()
    world.exchange("--rate", "50")
    node = world.node()
    client = world.client()
    assert not client.request(["SPY"], wait_s=5)["SPY"].usable
    assert client.assess("SPY").reasons == (reason,)
    log = world.log()
    worker = world.worker(EXECUTION_SYMBOLS="SPY", EXECUTION_INTERVAL_S="0.1", EXECUTION_FALLBACK="refuse")
    refused, _ = log.wait(ExecutionDecision, lambda decision: reason in decision.reasons)
    assert refused.action == "refuse"
    position = log.position()
    clocks.set(wall_s=0)  # NTP has answered
    node.line(f"the system's clock was set by {-skew_s:+.0f}", within_s=60)
    assert not log.all(ExecutionDecision, lambda decision: decision.action != "refuse", since=position)
    eventually(lambda: client.usable("SPY"), within_s=15, why="the node has the right time")
    log.wait(ExecutionDecision, lambda decision: decision.action == "limit", since=position)
    assert worker.stop() == 0
    assert judge(log, world.audit)["limit"] > 0
    assert node.stop() == 0


def test_a_clock_that_is_set_back_and_forth_changes_nothing(world: World) -> None:
    clocks = _own_clocks(world, "pricing-node")
    world.broker()
    world.exchange("--rate", "50")
    world.node()
    client = world.client()
    assert client.request(["SPY"], wait_s=10)["SPY"].usable
    log = world.log()
    for wall_s in (3_600, 0, -3_600, 0):
        clocks.set(wall_s=wall_s)
        position = log.position()
        log.wait(ConnectionHealth, since=position)
        log.wait(ConnectionHealth, since=log.position())
        assert client.usable("SPY")
    assert len({quote.source for quote in log.all(Quote)}) == 1
    times = [quote.published_ns for quote in log.all(Quote, lambda quote: quote.symbol == "SPY")]
    assert times == sorted(times), "no message of one source looks reordered"


def test_a_line_that_is_ten_seconds_late_all_the_time_is_never_fresh(world: World) -> None:
    world.broker()
    world.exchange("--rate", "50")
    world.control.faults(skew_ms=-10_500)
    world.node()
    client = world.client()
    assert not client.request(["SPY"], wait_s=5)["SPY"].usable
    eventually(lambda: client.assess("SPY").reasons == ("exchange_late",), within_s=60, why="it streams, and late")
    log = world.log(b"decision.")
    worker = world.worker(EXECUTION_SYMBOLS="SPY", EXECUTION_INTERVAL_S="0.1", EXECUTION_FALLBACK="refuse")
    decision, _ = log.wait(ExecutionDecision, lambda decision: "exchange_late" in decision.reasons)
    assert decision.action == "refuse"
    world.control.faults(skew_ms=None)
    eventually(lambda: client.usable("SPY"), within_s=30, why="the line has caught up")
    log.wait(ExecutionDecision, lambda decision: decision.action == "limit")
    assert worker.stop() == 0


def test_a_host_that_slept_for_a_minute_uses_nothing_from_before(world: World, stopwatch: Stopwatch) -> None:
    """Its clocks jump by a minute, as after a suspend, with node and worker on it."""
    clocks = _own_clocks(world, "pricing-node", "execution-worker", "exchange-simulator")
    world.broker()
    world.exchange("--rate", "50")
    node = world.node()
    log = world.log()
    worker = world.worker(EXECUTION_SYMBOLS="SPY", EXECUTION_INTERVAL_S="0.05", EXECUTION_FALLBACK="refuse")
    log.wait(ExecutionDecision, lambda decision: decision.action == "limit")
    node.freeze()
    worker.freeze()
    clocks.set(wall_s=60, boot_s=60)
    slept_ns, woke_ns = utc_ns(), now_ns()
    node.thaw()
    worker.thaw()

    def after(decision: ExecutionDecision) -> bool:
        return decision.now_ns > slept_ns + 30 * NS_PER_S

    log.wait(ExecutionDecision, lambda d: after(d) and d.decided_by.endswith("/good"), within_s=60)
    assert stopwatch.seconds(woke_ns, now_ns()) < 60
    for decision in log.all(ExecutionDecision, lambda d: after(d) and d.action == "limit"):
        assert decision.quote_age_ns is not None
        assert decision.quote_age_ns < 5 * NS_PER_S, "one from before is a minute old"


@pytest.mark.long
def test_programs_that_stood_still_use_nothing_from_before(world: World) -> None:
    world.broker()
    world.exchange("--rate", "50")
    node = world.node()
    log = world.log()
    worker = world.worker(EXECUTION_SYMBOLS="SPY", EXECUTION_INTERVAL_S="0.05", EXECUTION_MAX_AGE_S="3")
    log.wait(ExecutionDecision, lambda decision: decision.action == "limit")
    node.freeze()
    log.wait(ExecutionDecision, lambda decision: "health_silent" in decision.reasons)
    worker.freeze()
    position = log.position()
    stood_ns = now_ns()
    eventually(lambda: now_ns() - stood_ns > 6 * NS_PER_S, why="longer than any bound on age here")
    worker.thaw()
    node.thaw()
    log.wait(ExecutionDecision, lambda decision: decision.decided_by.endswith("/good"), since=position, within_s=60)
    for decision in log.all(ExecutionDecision, lambda d: "aggression" in "".join(d.reasons), since=position):
        assert decision.quote_age_ns is not None
        assert decision.quote_age_ns < 3_000_000_000
    assert judge(log, world.audit)["limit"] > 0

"""Where a price is thin or missing nobody waits for ever: the decision table decides, and is named by who decided."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.bus.events import ExecutionDecision, SymbolsRequested, SymbolStatus
from tests.support.programs import Program, eventually
from tests.support.stopwatch import Stopwatch
from tests.support.world import World

SUMMARY = "decisions by row/price of the decision table:"
SHORT = {"EXECUTION_PATIENCE_S": "1", "EXECUTION_GRACE_S": "1"}


def _work(world: World, window_s: int, **settings: str) -> tuple[int, str]:
    """Work an intent to its end: the exit status, and the summary's line of what decided."""
    orders = {
        "EXECUTION_INTENTS": f"SPY buy 10 in {window_s}s",
        "EXECUTION_GATEWAY": "simulator",
        "EXECUTION_ORDERS_URL": f"{world.environment['PRICING_ORDER_REST_URL']}/v2",
        "EXECUTION_JOURNAL_DIR": str(world.folder / "journal"),
    }
    worker = world.worker(**{**orders, **SHORT, **settings})
    status = worker.wait(30)
    return status, worker.line(f"SPY buy: {SUMMARY}").partition(SUMMARY)[2].strip()


def _start(world: World, **node: str) -> None:
    world.broker()
    world.exchange("--rate", "50")
    world.node(**node)


def _wait_until_presumed(world: World) -> None:
    log = world.log(b"symbol.")
    log.wait(SymbolStatus, lambda status: status.symbol == "SPY" and status.halt == "presumed", within_s=30)


def _decide_until(world: World, decided_by: str, **settings: str) -> tuple[ExecutionDecision, Program]:
    """Decide without intents until this has decided; the decision, and the worker, which has ended."""
    log = world.log(b"decision.")
    worker = world.worker(EXECUTION_SYMBOLS="SPY", EXECUTION_INTERVAL_S="0.05", **{**SHORT, **settings})
    decision, _ = log.wait(ExecutionDecision, lambda decision: decision.decided_by == decided_by)
    assert worker.stop() == 0
    worker.line(SUMMARY)
    worker.line(f"  {decided_by}: {decision.action}, ")
    return decision, worker


def test_a_reader_of_quotes_alone_gets_passive_limits_where_nothing_proves_trading(world: World) -> None:
    _start(world, PRICING_DATA_URL="")
    client = world.client()
    assert client.request(["SPY"], wait_s=10)["SPY"].usable
    decision, _ = _decide_until(world, "unknown/good")
    assert (decision.action, decision.reasons[:2]) == ("limit", ("place", "aggression=0"))
    status, decided = _work(world, 2)
    assert status in (0, 3), "a passive limit may fill"
    rows = {row.rpartition(" ")[0] for row in decided.split(", ")}
    assert "unknown/good" in rows
    assert rows <= {"unknown/good", "no session/none"}, "a worker that hears nothing for its patience refuses first"


def test_before_the_regular_session_everything_is_refused_and_every_wait_ends(world: World) -> None:
    _start(world, PRICING_SESSION="pre")
    assert world.client().request(["SPY"], wait_s=10)["SPY"].usable, "a price may be read at any hour"
    decision, _ = _decide_until(world, "no session/none")
    assert decision.action == "refuse"
    status, decided = _work(world, 2)
    assert status == 3
    assert decided.startswith("no session/none ")
    status, decided = _work(world, 2, EXECUTION_EXTENDED_HOURS="true", EXECUTION_ACCOUNT="extended")
    assert "extended hours/good" in decided


@pytest.mark.long
def test_a_symbol_that_is_hardly_quoted_gets_a_collar_around_its_last_price(world: World, stopwatch: Stopwatch) -> None:
    world.broker()
    world.exchange("--rate", "50")
    world.control.faults(mute_symbol="SPY")
    world.node()
    client = world.client()
    began_ns = now_ns()
    found = client.request(["SPY", "QQQ"], wait_s=2)
    assert stopwatch.seconds(began_ns, now_ns()) < 4
    assert found["QQQ"].usable
    assert (found["SPY"].state, found["SPY"].usable) == ("pending", False)
    assert found["SPY"].reasons == ("not_live", "no_quote")
    log = world.log(b"decision.")
    settings = {"EXECUTION_MAX_AGE_S": "1", "EXECUTION_SYMBOLS": "SPY", "EXECUTION_INTERVAL_S": "0.05", **SHORT}
    worker = world.worker(**settings)
    log.wait(ExecutionDecision, lambda decision: decision.decided_by.endswith("/none"))
    world.control.quote("SPY", 100.0, 100.02)
    log.wait(ExecutionDecision, lambda decision: decision.decided_by.endswith("/good"))
    collar, _ = log.wait(ExecutionDecision, lambda decision: decision.decided_by.endswith("/last"))
    assert (collar.action, collar.reasons[0], collar.reasons[-1]) == ("limit", "too_old", "collar")
    assert worker.stop() == 0
    for price in ("none", "good", "last"):
        worker.line(f"/{price}: ")
    _wait_until_presumed(world)
    status, decided = _work(world, 2, EXECUTION_MAX_AGE_S="1")
    assert (status, decided) == (0, "trading/none 1"), "by the table it goes to the market"


def test_a_symbol_without_a_slot_is_refused_by_name_and_nobody_waits_for_it(world: World, stopwatch: Stopwatch) -> None:
    world.broker()
    world.exchange("--rate", "50", "--symbol-limit", "30")
    world.node(PRICING_SYMBOL_LIMIT="30")
    holder = world.client("holder")
    held = [f"A{number}" for number in range(30)]
    holder.request(held, wait_s=10, priority=10)
    client = world.client("late")
    began_ns = now_ns()
    found = client.request(["SPY"], wait_s=20)["SPY"]
    assert stopwatch.seconds(began_ns, now_ns()) < 2
    assert (found.state, found.cause, found.hopeless) == ("evicted", "symbol_limit", True)
    decision, _ = _decide_until(world, "unknown/none")
    assert decision.action == "refuse"
    status, decided = _work(world, 2)
    assert status == 3
    assert decided.startswith("unknown/none ")
    log = world.log(b"symbol.")
    holder.discard(held[:1])
    log.wait(SymbolStatus, lambda status: status.symbol == "SPY" and status.state == "live")
    eventually(lambda: client.usable("SPY"))


def test_without_patience_nothing_is_ordered_before_the_first_price_could_be_there(world: World) -> None:
    world.broker()
    world.exchange("--rate", "50")
    world.control.faults(mute_symbol="SPY")
    world.node()
    world.client("warm").request(["SPY", "QQQ"])
    _wait_until_presumed(world)
    log = world.log(b"decision.", b"symbols.requested")
    worker = world.worker(EXECUTION_SYMBOLS="SPY", EXECUTION_PATIENCE_S="0", EXECUTION_INTERVAL_S="0.01")
    at_market, _ = log.wait(ExecutionDecision, lambda decision: decision.action == "market")
    assert at_market.decided_by == "trading/none"
    decisions = log.all(ExecutionDecision)
    asked = log.all(SymbolsRequested, lambda request: request.client == at_market.client)[0]
    assert at_market.now_ns - asked.published_ns >= 0.9 * NS_PER_S, "a second from when it asks, by another clock"
    early = [decision for decision in decisions if decision.now_ns - asked.published_ns < 0.9 * NS_PER_S]
    assert {(decision.action, decision.decided_by) for decision in early} <= {
        ("refuse", "first second"),
        ("refuse", "no session/none"),  # before the node was heard
    }
    assert worker.stop() == 0

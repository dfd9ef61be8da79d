"""The worker with real orders, as `runs` has it at full length; here with few symbols and short windows."""

from __future__ import annotations

from decimal import Decimal

import pytest

from quotebus.bus.clock import NS_PER_S, utc_ns
from quotebus.bus.events import HaltKnowledge, TradeIntent
from tests.execution_adapter.runs import RUNS, Run, books
from tests.support.programs import eventually
from tests.support.world import World


@pytest.mark.parametrize("name", ["one_sided", "restarted"])
def test_run_holds(world: World, name: str) -> None:
    run = Run(world, ("SPY", "QQQ", "AAPL", "XLF"), window_s=3)
    RUNS[name](run)  # asserts what must hold in every run, and what this one is for
    found = books(world.audit)
    assert {orders[0]["symbol"] for orders in found.orders.values()} == run.intents.keys(), "each was worked"
    assert any(found.filled.values())


def test_two_workers_at_once_do_not_disturb_each_other(world: World) -> None:
    run = Run(world, ("SPY",), window_s=3, recorded=False)
    one, same = run.start(), run.start()
    other = run.start(EXECUTION_INTENTS="SPY buy 5.5 in 3s id=other; QQQ sell 3 in 3s", EXECUTION_FRACTIONAL="true")
    for worker in (one, same, other):
        worker.wait(30)
        not_worked = [line for line in worker.lines if "another worker is already working on it" in line]
        assert worker.wait(30) == (4 if not_worked else 0), worker.lines
        assert not not_worked or any("CHECK AT BROKER: order qb-SPY-buy-" in line for line in worker.lines)
    found = books(world.audit)
    assert sorted(map(float, found.filled.values())) == [3, 5.5, 10]
    twice = [*one.lines, *same.lines]
    told = ("another worker is already working on it (", "already done")
    assert sum(any(text in line for text in told) for line in twice) == 1
    leaver = run.start(EXECUTION_INTENTS="SPY sell all in 3s; QQQ sell all; AAPL sell all")
    assert leaver.wait(30) == 0, leaver.lines
    sold = {orders[0]["symbol"]: books(world.audit).filled[intent] for intent, orders in
            books(world.audit).orders.items() if intent not in found.orders}  # fmt: skip
    assert sold == {"SPY": Decimal("15.5")}, "a short position and none are nothing to sell"
    assert sum("filled (no position)" in line for line in leaver.lines) == 2


def test_stopped_worker_cancels_what_is_open_and_goes_on_later(world: World) -> None:
    run = Run(world, ("SPY",), window_s=60, recorded=False)
    world.control.faults(order_ack_ms=60_000)
    worker = run.start()
    worker.line("resting")
    world.control.lift_faults()
    assert worker.stop() in (0, 3)
    eventually(lambda: set(books(world.audit).statuses.values()) <= {"canceled", "filled"})
    again = run.start()
    assert again.wait(90) == 0, again.lines
    assert list(books(world.audit).filled.values()) == [10]


def test_intent_from_the_bus_is_worked_once_however_often_it_is_sent_and_outlives_its_worker(world: World) -> None:
    run = Run(world, ("SPY",), window_s=3, recorded=False)
    world.control.faults(order_ack_ms=60_000)
    worker = run.start(EXECUTION_INTENTS="", EXECUTION_INTENTS_FROM="strategy")
    worker.line("working 0 intents")
    strategy, stranger = world.client("strategy"), world.client("stranger")
    strategy.request("SPY")
    eventually(lambda: strategy.results()["SPY"].halt is HaltKnowledge.PRESUMED)  # else nothing is forced at the end
    first_ns = utc_ns() + 12 * NS_PER_S

    def wish(client: str, deadline_ns: int) -> TradeIntent:
        return TradeIntent(
            client=client, intent_id="a", symbol="SPY", side="buy", qty=7.0, urgency="", deadline_ns=deadline_ns
        )

    def said(text: str, deadline_ns: int = first_ns) -> bool:
        strategy.publish(wish("strategy", deadline_ns))
        stranger.publish(wish("stranger", deadline_ns))
        return any(text in line for line in worker.lines)

    eventually(lambda: said("resting"))
    worker.kill()
    world.control.lift_faults()
    worker = run.start(EXECUTION_INTENTS="", EXECUTION_INTENTS_FROM="strategy")
    worker.line("resumed after ")  # one order, or more where the market has moved meanwhile
    worker.line("done (all filled)")
    assert worker.stop() == 0
    worker = run.start(EXECUTION_INTENTS="", EXECUTION_INTENTS_FROM="strategy")
    worker.line("working 0 intents")
    eventually(lambda: said("already done", utc_ns() + 60 * NS_PER_S), why="one more time for it makes no other intent")
    assert worker.stop() == 0
    assert sum("already done" in line for line in worker.lines) == 1
    found = books(world.audit)
    assert list(found.filled.values()) == [7]
    assert len(found.orders) == 1, "one wish, whoever has worked it"

"""What a worker reports of an intent, and when."""

from __future__ import annotations

from decimal import Decimal

import pytest

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.events import ExecutionOutcome
from quotebus.execution_adapter.decision.tactics import Tactics
from quotebus.execution_adapter.intents import parse
from quotebus.execution_adapter.orders.child_order import ChildOrder
from quotebus.execution_adapter.orders.intent_reports import MAX_ORDERS, IntentReports
from quotebus.execution_adapter.orders.journal_entries import (
    JournalDamaged,
    JournalEnd,
    JournalHead,
    final_entry,
    place_entry,
)
from quotebus.execution_adapter.orders.order import Order, Status
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.states import Outcome, State
from quotebus.execution_adapter.orders.summary import IntentEnd
from tests.support.samples import INTENT

T0 = 50 * NS_PER_S


def parent(text: str = "SPY buy 10 in 60s", key: tuple[str, str] = ("strategy", "a")) -> ParentOrder:
    made = ParentOrder(parse(text), "qb-buy-x", T0, Tactics())
    made.intent_key = key
    return made


def child(number: int, filled: str, price: str = "100") -> ChildOrder:
    order = Order(f"qb-buy-x-{number}", "SPY", "buy", Decimal(10), Decimal(100))
    return ChildOrder(order, Decimal(filled), Decimal(price), Status.FILLED, proven=True, order_id=f"o-{number}")


def test_each_change_within_a_tenth_of_a_second_each_second_and_whenever_asked() -> None:
    reports, worked = IntentReports("worker-1", "paper/"), parent()
    reports.note(worked, T0)
    assert [report.state for report in reports.take()] == ["waiting"]
    worked.state = State.LOOKING_UP
    reports.note(worked, T0 + 99 * NS_PER_MS)
    assert reports.take() == []
    reports.note(worked, T0 + 100 * NS_PER_MS)
    assert [report.state for report in reports.take()] == ["looking_up"]
    reports.note(worked, T0 + 1_099 * NS_PER_MS)
    assert reports.take() == []
    reports.note(worked, T0 + 1_100 * NS_PER_MS)
    assert len(reports.take()) == 1
    reports.ask("qb-buy-x")
    reports.note(worked, T0 + 1_101 * NS_PER_MS)
    assert len(reports.take()) == 1
    worked.children = [ChildOrder(Order("qb-buy-x-1", "SPY", "buy", Decimal(10), None))]
    worked.state, worked.outcome = State.DONE, Outcome.UNRESOLVED
    reports.note(worked, T0 + 2 * NS_PER_S)
    assert [report.outcome for report in reports.take()] == [ExecutionOutcome.UNRESOLVED]
    reports.note(worked, T0 + 20 * NS_PER_S)
    assert reports.take() == [], "an end is said once, and when it is asked for"


def test_what_did_not_come_over_the_bus_is_not_reported() -> None:
    reports = IntentReports("worker-1", "paper/")
    reports.note(parent(key=("", "")), T0)
    reports.note_ended(
        [JournalHead(parse("SPY buy 10"), 0, 0, "paper/").entry], JournalEnd(Outcome.UNFILLED, "0 of 10")
    )
    assert reports.take() == []


def test_numbers_orders_and_reasons() -> None:
    reports, worked = IntentReports("worker-1", "paper/"), parent()
    worked.children = [child(number, "0.0625", "100.1234567") for number in range(1, 121)]
    worked.arrival_mid = Decimal("100.005")
    reports.note(worked, T0)
    [report] = reports.take()
    assert (report.qty, report.filled, report.average_price, report.arrival_price) == (
        "10", "7.5000", "100.123457", "100.005",
    )  # fmt: skip
    assert len(report.orders) == MAX_ORDERS
    assert (report.orders[-1].client_order_id, report.orders[-1].order_id) == ("qb-buy-x-120", "o-120")


def test_a_worker_that_is_stopped_ends_nothing() -> None:
    reports, worked = IntentReports("worker-1", "paper/"), parent()
    worked.stopping, worked.state, worked.outcome = True, State.DONE, Outcome.UNFILLED
    reports.note(worked, T0)
    [report] = reports.take()
    assert (report.outcome, report.state) == ("working", "stopped")


@pytest.mark.parametrize(
    ("filled", "outcome", "ended"),
    [("10", Outcome.FILLED, "filled"), ("4", Outcome.PARTLY, "partly_filled"), ("0", Outcome.UNFILLED, "unfilled")],
)
def test_an_end_in_a_former_life(filled: str, outcome: Outcome, ended: str) -> None:
    reports = IntentReports("worker-2", "paper/")
    done = child(1, filled)
    head = JournalHead(parse("SPY buy 10"), 5, 0, "paper/", ("strategy", "a"))
    entries = [head.entry, place_entry(done.order), final_entry(done)]
    end = JournalEnd(outcome, f"{filled} of 10 (rejected 1 times: no (really))")
    reports.note_ended(entries, end)
    [report] = reports.take()
    assert (report.client, report.intent_id, report.outcome, report.filled) == ("strategy", "a", ended, filled)
    assert report.cause == "rejected 1 times: no (really)"
    with pytest.raises(JournalDamaged):
        reports.note_ended([*entries, {"place": {}}], end)


def test_a_decline() -> None:
    reports = IntentReports("worker-1", "paper/")
    reports.decline(INTENT, "why not" * 100)
    [report] = reports.take()
    assert (report.outcome, report.intent_id, len(report.cause)) == ("declined", INTENT.intent_id, 200)


def test_one_that_is_not_worked_any_more_is_open() -> None:
    reports = IntentReports("worker-1", "paper/")
    reports.give_up(INTENT, IntentEnd("SPY sell 5", Outcome.UNRESOLVED, "not worked: damaged", ("qb-1",)))
    [report] = reports.take()
    assert (report.outcome, [order.client_order_id for order in report.orders]) == ("unresolved", ["qb-1"])
    assert report.qty == "5.0"

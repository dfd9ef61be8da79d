"""The broker's clock: asked when it is wanted, believed for a moment."""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.decision.choose import BrokerMarket
from quotebus.execution_adapter.orders.broker_clock import ASK_EVERY_NS, HOLDS_NS, BrokerClock
from quotebus.execution_adapter.orders.order import CLOCK, ClockReport, NotFound, QueryClock, Unknown

T0 = 100 * NS_PER_S


def test_without_a_broker_it_is_not_asked_and_forbids_nothing() -> None:
    clock = BrokerClock(has_broker=False)
    assert clock.ask(T0) == []
    assert clock.find(T0) is BrokerMarket.NONE


def test_an_answer_holds_for_five_seconds() -> None:
    clock = BrokerClock(has_broker=True)
    assert clock.find(T0) is BrokerMarket.UNKNOWN
    assert clock.ask(T0) == [QueryClock()]
    assert clock.take(ClockReport(True), T0)
    assert clock.find(T0 + HOLDS_NS) is BrokerMarket.OPEN
    assert clock.find(T0 + HOLDS_NS + 1) is BrokerMarket.UNKNOWN
    assert clock.take(ClockReport(False), T0 + HOLDS_NS + 1)
    assert clock.find(T0 + HOLDS_NS + 1) is BrokerMarket.CLOSED


def test_one_question_at_a_time_and_one_a_second() -> None:
    clock = BrokerClock(has_broker=True)
    assert clock.ask(T0) == [QueryClock()]
    assert clock.ask(T0 + 10 * ASK_EVERY_NS) == [], "one is under way"
    assert clock.take(Unknown(CLOCK, "no answer"), T0)
    assert clock.ask(T0 + ASK_EVERY_NS - 1) == []
    assert clock.ask(T0 + ASK_EVERY_NS) == [QueryClock()]
    assert clock.find(T0) is BrokerMarket.UNKNOWN


def test_other_answers_are_not_its_own() -> None:
    clock = BrokerClock(has_broker=True)
    assert not clock.take(NotFound("qb-1"), T0)
    assert not clock.take(Unknown("qb-1", "no answer"), T0)

"""Selling all that is held: never more than is there and free, down to the last fraction."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.decision.tactics import Tactics
from quotebus.execution_adapter.intents import Intent
from quotebus.execution_adapter.orders.order import (
    Answer,
    Command,
    Order,
    PositionReport,
    QueryPosition,
    Report,
    Status,
    SubmitOrder,
    Unknown,
)
from quotebus.execution_adapter.orders.sell_all import SellAllOrder
from quotebus.execution_adapter.orders.states import Outcome, State
from tests.execution_adapter.search import World, advance_alone

T0 = 1_000 * NS_PER_S
FIRST = QueryPosition("qb-SPY-held-1", "SPY")


class Rig:
    def __init__(self, qty: str = "0") -> None:
        self.world = World(Random(0))
        intent = Intent("SPY", "sell", Decimal(qty), 60 * NS_PER_S, exits=True)
        self.parent = SellAllOrder(intent, "qb-SPY", T0, Tactics())

    def after(self, seconds: float) -> list[Command]:
        self.world.now_ns += int(seconds * NS_PER_S)
        return advance_alone(self.parent, self.world)

    def say(self, answer: Answer) -> list[Command]:
        return self.parent.on_answer(answer, self.world.now_ns)

    def held(self, qty: str, available: str | None = None, question: int = 1) -> list[Command]:
        self.say(PositionReport(f"qb-SPY-held-{question}", Decimal(qty), Decimal(available or qty)))
        return self.after(0)


def test_asks_first_and_sells_every_fraction() -> None:
    rig = Rig()
    assert rig.after(0) == [FIRST]
    [place] = rig.held("10.25")
    assert place == SubmitOrder(Order("qb-SPY-1", "SPY", "sell", Decimal("10.25"), Decimal("10.02")))


def test_what_others_hold_back_is_waited_for() -> None:
    rig = Rig()
    rig.after(0)
    [place] = rig.held("10", "4")
    assert isinstance(place, SubmitOrder)
    assert place.order.qty == 4
    rig.say(Report("qb-SPY-1", Status.FILLED, Decimal(4), Decimal(10), "b", None, True))
    assert rig.after(0) == [QueryPosition("qb-SPY-held-2", "SPY")]
    assert rig.held("6", "0", 2) == []
    assert rig.after(4) == []
    assert rig.after(1) == [QueryPosition("qb-SPY-held-3", "SPY")]
    [place] = rig.held("6", "6", 3)
    assert isinstance(place, SubmitOrder)
    assert place.order.qty == 6


def test_never_sells_twice_what_a_late_position_still_shows_nor_what_others_sold() -> None:
    for shown, left in (("10", "6"), ("6", "6"), ("1", "1"), ("20", "6")):
        rig = Rig()
        rig.after(0)
        rig.held("10")
        rig.say(Report("qb-SPY-1", Status.CANCELED, Decimal(4), Decimal(10), "b", None, True))
        rig.after(0)
        [place] = rig.held(shown, None, 2)
        assert isinstance(place, SubmitOrder)
        assert place.order.qty == Decimal(left), shown


def test_old_answer_is_no_answer_and_a_missing_one_is_asked_for_again() -> None:
    rig = Rig()
    rig.after(0)
    assert rig.held("10", question=7) == []
    assert rig.say(Unknown("qb-SPY-held-1", "timed out")) == []
    assert rig.after(0.5) == []
    assert rig.after(0.5) == [FIRST]
    assert rig.after(70) == []
    assert (rig.parent.state, rig.parent.outcome, rig.parent.cause) == (State.DONE, Outcome.UNFILLED, "out of time")


def test_nothing_held_is_done() -> None:
    rig = Rig()
    rig.after(0)
    assert rig.held("0") == []
    assert (rig.parent.outcome, rig.parent.cause) == (Outcome.FILLED, "no position")


def test_number_is_asked_for_anew_when_the_price_came_late() -> None:
    rig = Rig()
    rig.world.usable = False
    rig.after(0)
    assert rig.held("10") == []
    rig.world.usable = True
    assert rig.after(3) == [QueryPosition("qb-SPY-held-2", "SPY")]
    rig.parent.stop(rig.world.now_ns)
    assert rig.after(0) == []
    assert rig.parent.cause == "stopped"


def test_size_from_before_a_restart_is_not_exceeded() -> None:
    rig = Rig("10")
    rig.parent.restore([], T0)
    assert rig.after(0) == [FIRST]
    [place] = rig.held("12")
    assert isinstance(place, SubmitOrder)
    assert place.order == replace(place.order, qty=Decimal(10))

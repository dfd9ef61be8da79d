"""What the broker's harder answers do to an intent: taken ids, refusals for now, an order replaced by hand."""

from __future__ import annotations

from decimal import Decimal
from random import Random

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.decision.fallback import Policies, Policy
from quotebus.execution_adapter.decision.tactics import Tactics
from quotebus.execution_adapter.intents import Intent
from quotebus.execution_adapter.orders.child_order import ChildOrder
from quotebus.execution_adapter.orders.order import (
    Answer,
    CancelOrder,
    Exists,
    NotFound,
    Order,
    QueryOrder,
    Refused,
    Report,
    Request,
    Status,
    SubmitOrder,
    Unknown,
    Until,
)
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.states import Outcome, State
from tests.execution_adapter.search import World, advance_alone

T0 = 1_000 * NS_PER_S
TEN = Decimal(10)


class Rig:
    """An intent of 60 s to buy 10, and a market to work it in."""

    def __init__(self) -> None:
        self.world = World(Random(0))
        self.parent = ParentOrder(
            Intent("SPY", "buy", TEN, 60 * NS_PER_S), "qb-SPY", T0, Tactics(), Policies(Policy.MARKET)
        )

    def after(self, seconds: float) -> list[object]:
        self.world.now_ns += int(seconds * NS_PER_S)
        return [*advance_alone(self.parent, self.world)]

    def told(self, answer: Answer) -> list[object]:
        return [*self.parent.on_answer(answer, self.world.now_ns)]

    def report(
        self, status: Status, filled: float = 0, *, order_id: str = "b-1", replaced_by: str = "",
        name: str = "qb-SPY-1", asked: bool = True, qty: float = 10,
    ) -> list[object]:  # fmt: skip
        return self.told(
            Report(name, status, Decimal(str(filled)), Decimal(10), order_id, Decimal(10), asked, status,
                   Decimal(str(qty)), replaced_by)
        )  # fmt: skip

    def placed(self) -> Order:
        [place] = self.after(0)
        assert isinstance(place, SubmitOrder)
        return place.order

    def refuse(self, until: Until, wait_s: float | None = None, order_id: str = "", number: int = 1) -> None:
        wait_ns = None if wait_s is None else int(wait_s * NS_PER_S)
        self.told(Refused(f"qb-SPY-{number}", Request.PLACE, "http 429", False, until, wait_ns, order_id))


def test_an_id_that_is_taken_is_looked_up_until_it_is_found_and_never_ended_as_unfilled() -> None:
    rig = Rig()
    rig.placed()
    rig.told(Unknown("qb-SPY-1", "no answer"))
    for _ in range(3):
        rig.told(NotFound("qb-SPY-1"))
    [again] = rig.after(1)
    assert isinstance(again, SubmitOrder)
    assert rig.told(Exists("qb-SPY-1", "client_order_id must be unique")) == [QueryOrder("qb-SPY-1")]
    for _ in range(20):
        rig.told(NotFound("qb-SPY-1"))
        assert rig.after(1) == [QueryOrder("qb-SPY-1")]
        assert rig.parent.state is State.LOOKING_UP
    rig.report(Status.FILLED, 10)
    rig.after(0)
    assert rig.parent.outcome is Outcome.FILLED


def test_an_id_that_is_taken_and_never_shown_is_left_for_a_person() -> None:
    rig = Rig()
    rig.placed()
    rig.told(Exists("qb-SPY-1", "client_order_id must be unique"))
    for _ in range(200):
        rig.after(1)
        rig.told(NotFound("qb-SPY-1"))
    assert rig.parent.outcome is Outcome.UNRESOLVED
    assert rig.parent.contradictions == 0, "a look-up that is late contradicts nobody"


def test_a_lost_order_whose_id_turns_out_taken_is_not_lost() -> None:
    rig = Rig()
    rig.placed()
    rig.told(Unknown("qb-SPY-1", "no answer"))
    for _ in range(3):
        rig.told(NotFound("qb-SPY-1"))
    assert rig.parent.state is State.WAITING
    assert rig.told(Exists("qb-SPY-1", "late")) == [QueryOrder("qb-SPY-1")]


def test_too_many_requests_never_ends_an_intent_whose_window_runs() -> None:
    rig = Rig()
    for number in range(1, 8):
        order = rig.placed()
        assert order.client_order_id == f"qb-SPY-{number}"
        rig.refuse(Until.TIME, 5, number=number)
        assert rig.after(4.9) == []
        rig.world.now_ns += NS_PER_S // 5
    rig.placed()
    rig.report(Status.FILLED, 10, name="qb-SPY-8")
    rig.after(0)
    assert rig.parent.outcome is Outcome.FILLED


def test_a_refusal_for_now_ends_with_the_time_and_says_so() -> None:
    rig = Rig()
    rig.placed()
    rig.refuse(Until.TIME, 3_600)
    assert rig.after(71) == []
    assert (rig.parent.outcome, rig.parent.cause) == (Outcome.UNFILLED, "out of time: http 429")


@pytest.mark.parametrize("until", [Until.ORDER, Until.SHARES])
def test_the_named_order_is_waited_for(until: Until) -> None:
    rig = Rig()
    rig.placed()
    rig.refuse(until, order_id="other")
    [question] = rig.after(1)
    assert question == QueryOrder("qb-SPY-in-the-way", "other")
    assert rig.told(Report("qb-SPY-in-the-way", Status.OPEN, order_id="other", authoritative=True)) == []
    assert rig.after(0.1) == []
    rig.told(Report("qb-SPY-in-the-way", Status.CANCELED, order_id="other", authoritative=True))
    assert rig.placed().client_order_id == "qb-SPY-2"


def test_buying_power_is_waited_for_while_others_of_ours_hold_or_bring_it() -> None:
    rig = Rig()
    for number in range(1, 6):
        rig.parent.pace.begin_turn(rig.world.now_ns, 1, frozenset({"qb-SPY", "qb-QQQ"}))
        rig.placed()
        rig.refuse(Until.POWER, number=number)
        assert rig.parent.state is State.WAITING
        rig.world.now_ns += 5 * NS_PER_S
    assert rig.parent.rejects == 0
    for number in range(6, 9):
        rig.parent.pace.begin_turn(rig.world.now_ns, 1, frozenset({"qb-SPY"}))
        rig.placed()
        rig.refuse(Until.POWER, number=number)
        rig.world.now_ns += 5 * NS_PER_S
    rig.after(0)
    assert (rig.parent.outcome, rig.parent.rejects) == (Outcome.UNFILLED, 3), "nobody of ours has any"


def test_a_stopped_intent_waits_for_nobody() -> None:
    rig = Rig()
    rig.placed()
    rig.refuse(Until.ORDER, order_id="other")
    rig.parent.stop(rig.world.now_ns)
    assert rig.after(0) == []
    assert rig.parent.outcome is Outcome.UNFILLED


def replaced(filled: float = 0) -> Rig:
    """An order that somebody replaced by hand, and that is being followed."""
    rig = Rig()
    rig.placed()
    rig.report(Status.OPEN)
    rig.report(Status.REPLACED, filled, asked=False)
    assert rig.report(Status.REPLACED, filled, replaced_by="b-2") == [QueryOrder("qb-SPY-1", "b-2")]
    return rig


def test_the_order_that_took_its_place_is_followed_to_its_end() -> None:
    rig = replaced()
    rig.report(Status.OPEN, order_id="b-2")
    assert rig.parent.state is State.RESTING
    rig.world.bid, rig.world.ask = Decimal("10.10"), Decimal("10.14")
    assert rig.after(6) == [], "it stays where a person has put it"
    assert rig.report(Status.FILLED, 10, order_id="b-2", name="stranger", asked=False) == [
        QueryOrder("qb-SPY-1", "b-2")
    ]
    rig.report(Status.FILLED, 10, order_id="b-2")
    rig.after(0)
    assert rig.parent.outcome is Outcome.FILLED


def test_at_the_end_of_its_time_the_successor_is_what_is_canceled() -> None:
    rig = replaced()
    rig.report(Status.OPEN, order_id="b-2")
    assert rig.after(71) == [CancelOrder("qb-SPY-1", "b-2")]
    rig.report(Status.CANCELED, 3, order_id="b-2")
    rig.after(0)
    assert (rig.parent.outcome, rig.parent.filled) == (Outcome.PARTLY, Decimal(3))


def test_a_late_word_of_the_order_that_was_replaced_says_nothing_of_its_successor() -> None:
    rig = replaced()
    assert rig.report(Status.REPLACED, 0, replaced_by="b-2", order_id="b-1") == []
    assert rig.report(Status.CANCELED, 0, order_id="b-1") == []
    assert rig.parent.open_order is not None


def test_replaced_again_and_again_is_followed_within_a_bound() -> None:
    rig = replaced()
    for number in range(3, 22):
        asked = rig.report(Status.REPLACED, order_id=f"b-{number - 1}", replaced_by=f"b-{number}")
        assert asked == [QueryOrder("qb-SPY-1", f"b-{number}")]
    assert rig.report(Status.REPLACED, order_id="b-21", replaced_by="b-1") == []
    assert rig.parent.outcome is Outcome.UNRESOLVED


def test_without_a_word_of_its_successor_a_person_must_look() -> None:
    rig = Rig()
    rig.placed()
    rig.report(Status.OPEN)
    rig.told(Unknown("qb-SPY-1", "x"))
    rig.report(Status.REPLACED, asked=False)
    rig.report(Status.REPLACED)
    assert rig.parent.outcome is Outcome.UNRESOLVED


@pytest.mark.parametrize(
    ("before", "counts", "filled", "may_order"),
    [(0, [6], 6, 4), (4, [0, 3], 7, 3), (4, [4], 4, 2), (4, [4, 8], 8, 0), (4, [1, 5], 9, 1)],
    ids=["nothing before", "counts anew", "may carry on", "may be all", "counted anew once, always"],
)
def test_fills_before_and_after_a_replacement_never_allow_one_share_too_many(
    before: int, counts: list[int], filled: int, may_order: int
) -> None:
    rig = replaced(before)
    for count in counts:
        rig.report(Status.OPEN, count, order_id="b-2")
    rig.parent.on_gap(rig.world.now_ns)
    rig.report(Status.CANCELED, counts[-1], order_id="b-2")
    assert (rig.parent.filled, rig.parent.remaining) == (filled, may_order)


def test_a_larger_order_by_hand_is_counted_as_it_is() -> None:
    rig = replaced()
    rig.report(Status.OPEN, 0, order_id="b-2", qty=25)
    rig.parent.on_gap(rig.world.now_ns)
    rig.report(Status.FILLED, 25, order_id="b-2", qty=25)
    assert (rig.parent.filled, rig.parent.remaining) == (25, 0)


def test_a_restarted_worker_follows_as_well() -> None:
    rig = Rig()
    child = ChildOrder(Order("qb-SPY-1", "SPY", "buy", TEN, Decimal(10)))
    rig.parent.restore([child], rig.world.now_ns)
    assert rig.report(Status.REPLACED, 2, replaced_by="b-2") == [QueryOrder("qb-SPY-1", "b-2")]


def test_filled_with_less_than_it_is_for_is_asked_about_and_then_for_a_person() -> None:
    rig = Rig()
    rig.placed()
    rig.report(Status.OPEN)
    for _ in range(3):
        assert rig.parent.outcome is None
        rig.after(2)
        rig.told(Report("qb-SPY-1", Status.FILLED, Decimal(0), authoritative=True, word="filled", qty=Decimal(10)))
    assert rig.after(1) == [] or rig.parent.state is State.LOOKING_UP
    assert not any(isinstance(command, SubmitOrder) for command in rig.after(5)), "nothing is ordered on such a word"
    rig.told(NotFound("qb-SPY-2"))
    rig.after(1)
    assert rig.parent.find_outcome() is Outcome.UNRESOLVED

"""Working an order: the ordinary life step by step, and a search for an order of events that breaks the rules."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.errors import IllegalTransition
from quotebus.bus.events import MarketSession
from quotebus.execution_adapter.decision.action import Action
from quotebus.execution_adapter.decision.choose import BrokerMarket
from quotebus.execution_adapter.decision.fallback import Policies, Policy
from quotebus.execution_adapter.decision.tactics import Tactics
from quotebus.execution_adapter.intents import Intent
from quotebus.execution_adapter.orders.child_order import ChildOrder
from quotebus.execution_adapter.orders.order import (
    CancelOrder,
    NotFound,
    Order,
    QueryOrder,
    Refused,
    Report,
    Request,
    Status,
    SubmitOrder,
    Unknown,
)
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.states import TRANSITIONS, Outcome, State
from tests.execution_adapter.mutants import MUTANTS
from tests.execution_adapter.search import World, advance_alone, caught, search

T0 = 1_000 * NS_PER_S
TEN = Decimal(10)


class Rig:
    """A working order and a market to work it in; time passes by `after`."""

    def __init__(self, policy: Policy = Policy.MARKET, **tactics: object) -> None:
        from random import Random

        self.world = World(Random(0))
        self.parent = ParentOrder(
            Intent("SPY", "buy", TEN, 60 * NS_PER_S), "qb-SPY", T0, Tactics(**tactics), Policies(policy)  # type: ignore[arg-type]
        )  # fmt: skip

    def after(self, seconds: float) -> list[object]:
        self.world.now_ns += int(seconds * NS_PER_S)
        return [*advance_alone(self.parent, self.world)]

    def say(self, status: Status, filled: int = 0, *, asked: bool = True, number: int = 1) -> list[object]:
        report = Report(f"qb-SPY-{number}", status, Decimal(filled), Decimal("10.01"), "b-1", Decimal("10.00"), asked)
        return [*self.parent.on_answer(report, self.world.now_ns)]

    def placed(self) -> Order:
        [place] = self.after(0)
        assert isinstance(place, SubmitOrder)
        self.say(Status.OPEN)
        return place.order


def test_places_inside_the_spread_and_ends_when_filled() -> None:
    rig = Rig()
    assert rig.placed() == Order("qb-SPY-1", "SPY", "buy", TEN, Decimal("10.02"))
    assert rig.parent.state is State.RESTING
    assert rig.say(Status.FILLED, 10, asked=False) == [QueryOrder("qb-SPY-1")], (
        "the broker is asked whether that is all"
    )
    rig.say(Status.FILLED, 10)
    rig.after(0)
    assert (rig.parent.outcome, rig.parent.filled, rig.parent.average_price) == (Outcome.FILLED, TEN, Decimal("10.01"))


def test_follows_the_market_with_what_remains() -> None:
    rig = Rig()
    rig.placed()
    rig.world.bid, rig.world.ask = Decimal("10.10"), Decimal("10.14")
    assert rig.after(1) == [], "not before the cadence"
    assert rig.after(5) == [CancelOrder("qb-SPY-1", "b-1")]
    assert rig.after(0.1) == [], "nothing is placed while the old order may fill"
    assert rig.say(Status.CANCELED, 4, asked=False) == [QueryOrder("qb-SPY-1")]
    assert rig.after(0.1) == []
    rig.say(Status.CANCELED, 4)
    [place] = rig.after(0)
    assert isinstance(place, SubmitOrder)
    assert (place.order.client_order_id, place.order.qty) == ("qb-SPY-2", Decimal(6))


def test_end_of_the_window_sends_only_the_rest() -> None:
    rig = Rig()
    rig.placed()
    assert rig.after(61) == [CancelOrder("qb-SPY-1", "b-1")]
    rig.say(Status.CANCELED, 9)
    [place] = rig.after(0)
    assert place == SubmitOrder(Order("qb-SPY-2", "SPY", "buy", Decimal(1), None))
    assert rig.parent.decisions[-1].choice.reasons[0] == "window_over"


@pytest.mark.parametrize("policy", [Policy.REFUSE, Policy.COLLAR])
def test_end_of_the_window_follows_the_policy(policy: Policy) -> None:
    rig = Rig(policy)
    rig.placed()
    rig.after(61)
    rig.say(Status.CANCELED, 9)
    commands = rig.after(0)
    if policy is Policy.REFUSE:
        assert (commands, rig.parent.outcome) == ([], Outcome.PARTLY)
    else:
        assert commands == [SubmitOrder(Order("qb-SPY-2", "SPY", "buy", Decimal(1), Decimal("10.09")))]


def test_unusable_price_cancels_then_falls_back_and_says_why() -> None:
    rig = Rig()
    rig.placed()
    rig.world.usable = False
    assert rig.after(1) == []
    assert rig.after(6) == [CancelOrder("qb-SPY-1", "b-1")]
    rig.say(Status.CANCELED)
    assert rig.after(0) == [SubmitOrder(Order("qb-SPY-2", "SPY", "buy", TEN, None))]
    assert rig.parent.fallbacks[-1].reasons == ("health_silent",)


def test_halt_cancels_at_once_and_nothing_is_sent_until_it_ends() -> None:
    rig = Rig()
    rig.placed()
    rig.world.halted = True
    assert rig.after(0.1) == [CancelOrder("qb-SPY-1", "b-1")]
    rig.say(Status.CANCELED)
    assert [rig.after(5) for _ in range(5)] == [[]] * 5
    assert (rig.parent.decisions[-1].choice.action, rig.parent.decisions[-1].choice.reasons[-1]) == (
        Action.REFUSE,
        "not_tradable",
    )
    rig.world.halted = False
    assert isinstance(rig.after(1)[0], SubmitOrder)


def test_the_sessions_end_cancels_at_once_and_nothing_is_sent_until_the_next() -> None:
    rig = Rig()
    rig.placed()
    rig.world.session = MarketSession.POST
    assert rig.after(0.1) == [CancelOrder("qb-SPY-1", "b-1")]
    rig.say(Status.CANCELED)
    assert [rig.after(5) for _ in range(5)] == [[]] * 5
    refused = rig.parent.decisions[-1].choice
    assert (refused.action, refused.reasons[-1]) == (Action.REFUSE, "not_tradable")
    rig.world.session = MarketSession.REGULAR
    assert isinstance(rig.after(1)[0], SubmitOrder)


def test_before_a_market_order_the_brokers_clock_must_agree() -> None:
    rig = Rig()
    rig.world.usable = False
    rig.parent.broker = BrokerMarket.UNKNOWN
    assert rig.after(0) == []
    assert not rig.parent.asks_for_the_clock, "nothing is wanted of it yet"
    assert rig.after(6) == []
    assert rig.parent.asks_for_the_clock
    assert rig.parent.fallbacks == []
    assert rig.after(2) == []
    rig.parent.broker = BrokerMarket.CLOSED
    assert rig.after(0) == []
    assert rig.parent.fallbacks[-1].reasons == ("health_silent", "broker_closed")
    rig.parent.broker = BrokerMarket.UNKNOWN
    assert rig.after(0) == []
    assert rig.after(3) == []
    assert rig.parent.fallbacks[-1].reasons == ("health_silent", "broker_clock_unknown")
    rig.parent.broker = BrokerMarket.OPEN
    assert rig.after(0) == [SubmitOrder(Order("qb-SPY-1", "SPY", "buy", TEN, None))]
    assert not rig.parent.asks_for_the_clock


def test_a_limit_needs_no_word_of_the_brokers_clock() -> None:
    rig = Rig()
    rig.parent.broker = BrokerMarket.CLOSED
    assert isinstance(rig.after(0)[0], SubmitOrder)


def test_at_the_windows_end_the_users_market_order_waits_for_the_clock() -> None:
    rig = Rig(Policy.MARKET)
    rig.world.usable = False
    rig.parent.broker = BrokerMarket.UNKNOWN
    assert rig.after(61) == []
    assert rig.after(4) == []
    assert rig.parent.outcome is None
    rig.parent.broker = BrokerMarket.OPEN
    assert rig.after(0) == [SubmitOrder(Order("qb-SPY-1", "SPY", "buy", TEN, None))]


def test_timeout_is_looked_up_and_a_lost_order_keeps_its_id() -> None:
    rig = Rig()
    rig.after(0)
    assert rig.parent.on_answer(Unknown("qb-SPY-1", "timed out"), rig.world.now_ns) == [QueryOrder("qb-SPY-1")]
    for _ in range(3):
        assert rig.parent.on_answer(NotFound("qb-SPY-1"), rig.world.now_ns) == []
    [place] = rig.after(1)
    assert isinstance(place, SubmitOrder)
    assert place.order.client_order_id == "qb-SPY-1"


def test_lost_order_that_turns_up_is_found_and_no_second_one_sent() -> None:
    rig = Rig()
    rig.after(0)
    rig.parent.on_answer(Unknown("qb-SPY-1", "timed out"), rig.world.now_ns)
    for _ in range(3):
        rig.parent.on_answer(NotFound("qb-SPY-1"), rig.world.now_ns)
    assert rig.say(Status.OPEN, asked=False) == [QueryOrder("qb-SPY-1")]
    rig.say(Status.OPEN)
    assert rig.parent.state is State.RESTING


def test_rejections_are_tried_again_a_few_times() -> None:
    rig = Rig()
    for number in (1, 2, 3):
        [place] = rig.after(2)
        assert isinstance(place, SubmitOrder)
        rig.parent.on_answer(Refused(f"qb-SPY-{number}", Request.PLACE, "insufficient buying power"), rig.world.now_ns)
    assert rig.after(2) == []
    assert (rig.parent.outcome, rig.parent.cause) == (
        Outcome.UNFILLED,
        "rejected 3 times: insufficient buying power",
    )


def test_gap_is_reconciled_before_anything_is_decided() -> None:
    rig = Rig()
    rig.placed()
    assert rig.parent.on_gap(rig.world.now_ns) == [QueryOrder("qb-SPY-1")]
    rig.world.bid, rig.world.ask = Decimal("11.10"), Decimal("11.14")
    assert rig.after(0.9) == []
    rig.say(Status.OPEN, 3)
    assert rig.after(6) == [CancelOrder("qb-SPY-1", "b-1")]


def test_restart_looks_the_last_order_up_before_anything_else() -> None:
    rig = Rig()
    first = ChildOrder(Order("qb-SPY-1", "SPY", "buy", TEN, Decimal(10)), filled=Decimal(4), proven=True)
    second = ChildOrder(Order("qb-SPY-2", "SPY", "buy", Decimal(6), Decimal(10)))
    assert rig.parent.restore([first, second], rig.world.now_ns) == [QueryOrder("qb-SPY-2")]
    assert rig.after(0.5) == []
    rig.say(Status.FILLED, 6, number=2)
    rig.after(0)
    assert rig.parent.outcome is Outcome.FILLED
    with pytest.raises(ValueError, match="before the previous one was final"):
        Rig().parent.restore([replace(first, proven=False), second], T0)


def test_rising_aggression_moves_the_order_to_the_middle() -> None:
    rig = Rig(repeg_every_ns=NS_PER_S)
    rig.world.bid, rig.world.ask = Decimal("10.00"), Decimal("10.40")
    prices = [rig.placed().limit_price]
    for number in range(1, 4):
        rig.after(15)
        rig.say(Status.CANCELED, number=number)
        [place] = rig.after(0)
        assert isinstance(place, SubmitOrder)
        rig.say(Status.OPEN, number=number + 1)
        prices.append(place.order.limit_price)
    assert prices == sorted(prices) and prices[0] == Decimal("10.04") and prices[-1] <= Decimal("10.20")  # type: ignore[type-var, operator]  # noqa: PT018


def test_only_what_is_in_the_table_is_possible() -> None:
    assert set(TRANSITIONS) == set(State)
    parent = Rig().parent
    parent.state = State.DONE
    with pytest.raises(IllegalTransition, match="order qb-SPY: placing is illegal in state done"):
        parent._enter(State.PLACING, "no", T0)


def test_no_order_of_events_over_fills() -> None:
    lives, events = search(range(400))
    assert lives == 400
    for fault in ("restart", "timeout, still coming", "doubled", "contradictory", "halted", "replaced"):
        assert events[fault] > 10, events


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: str(mutant.__name__))
def test_search_finds_the_defect_when_it_is_put_in(mutant: type[ParentOrder]) -> None:
    assert caught(mutant, range(1500)) is not None


def test_a_fill_that_the_broker_denies_is_no_fill_and_nothing_more_is_ordered() -> None:
    rig = Rig()
    rig.placed()
    rig.parent.on_answer(Report("qb-SPY-1", Status.FILLED, TEN), rig.world.now_ns)
    for asked in range(3):
        assert rig.parent.state is State.LOOKING_UP, asked
        rig.say(Status.CANCELED, 0)
    assert rig.after(1) == []
    assert (rig.parent.outcome, rig.parent.filled) == (Outcome.UNRESOLVED, 0)
    assert "10 reported filled, and the broker's final count is 0" in rig.parent.cause
    assert rig.parent.list_doubtful() == ["qb-SPY-1"]


def test_a_broker_that_is_behind_its_stream_has_a_moment_to_catch_up() -> None:
    rig = Rig()
    rig.placed()
    rig.parent.on_answer(Report("qb-SPY-1", Status.FILLED, TEN), rig.world.now_ns)
    rig.say(Status.CANCELED, 0)
    rig.say(Status.FILLED, 10)
    assert rig.after(1) == [QueryOrder("qb-SPY-1")], "one of the two is from before: which?"
    rig.say(Status.FILLED, 10)
    assert rig.after(1) == []
    assert (rig.parent.outcome, rig.parent.doubt) == (Outcome.FILLED, "")


def test_after_the_brokers_final_count_its_stream_only_prompts_the_question() -> None:
    rig = Rig()
    rig.placed()
    rig.say(Status.CANCELED, 4)
    late = Report("qb-SPY-1", Status.FILLED, TEN)
    assert rig.parent.on_answer(late, rig.world.now_ns) == [QueryOrder("qb-SPY-1")]
    assert rig.parent.filled == 4
    rig.say(Status.CANCELED, 4)
    assert rig.parent.doubt == "", "the broker stays with it"
    rig.say(Status.CANCELED, 6)
    assert rig.after(1) == []
    assert (rig.parent.outcome, rig.parent.filled) == (Outcome.UNRESOLVED, 6)


def test_an_order_that_the_journal_did_not_take_is_not_sent_and_the_intent_is_unresolved() -> None:
    rig = Rig()
    assert isinstance(rig.after(0)[0], SubmitOrder)
    assert rig.parent.on_unrecorded("No space left on device", rig.world.now_ns) == []
    assert rig.after(1) == []
    assert (rig.parent.outcome, rig.parent.children) == (Outcome.UNRESOLVED, [])
    assert "No space left on device" in rig.parent.cause


def test_a_restart_long_after_the_end_still_looks_the_order_up_and_cancels_it() -> None:
    rig = Rig()
    rig.placed()
    rig.world.now_ns += 24 * 3600 * NS_PER_S
    children, rig.parent = rig.parent.children, Rig().parent
    assert rig.parent.restore(children, rig.world.now_ns) == [QueryOrder("qb-SPY-1")]
    assert rig.after(1) == [QueryOrder("qb-SPY-1")]
    rig.say(Status.OPEN)
    assert rig.after(0.1) == [CancelOrder("qb-SPY-1", "b-1")]


def test_before_an_intent_ends_unfilled_the_broker_is_asked_for_an_order_from_elsewhere() -> None:
    rig = Rig()
    rig.placed()
    rig.say(Status.CANCELED, 4)
    rig.world.now_ns += 70 * NS_PER_S
    assert rig.parent.advance(rig.world.assessment(), rig.world.now_ns) == [QueryOrder("qb-SPY-2")]
    rig.say(Status.FILLED, 6, number=2)
    assert rig.after(1) == []
    assert (rig.parent.outcome, rig.parent.filled) == (Outcome.FILLED, TEN)


def test_an_order_that_another_host_works_is_left_to_it_and_named() -> None:
    rig = Rig()
    rig.world.now_ns += 70 * NS_PER_S
    assert rig.parent.advance(rig.world.assessment(), rig.world.now_ns) == [QueryOrder("qb-SPY-1")]
    assert rig.say(Status.OPEN, 2) == []
    assert (rig.parent.outcome, rig.parent.cause) == (Outcome.UNRESOLVED, "worked from elsewhere")
    assert rig.parent.list_doubtful() == ["qb-SPY-1"]
    assert rig.say(Status.OPEN, 3) == [], "not cancelled"
    rig.say(Status.FILLED, 10)
    assert rig.parent.outcome is Outcome.FILLED

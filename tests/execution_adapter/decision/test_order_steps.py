"""What the venue says of a symbol's orders, from its list to the decision: tick, lot, and whether it takes any."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import AssetFacts
from quotebus.execution_adapter.decision.action import Action
from quotebus.execution_adapter.decision.assessment import Assessment, Grade
from quotebus.execution_adapter.decision.choose import Choice, Situation, choose
from quotebus.execution_adapter.decision.fallback import LastGood, Policies, Policy
from quotebus.execution_adapter.decision.limit_price import Touch
from quotebus.execution_adapter.decision.order_steps import UNSAID, OrderSteps, read_steps
from quotebus.execution_adapter.decision.resting import find_reason_to_cancel
from quotebus.execution_adapter.decision.tactics import Tactics
from tests.execution_adapter.decision.test_assessment import CALM, Rig
from tests.execution_adapter.decision.test_resting import MOVED, ORDER, TACTICS
from tests.execution_adapter.search import World
from tests.support.samples import HEALTH, STATUS, like

D = Decimal
WIDE = Touch(D("10.00"), D("10.20"), D(1_000), D(1_000))
NICKEL = AssetFacts(tradable=True, tick="0.05", lot="100")
SHUT = AssetFacts(tradable=False)


def with_asset(assessment: Assessment, asset: AssetFacts | None, **changes: object) -> Assessment:
    standing = assessment.verdict.standing
    assert standing is not None
    verdict = replace(assessment.verdict, standing=replace(standing, asset=asset))
    return replace(assessment, verdict=verdict, **changes)


def decide(asset: AssetFacts | None, tactics: Tactics, **state: object) -> Choice:
    assessment = with_asset(World(Random(0)).assessment(), asset, sides=WIDE, grade=Grade.OK)
    situation = Situation(D(250), D(250), 60 * NS_PER_S, 0, **state)  # type: ignore[arg-type]
    choice = choose(assessment, "buy", situation, tactics, Policies())
    assert choice is not None
    return choice


@pytest.mark.parametrize("odd", ["", "x", "NaN", "Infinity", "-1", "0", "1" * 41])
def test_a_step_that_is_no_number_above_zero_is_not_said(odd: str) -> None:
    assert read_steps(AssetFacts(tradable=True, tick=odd, lot=odd)) == UNSAID
    assert read_steps(None) == UNSAID
    assert read_steps(AssetFacts(tradable=True, tick="0.05", lot=odd)) == OrderSteps(D("0.05"), None)


def test_limit_and_quantity_are_on_the_venues_steps() -> None:
    tactics = Tactics(aggression_start=D("0.3"), aggression_end=D("0.3"))
    said, unsaid = decide(NICKEL, tactics), decide(None, tactics)
    assert (said.limit_price, said.qty) == (D("10.00"), D(200))
    assert (unsaid.limit_price, unsaid.qty) == (D("10.03"), D(250))


def test_less_than_a_lot_is_nothing_to_order_and_a_whole_position_is_sold_to_the_last() -> None:
    assert decide(AssetFacts(tradable=True, lot="1000"), Tactics()).qty == 0
    assert decide(AssetFacts(tradable=True, lot="1000"), Tactics().without_least_qty()).qty == D(250)


@pytest.mark.parametrize(("side", "price"), [("buy", "10.25"), ("sell", "9.95")])
def test_a_collar_is_on_the_venues_tick(side: str, price: str) -> None:
    assessment = with_asset(World(Random(0), usable=False).assessment(), NICKEL)
    choice = Policies(Policy.COLLAR).choose(assessment, side, LastGood(WIDE, 0), 0)
    assert choice.limit_price == D(price)


def test_an_order_follows_the_market_by_the_venues_ticks() -> None:
    moved = World(Random(0))
    for name, value in MOVED.items():
        setattr(moved, name, value)
    for tick, reason in ((None, "repeg"), ("0.05", None)):
        assessment = with_asset(moved.assessment(), AssetFacts(tradable=True, tick=tick))
        assert find_reason_to_cancel(ORDER, assessment, "buy", TACTICS) == reason


@pytest.mark.parametrize("policy", Policy)
def test_nothing_goes_out_for_a_symbol_that_the_venue_takes_no_orders_for(policy: Policy) -> None:
    assessment = Rig(HEALTH, like(STATUS, asset=SHUT), CALM).assess()
    assert (assessment.grade, assessment.reasons, assessment.tradable) == (Grade.REFUSE, ("orders_not_taken",), False)
    chosen = Policies(policy).choose(assessment, "buy", LastGood(WIDE, 0), 0)
    assert (chosen.action, chosen.reasons) == (Action.REFUSE, ("orders_not_taken", "not_tradable"))
    assert chosen.decided_by == "orders not taken"
    for pegged in (True, False):
        assert find_reason_to_cancel(ORDER._replace(pegged=pegged), assessment, "buy", TACTICS) == "orders not taken"


def test_what_is_not_said_takes_nothing_away() -> None:
    for asset in (None, AssetFacts(tradable=True)):
        assessment = Rig(HEALTH, like(STATUS, asset=asset), CALM).assess()
        assert (assessment.grade, assessment.reasons, assessment.steps) == (Grade.OK, (), UNSAID)

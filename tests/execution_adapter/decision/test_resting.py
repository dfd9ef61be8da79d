"""Why a resting order is cancelled, each reason alone, and when it may stay."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.decision.choose import Situation
from quotebus.execution_adapter.decision.resting import RestingOrder, find_reason_to_cancel
from quotebus.execution_adapter.decision.tactics import Tactics
from tests.execution_adapter.search import World

ORDER = RestingOrder(Decimal("10.02"), pegged=True, resting_ns=10 * NS_PER_S, repegs=0)
SITUATION = Situation(Decimal(10), Decimal(10), 60 * NS_PER_S, 10 * NS_PER_S)
TACTICS = Tactics(aggression_start=Decimal(1))
MOVED = {"bid": Decimal("10.02"), "ask": Decimal("10.06")}


def reason(order: RestingOrder = ORDER, situation: Situation = SITUATION, **market: object) -> str | None:
    world = World(Random(0))
    for name, value in market.items():
        setattr(world, name, value)
    return find_reason_to_cancel(order, world.assessment(), "buy", situation, TACTICS)


def test_order_at_the_target_price_stays() -> None:
    assert reason() is None


@pytest.mark.parametrize("pegged", [True, False])
def test_halt_cancels_whatever_the_order(pegged: bool) -> None:
    assert reason(replace(ORDER, pegged=pegged), halted=True) == "halted"


def test_pegged_order_ends_with_its_window_and_a_fallback_does_not() -> None:
    over = replace(SITUATION, elapsed_ns=60 * NS_PER_S)
    assert reason(situation=over) == "window over"
    assert reason(replace(ORDER, pegged=False), over) is None


def test_unusable_price_cancels_after_the_patience() -> None:
    patient = replace(SITUATION, unusable_ns=TACTICS.patience_ns - 1)
    assert reason(situation=patient, usable=False) is None
    assert reason(situation=replace(patient, unusable_ns=TACTICS.patience_ns), usable=False) == "price unusable"
    assert reason(replace(ORDER, pegged=False), situation=patient, usable=False) is None


def test_order_follows_the_market_by_ticks_after_a_time_and_a_number_of_times() -> None:
    assert reason(**MOVED) == "repeg"
    assert reason(replace(ORDER, resting_ns=TACTICS.repeg_every_ns - 1), **MOVED) is None
    assert reason(replace(ORDER, repegs=TACTICS.repeg_max), **MOVED) is None
    assert reason(bid=Decimal("10.001"), ask=Decimal("10.041")) is None, "less than a tick"

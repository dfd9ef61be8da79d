"""The numbers by which an order is worked: by urgency, on a degraded price, for too little."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.decision.assessment import Assessment, Grade
from quotebus.execution_adapter.decision.tactics import HASTE_NS, Tactics
from quotebus.execution_adapter.intents import Intent, Urgency
from tests.execution_adapter.search import World

BUY = Intent("SPY", "buy", Decimal(10), 60 * NS_PER_S)
SELL = replace(BUY, side="sell")
RISING, FALLING = Tactics(), Tactics(aggression_start=Decimal(1), aggression_end=Decimal("0.2"))
MARKETABLE = Tactics(marketable=True)


def verdict(grade: Grade = Grade.OK) -> Assessment:
    from random import Random

    world = World(Random(0), bid=Decimal("10.00"), ask=Decimal("11.00"))
    return replace(world.assessment(), grade=grade)


def price(tactics: Tactics, intent: Intent, assessment: Assessment, elapsed_s: int) -> Decimal:
    found = tactics.price(assessment, intent.side, Decimal(1), intent.window_ns, elapsed_s * NS_PER_S)
    assert found is not None
    return found


@pytest.mark.parametrize("tactics", [RISING, FALLING, MARKETABLE, Tactics(patience_ns=0)])
@pytest.mark.parametrize("intent", [BUY, SELL])
def test_more_urgent_is_never_less_aggressive_at_any_time(tactics: Tactics, intent: Intent) -> None:
    levels = [tactics.for_urgency(urgency) for urgency in (Urgency.LOW, Urgency.NORMAL, Urgency.HIGH)]
    for elapsed_s in range(0, 70, 5):
        shares = [level.share(verdict(), intent.window_ns, elapsed_s * NS_PER_S) for level in levels]
        assert shares == sorted(shares), elapsed_s
        prices = [price(level, intent, verdict(), elapsed_s) for level in levels]
        assert prices == sorted(prices, reverse=intent is SELL), elapsed_s
        beyond = max(prices) if intent is BUY else 21 - min(prices)
        assert beyond < 11 or (tactics.marketable and elapsed_s >= 60), "across only where allowed"
    assert all(one.patience_ns >= two.patience_ns for one, two in pairwise(levels))


def test_urgency_moves_only_what_it_says() -> None:
    assert RISING.for_urgency(Urgency.NORMAL) is RISING
    low, high = RISING.for_urgency(Urgency.LOW), RISING.for_urgency(Urgency.HIGH)
    assert low == replace(RISING, aggression_start=Decimal(0), aggression_end=Decimal("0.2"))
    assert high == replace(RISING, aggression_start=Decimal(1), patience_ns=HASTE_NS)
    assert MARKETABLE.for_urgency(Urgency.HIGH).aggression_end == 2
    assert Tactics(patience_ns=5).for_urgency(Urgency.HIGH).patience_ns == 5


def test_degraded_price_is_only_good_enough_to_stand_on_our_side() -> None:
    assert RISING.share(verdict(Grade.DEGRADED), BUY.window_ns, 50 * NS_PER_S) == 0
    assert price(RISING, BUY, verdict(Grade.DEGRADED), 50) == Decimal("10.00")
    assert price(RISING, SELL, verdict(Grade.DEGRADED), 50) == Decimal("11.00")


@pytest.mark.parametrize(
    ("remaining", "price", "settings", "qty"),
    [
        ("10.5", "2", {}, "10"),
        ("10.5", "2", {"fractional": True}, "10.5"),
        ("0.5", "2", {}, "0"),
        ("0.5", "2", {"fractional": True}, "0.5"),
        ("0.5", "1.99", {"fractional": True}, "0"),
        ("0.5", "1.99", {"fractional": True, "min_notional": Decimal(0)}, "0.5"),
        ("0.1", None, {"fractional": True}, "0.1"),
    ],
)
def test_what_may_be_ordered_at_once(remaining: str, price: str | None, settings: dict[str, object], qty: str) -> None:
    tactics = replace(Tactics(), **settings)  # type: ignore[arg-type]
    assert tactics.qty(Decimal(remaining), None if price is None else Decimal(price)) == Decimal(qty)

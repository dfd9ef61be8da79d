"""What a trader reads: fills, cost against the mid at arrival for both sides, fallbacks and what needs a look."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.decision.action import Action
from quotebus.execution_adapter.decision.fallback import Fallback
from quotebus.execution_adapter.decision.tactics import Tactics
from quotebus.execution_adapter.intents import parse
from quotebus.execution_adapter.orders.child_order import ChildOrder
from quotebus.execution_adapter.orders.order import Order
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.states import Outcome, State
from quotebus.execution_adapter.orders.summary import format_progress, format_report, measure_slippage_bp


def parent(side: str, average: str | None) -> ParentOrder:
    made = ParentOrder(parse(f"SPY {side} 10"), "qb", 0, Tactics())
    made.arrival_mid = Decimal("100.00")
    price = None if average is None else Decimal(average)
    filled = Decimal(4 if average else 0)
    made.children = [ChildOrder(Order("qb-1", "SPY", side, Decimal(10), Decimal("99.99")), filled, price)]
    return made


@pytest.mark.parametrize(
    ("side", "average", "cost"),
    [("buy", "100.10", 10), ("sell", "100.10", -10), ("buy", "99.90", -10), ("sell", "99.90", 10)],
)
def test_cost_is_positive_when_we_paid_for_it_on_either_side(side: str, average: str, cost: int) -> None:
    assert measure_slippage_bp(parent(side, average)) == cost


def test_an_order_that_is_only_asked_for_is_not_shown_as_one() -> None:
    made = ParentOrder(parse("SPY buy 10"), "qb", 0, Tactics())
    made.children = [ChildOrder(Order("qb-1", "SPY", "buy", Decimal(10), None), elsewhere=True)]
    made.state, made.cause = State.LOOKING_UP, "stopped; asking for order 1"
    assert format_progress(made) == "SPY    buy  0 of 10  looking up (stopped; asking for order 1)"
    assert "  0.0       0  looking up" in format_report([made], 0)[1]
    made.children[0].seen = True
    assert format_progress(made).endswith("  order qb-1"), "the broker has shown it, and not what it is for"
    assert len(made.known_orders) == 1


def test_nothing_filled_has_no_cost() -> None:
    assert measure_slippage_bp(parent("buy", None)) is None


def test_lines_say_what_a_trader_wants_to_know() -> None:
    made = parent("buy", "100.10")
    made.state, made.cause = State.RESTING, "new"
    assert format_progress(made) == "SPY    buy  4 of 10  avg 100.1000 +10.0 bp vs arrival  resting (new)  limit 99.99"
    made.fallbacks.append(Fallback(Action.MARKET, None, ("too_old", "halt_unknown"), "trading/none"))
    made.decided_by = Counter({"trading/good": 3, "trading/none": 1})
    made.outcome = Outcome.UNRESOLVED
    lines = "\n".join(format_report([made], 2 * NS_PER_S))
    for part in (
        "4 of 10",
        "100.1000",
        "+10.0",
        "SPY buy: decisions by row/price of the decision table: trading/good 3, trading/none 1",
        "SPY buy: market: too_old, halt_unknown; decided by trading/none",
        "CHECK AT BROKER: order qb-1",
    ):
        assert part in lines
    assert lines.endswith("0 of 1 filled, 1 fallbacks or refusals")
    assert format_report([], 0) == ["no intents"]

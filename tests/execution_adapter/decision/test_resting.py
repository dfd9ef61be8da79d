"""Why a resting order is cancelled, each reason alone, and when it may stay."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from quotebus.bus.book import Unusable
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import MarketSession
from quotebus.execution_adapter.decision.assessment import Grade
from quotebus.execution_adapter.decision.decision_table import Row
from quotebus.execution_adapter.decision.resting import RestingOrder, find_reason_to_cancel
from quotebus.execution_adapter.decision.tactics import Tactics
from tests.execution_adapter.search import World

ORDER = RestingOrder(
    Decimal("10.02"), pegged=True, resting_ns=10 * NS_PER_S, repegs=0, remaining=Decimal(10),
    window_ns=60 * NS_PER_S, elapsed_ns=10 * NS_PER_S, unusable_ns=None,
)  # fmt: skip
TACTICS = Tactics(aggression_start=Decimal(1))
MOVED: dict[str, object] = {"bid": Decimal("10.02"), "ask": Decimal("10.06")}


def reason(market: dict[str, object] | None = None, **changes: object) -> str | None:
    world = World(Random(0))
    for name, value in (market or {}).items():
        setattr(world, name, value)
    return find_reason_to_cancel(ORDER._replace(**changes), world.assessment(), "buy", TACTICS)


def test_order_at_the_target_price_stays() -> None:
    assert reason() is None


@pytest.mark.parametrize("pegged", [True, False])
def test_halt_cancels_whatever_the_order(pegged: bool) -> None:
    assert reason({"halted": True}, pegged=pegged) == "halted"


@pytest.mark.parametrize("session", [session for session in MarketSession if session != MarketSession.REGULAR])
@pytest.mark.parametrize("pegged", [True, False])
def test_the_sessions_end_cancels_whatever_the_order(session: MarketSession, pegged: bool) -> None:
    assert reason({"session": session}, pegged=pegged) == "out of session"
    assert reason({"session": session, "halted": True}, pegged=pegged) == "out of session"


def test_in_extended_hours_a_limit_may_stay_and_a_market_order_may_not() -> None:
    world = World(Random(0), session=MarketSession.POST)
    assessment = replace(world.assessment(), extended_hours=True, grade=Grade.OK)
    assert find_reason_to_cancel(ORDER, assessment, "buy", TACTICS) is None
    market = ORDER._replace(limit_price=None, pegged=False)
    assert find_reason_to_cancel(market, assessment, "buy", TACTICS) == "out of session"
    assert reason(limit_price=None, pegged=False) is None


@pytest.mark.parametrize("pegged", [True, False])
def test_without_any_health_the_order_stays_for_as_long_as_patience(pegged: bool) -> None:
    assessment = World(Random(0)).assessment()
    verdict = replace(assessment.verdict, health=None, health_age_ns=None)
    unknown, order = replace(assessment, verdict=verdict, grade=Grade.REFUSE), ORDER._replace(pegged=pegged)
    for unusable_ns, why in ((None, None), (TACTICS.patience_ns - 1, None), (TACTICS.patience_ns, "out of session")):
        assert find_reason_to_cancel(order._replace(unusable_ns=unusable_ns), unknown, "buy", TACTICS) == why


@pytest.mark.parametrize("pegged", [True, False])
def test_a_class_that_is_not_accepted_cancels(pegged: bool) -> None:
    assessment = World(Random(0)).assessment()
    verdict = replace(assessment.verdict, reasons=(Unusable.CLASS_NOT_ACCEPTED,))
    other = replace(assessment, verdict=verdict, grade=Grade.REFUSE)
    assert find_reason_to_cancel(ORDER._replace(pegged=pegged), other, "buy", TACTICS) == "class not accepted"


def test_pegged_order_ends_with_its_window_and_a_fallback_does_not() -> None:
    assert reason(elapsed_ns=60 * NS_PER_S) == "window over"
    assert reason(elapsed_ns=60 * NS_PER_S, pegged=False) is None


def test_unusable_price_cancels_after_the_patience() -> None:
    unusable: dict[str, object] = {"usable": False}
    assert reason(unusable, unusable_ns=TACTICS.patience_ns - 1) is None
    assert reason(unusable, unusable_ns=TACTICS.patience_ns) == "price unusable"
    assert reason(unusable, unusable_ns=TACTICS.patience_ns, pegged=False) is None


def test_order_follows_the_market_by_ticks_after_a_time_and_a_number_of_times() -> None:
    assert reason(MOVED) == "repeg"
    assert reason(MOVED, resting_ns=TACTICS.repeg_every_ns - 1) is None
    assert reason(MOVED, repegs=TACTICS.repeg_max) is None
    assert reason({"bid": Decimal("10.001"), "ask": Decimal("10.041")}) is None, "less than a tick"


def test_a_fallbacks_limit_is_decided_anew_at_the_first_good_price() -> None:
    assert reason(pegged=False, blind=True) == "price good again"
    assert reason({"usable": False}, pegged=False, blind=True) is None
    assert reason(pegged=False, blind=True, limit_price=None) is None, "a market order has no price to change"


def test_a_limit_decided_while_a_halt_was_not_known_is_decided_anew_once_the_symbol_trades() -> None:
    assert reason(pegged=False, row=Row.UNKNOWN) == "price good again"
    assert reason(pegged=False, row=Row.TRADING) is None

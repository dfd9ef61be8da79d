"""Whether a resting order may stay where it is. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from quotebus.execution_adapter.decision.assessment import Assessment, Grade
from quotebus.execution_adapter.decision.decision_table import Row
from quotebus.execution_adapter.decision.limit_price import find_tick
from quotebus.execution_adapter.decision.tactics import Tactics

REPEG = "repeg"
"""The one reason that can wait: the order only stands at another price than it would now."""


class RestingOrder(NamedTuple):
    """An order at the broker and its intent, as far as the decision to leave it there depends on them."""

    limit_price: Decimal | None
    pegged: bool
    """Whether its price follows the market; not so in a fallback."""
    resting_ns: int
    repegs: int
    """How often the intent's orders have followed the market before."""
    remaining: Decimal
    """Of the intent, in shares."""
    window_ns: int
    elapsed_ns: int
    unusable_ns: int | None
    """For how long the verdict has been refuse; None while it is not."""
    blind: bool = False
    """Whether it was decided without a good price."""
    row: Row = Row.TRADING
    """The row of the decision table that it was decided by."""


def find_reason_to_cancel(order: RestingOrder, assessment: Assessment, side: str, tactics: Tactics) -> str | None:
    """Why the order should be cancelled now; None while it may stay."""
    if assessment.verdict.health is None and not _has_waited(order, tactics):
        return None  # nothing is known yet, as right after a restart
    if assessment.row is Row.OTHER_CLASS:
        return "class not accepted"
    if assessment.row is Row.NO_SESSION or (order.limit_price is None and assessment.limit_only):
        return "out of session"
    if assessment.orders_not_taken:
        return "orders not taken"
    if not assessment.tradable:
        return "halted"
    if not order.pegged:
        return "price good again" if _is_outdated(order, assessment) else None
    if order.elapsed_ns >= order.window_ns:
        return "window over"
    if assessment.grade is Grade.REFUSE:
        return "price unusable" if _has_waited(order, tactics) else None
    if order.resting_ns < tactics.repeg_every_ns or order.repegs >= tactics.repeg_max:
        return None
    target = tactics.price(assessment, side, order.remaining, order.window_ns, order.elapsed_ns)
    if target is None or order.limit_price is None:
        return None
    step = find_tick(order.limit_price, assessment.steps.tick)
    return REPEG if abs(target - order.limit_price) >= tactics.repeg_ticks * step else None


def _has_waited(order: RestingOrder, tactics: Tactics) -> bool:
    return order.unusable_ns is not None and order.unusable_ns >= tactics.patience_ns


def _is_outdated(order: RestingOrder, assessment: Assessment) -> bool:
    """Whether a fallback's limit would be another one by now: the price is good, or the symbol known to trade."""
    if order.limit_price is None or assessment.grade is Grade.REFUSE:
        return False
    return order.blind or (order.row is Row.UNKNOWN and assessment.row is Row.TRADING)

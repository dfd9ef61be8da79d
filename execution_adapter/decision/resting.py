"""Whether a resting order may stay where it is. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from quotebus.execution_adapter.decision.assessment import Assessment, Grade
from quotebus.execution_adapter.decision.limit_price import tick
from quotebus.execution_adapter.decision.tactics import Tactics


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


def find_reason_to_cancel(order: RestingOrder, assessment: Assessment, side: str, tactics: Tactics) -> str | None:
    """Why the order should be cancelled now; None while it may stay."""
    if not assessment.tradable:
        return "halted"
    if not order.pegged:
        return None
    if order.elapsed_ns >= order.window_ns:
        return "window over"
    if assessment.grade is Grade.REFUSE:
        waited = order.unusable_ns is not None and order.unusable_ns >= tactics.patience_ns
        return "price unusable" if waited else None
    if order.resting_ns < tactics.repeg_every_ns or order.repegs >= tactics.repeg_max:
        return None
    target = tactics.price(assessment, side, order.remaining, order.window_ns, order.elapsed_ns)
    if target is None or order.limit_price is None:
        return None
    return "repeg" if abs(target - order.limit_price) >= tactics.repeg_ticks * tick(order.limit_price) else None

"""How an order is worked: the numbers, and the price and quantity that follow from them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.decision.assessment import Grade, Graded
from quotebus.execution_adapter.decision.limit_price import TWO, aggression, limit_price, order_qty, touch
from quotebus.execution_adapter.intents import Intent, Urgency
from quotebus.execution_adapter.orders.order import ZERO

HASTE_NS = NS_PER_S
"""How long a pressing intent waits for a usable price at most."""


@dataclass(frozen=True, slots=True)
class Tactics:
    """How orders are worked. Every field is a setting; see `execution_adapter.settings`."""

    aggression_start: Decimal = Decimal("0.2")
    aggression_end: Decimal = Decimal(1)
    marketable: bool = False
    fractional: bool = False
    min_notional: Decimal = Decimal(1)
    lot: int = 1
    repeg_ticks: int = 1
    repeg_every_ns: int = 5 * NS_PER_S
    repeg_max: int = 20
    patience_ns: int = 5 * NS_PER_S
    grace_ns: int = 10 * NS_PER_S
    """After the window: what is still open then is cancelled."""
    give_up_ns: int = 60 * NS_PER_S
    """After the grace: an order of unknown fate is left for a person."""
    ask_again_ns: int = NS_PER_S
    lost_after: int = 3
    """How many times an order must be unknown to the broker before it counts as never arrived."""
    rejects_max: int = 3
    reject_pause_ns: int = NS_PER_S

    def pressed(self, urgency: Urgency) -> Tactics:
        """The same for an intent of this urgency, never less aggressive than for a lower one.

        Low stands on our side and goes no further than others begin. High begins where others end, goes on to the
        other side where that is allowed, and falls back a second after the price was last usable.
        """
        low, high = sorted((self.aggression_start, self.aggression_end))
        if urgency is Urgency.LOW:
            return replace(self, aggression_start=ZERO, aggression_end=low)
        if urgency is Urgency.HIGH:
            furthest = max(TWO, high) if self.marketable else high
            patience_ns = min(self.patience_ns, HASTE_NS)
            return replace(self, aggression_start=high, aggression_end=furthest, patience_ns=patience_ns)
        return self

    def share(self, intent: Intent, assessment: Graded, elapsed_ns: int) -> Decimal:
        """The aggression now; none while the price is only good enough to stand in the queue."""
        if assessment.grade is Grade.DEGRADED:
            return ZERO
        return aggression(elapsed_ns, intent.window_ns, self.aggression_start, self.aggression_end)

    def price(self, intent: Intent, assessment: Graded, remaining: Decimal, elapsed_ns: int) -> Decimal | None:
        """Where a limit for what remains should stand now; None without two sides."""
        sides = touch(assessment.price.quote, self.lot)
        if sides is None:
            return None
        share = self.share(intent, assessment, elapsed_ns)
        return limit_price(sides, intent.side, share, remaining, marketable=self.marketable)

    def qty(self, remaining: Decimal, price: Decimal | None) -> Decimal:
        """How much of what remains may be ordered at once; 0 for too little."""
        return order_qty(remaining, price, fractional=self.fractional, min_notional=self.min_notional)

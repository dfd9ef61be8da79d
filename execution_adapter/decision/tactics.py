"""How an order is worked: the numbers, and the price and quantity that follow from them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.decision.assessment import Assessment, Grade
from quotebus.execution_adapter.decision.limit_price import (
    TWO,
    ZERO,
    compute_aggression,
    compute_limit_price,
    compute_order_qty,
)
from quotebus.execution_adapter.intents import Urgency

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
    lost_for_ns: int = 10 * NS_PER_S
    """At the end of an intent: how long after its sending such an order may still arrive, and is looked up."""
    to_the_last: bool = False
    """Whether all that remains is ordered, whatever the venue's lot is."""
    rejects_max: int = 3
    reject_pause_ns: int = NS_PER_S

    def for_urgency(self, urgency: Urgency) -> Tactics:
        """The tactics for an intent of this urgency, never less aggressive than for a lower one.

        Low stands on our side and goes no further than others begin. High begins where others end, goes on to the other
        side where that is allowed, and falls back a second after the price was last usable.
        """
        low, high = sorted((self.aggression_start, self.aggression_end))
        if urgency is Urgency.LOW:
            return replace(self, aggression_start=ZERO, aggression_end=low)
        if urgency is Urgency.HIGH:
            furthest = max(TWO, high) if self.marketable else high
            patience_ns = min(self.patience_ns, HASTE_NS)
            return replace(self, aggression_start=high, aggression_end=furthest, patience_ns=patience_ns)
        return self

    def at_once(self) -> Tactics:
        """The tactics without a window: as aggressive as at a window's end, any quantity, no patience."""
        return replace(self.without_least_qty(), aggression_start=self.aggression_end, patience_ns=0)

    def without_least_qty(self) -> Tactics:
        """The tactics for any quantity, down to the last fraction of a share."""
        return replace(self, fractional=True, min_notional=ZERO, to_the_last=True)

    def share(self, assessment: Assessment, window_ns: int, elapsed_ns: int) -> Decimal:
        """The aggression now; 0 while the price is only good enough to stand in the queue."""
        if assessment.grade is Grade.DEGRADED:
            return ZERO
        return compute_aggression(elapsed_ns, window_ns, self.aggression_start, self.aggression_end)

    def price(
        self, assessment: Assessment, side: str, remaining: Decimal, window_ns: int, elapsed_ns: int
    ) -> Decimal | None:
        """Where a limit for what remains should stand now; None without two sides."""
        if assessment.sides is None:
            return None
        share = self.share(assessment, window_ns, elapsed_ns)
        tick = assessment.steps.tick
        sides, marketable = assessment.sides, self.marketable
        return compute_limit_price(sides, side, share, remaining, marketable=marketable, said_tick=tick)

    def qty(self, remaining: Decimal, price: Decimal | None, lot: Decimal | None = None) -> Decimal:
        """How much of what remains may be ordered in one order; 0: too little. `lot`: the venue's, if it says one."""
        lot = None if self.to_the_last else lot
        return compute_order_qty(remaining, price, fractional=self.fractional, min_notional=self.min_notional, lot=lot)

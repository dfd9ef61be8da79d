"""What to do for an intent now: one function of the verdict, the settings and where the intent stands. Pure.

The worker decides with it and `execution-worker verify` decides with it once more, from what was published.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from quotebus.execution_adapter.decision.action import Action
from quotebus.execution_adapter.decision.assessment import Assessment, Grade, Graded, Past
from quotebus.execution_adapter.decision.fallback import LastGood, Policies
from quotebus.execution_adapter.decision.limit_price import ZERO, Touch, touch
from quotebus.execution_adapter.decision.tactics import Tactics
from quotebus.execution_adapter.intents import Intent


@dataclass(frozen=True, slots=True)
class Situation:
    """Where an intent stands, as far as a decision depends on it and no message on the bus tells."""

    qty: Decimal
    """Of the intent; `remaining` is what of it was neither filled nor may still be."""
    remaining: Decimal
    window_ns: int
    elapsed_ns: int
    repeg: bool = False
    unusable_ns: int | None = None
    """For how long the verdict has been refuse; None while it is not."""
    last: Touch | None = None
    """The last good two sides, `last_age_ns` ago."""
    last_age_ns: int = 0
    again: Decimal | None = None
    """The quantity of a lost order, which is placed again as it was."""
    past: Past = field(default_factory=Past)
    """What the verdict rested on beside the newest messages."""
    intent_id: str = ""
    number: int = 1
    """Of the order that may follow: its client order id is `intent_id`, `-` and this."""
    wish: tuple[str, str] = ("", "")
    """Client and `intent_id` of the TradeIntent; empty for an intent that did not come over the bus."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An action for a quantity, its limit price where it has one, and why. A quantity of 0 is too little to order."""

    action: Action
    qty: Decimal
    limit_price: Decimal | None
    reasons: tuple[str, ...]
    pegged: bool
    """Whether the price follows the market; not so in a fallback."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Something decided, with the verdict and situation it rests on: what becomes an ExecutionDecision."""

    choice: Choice
    assessment: Assessment
    situation: Situation
    at_ns: int


def choose(graded: Graded, side: str, at: Situation, tactics: Tactics, policies: Policies) -> Choice | None:
    """What to do for what remains while no order can fill; None for nothing yet."""
    if at.remaining <= 0:
        return None
    if at.elapsed_ns >= at.window_ns:
        return _fall_back(graded, side, at, tactics, policies, ("window_over",))
    if graded.grade is Grade.REFUSE:
        if at.unusable_ns is None or at.unusable_ns < tactics.patience_ns:
            return None
        return _fall_back(graded, side, at, tactics, policies, ())
    intent = Intent(graded.symbol, side, at.qty, at.window_ns)
    price = tactics.price(intent, graded, at.remaining, at.elapsed_ns)
    if price is None:
        return None
    share = tactics.share(intent, graded, at.elapsed_ns)
    reasons = ("repeg" if at.repeg else "place", f"aggression={share}", *graded.reasons)
    return Choice(Action.LIMIT, _qty(at, tactics, price), price, reasons, pegged=True)


def _fall_back(
    graded: Graded, side: str, at: Situation, tactics: Tactics, policies: Policies, why: tuple[str, ...]
) -> Choice:
    sides, age_ns = at.last, at.last_age_ns
    if graded.grade is not Grade.REFUSE and (now := touch(graded.price.quote, tactics.lot)) is not None:
        sides, age_ns = now, 0
    chosen = policies.choose(graded, side, LastGood(sides, 0) if sides else None, age_ns)
    refused = chosen.action is Action.REFUSE
    qty = at.remaining if refused else _qty(at, tactics, chosen.limit_price)
    return Choice(chosen.action, qty, chosen.limit_price, (*why, *chosen.reasons), pegged=False)


def _qty(at: Situation, tactics: Tactics, price: Decimal | None) -> Decimal:
    qty = tactics.qty(at.remaining, price)
    return at.again if at.again is not None and qty > 0 else max(qty, ZERO)

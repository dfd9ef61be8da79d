"""What to do now: one function of the verdict, the settings and where the intent stands. Pure.

The workers decide with it, and `execution-worker verify` decides with it again from what was published.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from quotebus.bus.verdict import is_own_trouble
from quotebus.execution_adapter.decision.action import Action
from quotebus.execution_adapter.decision.assessment import Assessment, Grade, Past
from quotebus.execution_adapter.decision.decision_table import Column, name_cell
from quotebus.execution_adapter.decision.fallback import Fallback, LastGood, Policies
from quotebus.execution_adapter.decision.limit_price import ZERO, Touch
from quotebus.execution_adapter.decision.tactics import Tactics

BROKER_CLOCK_UNKNOWN = "broker_clock_unknown"
"""Reason of a refusal that the broker's clock may end a moment later."""


READER, FIRST_SECOND = "reader", "first second"
"""What decides in the table's place: trouble of the reader's own, and that it has only just begun to look."""


class BrokerMarket(StrEnum):
    """What the broker's own clock says of the market, where there is a broker."""

    NONE = ""
    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"


_NO_MARKET_ORDER = {BrokerMarket.CLOSED: "broker_closed", BrokerMarket.UNKNOWN: BROKER_CLOCK_UNKNOWN}


@dataclass(frozen=True, slots=True)
class Situation:
    """Where an intent stands: everything a decision depends on that no message on the bus carries. Published as
    `state`.
    """

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
    """What the verdict depended on besides the newest messages."""
    intent_id: str = ""
    number: int = 1
    """Of the order that may follow: its client order id is `intent_id`, `-` and this."""
    wish: tuple[str, str] = ("", "")
    """Client and `intent_id` of the TradeIntent; empty for an intent that did not come over the bus."""
    broker: BrokerMarket = BrokerMarket.NONE
    """What the broker's clock says: it must agree before a market order."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An action for a quantity, its limit price if it has one, and why. Quantity 0: too little to order."""

    action: Action
    qty: Decimal
    limit_price: Decimal | None
    reasons: tuple[str, ...]
    pegged: bool
    """Whether the price follows the market; not so in a fallback."""
    decided_by: str = ""
    """The cell of the decision table, or what decided in its place."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A choice with the verdict and situation it depends on; `event.decision_event` makes it an ExecutionDecision."""

    choice: Choice
    side: str
    assessment: Assessment
    situation: Situation
    at_ns: int


def choose(
    assessment: Assessment, side: str, situation: Situation, tactics: Tactics, policies: Policies
) -> Choice | None:
    """Decide what to do for what remains while no order can fill; None: nothing yet."""
    if situation.remaining <= 0:
        return None
    if situation.elapsed_ns >= situation.window_ns:
        return _fall_back(assessment, side, situation, tactics, policies, ("window_over",))
    if assessment.grade is Grade.REFUSE:
        if is_own_trouble(assessment.verdict.reasons):
            return _wait(assessment, situation, READER)
        if situation.unusable_ns is None or situation.unusable_ns < tactics.patience_ns:
            return None
        choice = _fall_back(assessment, side, situation, tactics, policies, ())
        if assessment.past.first_second and choice.action is not Action.REFUSE:
            return _wait(assessment, situation, FIRST_SECOND)
        return choice
    window_ns, elapsed_ns = situation.window_ns, situation.elapsed_ns
    price = tactics.price(assessment, side, situation.remaining, window_ns, elapsed_ns)
    if price is None:
        return None
    share = tactics.share(assessment, window_ns, elapsed_ns)
    reasons = ("repeg" if situation.repeg else "place", f"aggression={share}", *assessment.reasons)
    decided_by = name_cell(assessment.row, Column.GOOD)
    return Choice(
        Action.LIMIT, _qty(assessment, situation, tactics, price), price, reasons, pegged=True, decided_by=decided_by
    )


def _wait(assessment: Assessment, situation: Situation, why: str) -> Choice | None:
    """Our own trouble, or that we have only just begun to look, says nothing of the market: it passes, and no order
    follows from it before the window's end.
    """
    if situation.intent_id:
        return None
    return Choice(Action.REFUSE, situation.remaining, None, assessment.reasons, pegged=False, decided_by=why)


def _fall_back(
    assessment: Assessment, side: str, situation: Situation, tactics: Tactics, policies: Policies, why: tuple[str, ...]
) -> Choice:
    sides, age_ns = situation.last, situation.last_age_ns
    if assessment.grade is not Grade.REFUSE and assessment.sides is not None:
        sides, age_ns = assessment.sides, 0
    chosen = policies.choose(assessment, side, LastGood(sides, 0) if sides else None, age_ns)
    if chosen.action is Action.MARKET and situation.broker in _NO_MARKET_ORDER:
        reasons = (*chosen.reasons, _NO_MARKET_ORDER[situation.broker])
        chosen = Fallback(Action.REFUSE, None, reasons, chosen.decided_by)
    refused = chosen.action is Action.REFUSE
    qty = situation.remaining if refused else _qty(assessment, situation, tactics, chosen.limit_price)
    reasons = (*why, *chosen.reasons)
    return Choice(chosen.action, qty, chosen.limit_price, reasons, pegged=False, decided_by=chosen.decided_by)


def _qty(assessment: Assessment, situation: Situation, tactics: Tactics, price: Decimal | None) -> Decimal:
    qty = tactics.qty(situation.remaining, price, assessment.steps.lot)
    return situation.again if situation.again is not None and qty > 0 else max(qty, ZERO)

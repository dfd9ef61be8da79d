"""From a verdict on a price to an action: a limit inside the spread, or the fallback and why. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum

from quotebus.bus.book import HaltKnowledge, Unusable, Verdict
from quotebus.execution_adapter.decision.limit_price import tick


class Action(StrEnum):
    """What to do with an order."""

    LIMIT = "limit"
    MARKET = "market"
    REFUSE = "refuse"


class Reason(StrEnum):
    """Reasons beside those against the price itself."""

    HALT_UNKNOWN = "halt_unknown"


@dataclass(frozen=True, slots=True)
class Choice:
    """An action, its limit price where it has one, and the reasons when it is not the limit."""

    action: Action
    limit_price: float | None
    reasons: tuple[str, ...]


def decide(verdict: Verdict, side: str, fallback: str) -> Choice:
    """A limit when the price may be used; else the fallback (`market` or `refuse`), never for a halted symbol."""
    quote = verdict.quote
    if verdict.usable and quote is not None and quote.bid_price is not None and quote.ask_price is not None:
        return Choice(Action.LIMIT, inside(quote.bid_price, quote.ask_price, side), ())
    reasons: tuple[str, ...] = verdict.reasons
    if Unusable.HALTED in verdict.reasons or verdict.halt is HaltKnowledge.HALTED:
        return Choice(Action.REFUSE, None, reasons)
    if verdict.halt is HaltKnowledge.UNKNOWN:
        reasons = (*reasons, Reason.HALT_UNKNOWN)
    return Choice(Action.MARKET if fallback == "market" else Action.REFUSE, None, reasons)


def inside(bid: float, ask: float, side: str) -> float:
    """The tick nearest to the middle of the spread on our side of it: never at or beyond the other side."""
    low, high = Decimal(repr(bid)), Decimal(repr(ask))
    middle = (low + high) / 2
    step = tick(middle)
    if side == "buy":
        return float(max(low, (middle / step).to_integral_value(ROUND_FLOOR) * step))
    return float(min(high, (middle / step).to_integral_value(ROUND_CEILING) * step))

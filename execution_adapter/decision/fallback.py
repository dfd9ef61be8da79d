"""What to do when the price may not be used: a policy, optionally per symbol and side, that always says why. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from quotebus.bus import topics
from quotebus.bus.book import HaltKnowledge
from quotebus.execution_adapter.decision.action import Action
from quotebus.execution_adapter.decision.assessment import Assessment
from quotebus.execution_adapter.decision.limit_price import Touch, round_to_tick
from quotebus.execution_adapter.intents import SIDES


class Policy(StrEnum):
    """`market`: at any price. `collar`: at most a band beyond the last good price. `refuse`: not at all."""

    MARKET = "market"
    COLLAR = "collar"
    REFUSE = "refuse"


HALT_UNKNOWN = "halt_unknown"
NO_LAST_PRICE = "no_last_price"
NOT_TRADABLE = "not_tradable"


@dataclass(frozen=True, slots=True)
class LastGood:
    """The last two sides that a verdict allowed, and when."""

    sides: Touch
    at_ns: int


@dataclass(frozen=True, slots=True)
class Fallback:
    """An action in place of the limit inside the spread, its price if it has one, and every reason."""

    action: Action
    limit_price: Decimal | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policies:
    """The default policy, those of a symbol, and those of a symbol's side; the most specific wins.

    `band` is the collar's width as a fraction of the last good price, which may be `memory_ns` old.
    """

    default: Policy = Policy.MARKET
    particular: Mapping[tuple[str, str], Policy] | None = None
    band: Decimal = Decimal("0.005")
    memory_ns: int = 300 * 10**9

    def of(self, symbol: str, side: str) -> Policy:
        rules = self.particular or {}
        return rules.get((symbol, side)) or rules.get((symbol, "")) or self.default

    def choose(self, assessment: Assessment, side: str, last: LastGood | None, now_ns: int) -> Fallback:
        """Apply the policy to an order on this side. A halted or refused symbol gets none, whatever the policy."""
        reasons = assessment.reasons
        if not assessment.tradable:
            return Fallback(Action.REFUSE, None, (*reasons, NOT_TRADABLE))
        if assessment.verdict.halt is HaltKnowledge.UNKNOWN:
            reasons = (*reasons, HALT_UNKNOWN)
        policy = self.of(assessment.symbol, side)
        if policy is Policy.MARKET:
            return Fallback(Action.MARKET, None, reasons)
        if policy is Policy.REFUSE:
            return Fallback(Action.REFUSE, None, reasons)
        if last is None or now_ns - last.at_ns > self.memory_ns:
            return Fallback(Action.REFUSE, None, (*reasons, NO_LAST_PRICE))
        return Fallback(Action.LIMIT, self.collar(last.sides, side), (*reasons, Policy.COLLAR))

    def collar(self, sides: Touch, side: str) -> Decimal:
        """The worst price a collared order may have, on a tick."""
        if side == "buy":
            return round_to_tick(sides.ask * (1 + self.band), side)
        return round_to_tick(sides.bid * (1 - self.band), side)


def parse(text: str, default: Policy = Policy.MARKET) -> tuple[Policy, dict[tuple[str, str], Policy]]:
    """Parse `market`, or `market,SPY=refuse,QQQ:sell=collar`; without a word of its own the default stays.

    Raises ValueError.
    """
    particular: dict[tuple[str, str], Policy] = {}
    for word in filter(None, text.replace(" ", "").split(",")):
        target, equals, policy = word.rpartition("=")
        if policy not in tuple(Policy):
            raise ValueError(f"fallback must be one of {', '.join(Policy)}, not {policy[:20]!r}")
        if not equals:
            default = Policy(policy)
            continue
        symbol, _, side = target.partition(":")
        if side not in ("", *SIDES):
            raise ValueError(f"a side must be buy or sell, not {side[:20]!r}")
        particular[topics.symbol(symbol), side] = Policy(policy)
    return default, particular

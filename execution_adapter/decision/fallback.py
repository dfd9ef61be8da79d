"""What to do when the price may not be used: the decision table, or a policy in its place, by symbol and side. Pure.

Each choice says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from quotebus.bus import topics
from quotebus.bus.events import SymbolState
from quotebus.execution_adapter.decision.action import Action
from quotebus.execution_adapter.decision.assessment import Assessment, Grade
from quotebus.execution_adapter.decision.decision_table import TABLE, Column, Rule, is_forbidden, name_cell
from quotebus.execution_adapter.decision.limit_price import Touch, round_to_tick
from quotebus.execution_adapter.intents import SIDES


class Policy(StrEnum):
    """`table`: as the decision table says. `market`: at any price. `collar`: at most a band beyond the last good price.
    `refuse`: not at all.
    """

    TABLE = "table"
    MARKET = "market"
    COLLAR = "collar"
    REFUSE = "refuse"


NO_LAST_PRICE = "no_last_price"
NOT_TRADABLE = "not_tradable"
SYMBOL_REFUSED = "symbol refused"
ORDERS_NOT_TAKEN = "orders not taken"


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
    decided_by: str = ""
    """The cell of the decision table, or the policy in its place."""


@dataclass(frozen=True, slots=True)
class Policies:
    """The default policy, those of a symbol, and those of a symbol's side; the most specific wins.

    `band` is the collar's width as a fraction of the last good price, which may be `memory_ns` old.
    """

    default: Policy = Policy.TABLE
    particular: Mapping[tuple[str, str], Policy] | None = None
    band: Decimal = Decimal("0.005")
    memory_ns: int = 300 * 10**9

    def of(self, symbol: str, side: str) -> Policy:
        rules = self.particular or {}
        return rules.get((symbol, side)) or rules.get((symbol, "")) or self.default

    def choose(self, assessment: Assessment, side: str, last: LastGood | None, now_ns: int) -> Fallback:
        """Apply table or policy to an order on this side. A halted or refused symbol gets none, whatever the policy."""
        recent = last if last is not None and now_ns - last.at_ns <= self.memory_ns else None
        chosen = self._choose(assessment, side, recent)
        return replace(chosen, decided_by=self._name_what_decided(assessment, side, recent))

    def _name_what_decided(self, assessment: Assessment, side: str, recent: LastGood | None) -> str:
        policy = self.of(assessment.symbol, side)
        if assessment.tradable and policy is not Policy.TABLE:
            return f"policy {policy}"
        if not assessment.tradable and not is_forbidden(assessment.row):
            standing = assessment.verdict.standing
            refused = standing is not None and standing.state == SymbolState.REFUSED
            return SYMBOL_REFUSED if refused else ORDERS_NOT_TAKEN
        without = Column.NONE if recent is None else Column.LAST
        return name_cell(assessment.row, without if assessment.grade is Grade.REFUSE else Column.GOOD)

    def _choose(self, assessment: Assessment, side: str, recent: LastGood | None) -> Fallback:
        reasons = assessment.reasons
        if not assessment.tradable:
            return Fallback(Action.REFUSE, None, (*reasons, NOT_TRADABLE))
        rule = self._find_rule(assessment, side, recent)
        if rule is Rule.MARKET:
            return Fallback(Action.MARKET, None, reasons)
        if rule is Rule.REFUSE and (recent is not None or self.of(assessment.symbol, side) is Policy.REFUSE):
            return Fallback(Action.REFUSE, None, reasons)
        if rule is Rule.REFUSE or recent is None:
            return Fallback(Action.REFUSE, None, (*reasons, NO_LAST_PRICE))
        tick = assessment.steps.tick
        if rule is Rule.PASSIVE:
            price = recent.sides.bid if side == "buy" else recent.sides.ask
            return Fallback(Action.LIMIT, round_to_tick(price, side, tick), (*reasons, Rule.PASSIVE))
        return Fallback(Action.LIMIT, self.compute_collar(recent.sides, side, tick), (*reasons, Rule.COLLAR))

    def _find_rule(self, assessment: Assessment, side: str, recent: LastGood | None) -> Rule:
        rule = self._find_wanted_rule(assessment, side, recent)
        return Rule.COLLAR if rule is Rule.MARKET and assessment.limit_only else rule

    def _find_wanted_rule(self, assessment: Assessment, side: str, recent: LastGood | None) -> Rule:
        policy, cells = self.of(assessment.symbol, side), TABLE[assessment.row]
        if policy is not Policy.TABLE:
            return Rule(policy)
        if assessment.grade is Grade.REFUSE:
            return cells[Column.LAST if recent is not None else Column.NONE]
        # The price is good, but the window is over: what remains is not waited for.
        return Rule.MARKET if cells[Column.GOOD] is Rule.LIMIT else cells[Column.GOOD]

    def compute_collar(self, sides: Touch, side: str, tick: Decimal | None = None) -> Decimal:
        """The worst price a collared order may have, on a tick; the venue's where it says one."""
        if side == "buy":
            return round_to_tick(sides.ask * (1 + self.band), side, tick)
        return round_to_tick(sides.bid * (1 - self.band), side, tick)


def parse(text: str, default: Policy = Policy.TABLE) -> tuple[Policy, dict[tuple[str, str], Policy]]:
    """Parse `table`, or `market,SPY=refuse,QQQ:sell=collar`; without a word of its own the default stays.

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

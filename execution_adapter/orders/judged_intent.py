"""An intent with what decisions about it depend on: prices, tactics, and how its last order was placed. Pure."""

from __future__ import annotations

from decimal import Decimal

from quotebus.execution_adapter.decision.assessment import Assessment
from quotebus.execution_adapter.decision.choose import BrokerMarket, Choice, Situation, choose
from quotebus.execution_adapter.decision.decision_table import Row
from quotebus.execution_adapter.decision.fallback import Policies
from quotebus.execution_adapter.decision.resting import RestingOrder, find_reason_to_cancel
from quotebus.execution_adapter.decision.tactics import Tactics
from quotebus.execution_adapter.intents import Intent
from quotebus.execution_adapter.orders.intent_progress import IntentProgress
from quotebus.execution_adapter.orders.price_memory import PriceMemory


class JudgedIntent(IntentProgress):
    """Takes every assessment with `_learn`; `_choose` and `_why_cancel` judge by what was learned."""

    def __init__(
        self, intent: Intent, intent_id: str, start_ns: int, tactics: Tactics, policies: Policies | None = None
    ) -> None:
        super().__init__(intent, intent_id, start_ns)
        self.tactics, self.policies = tactics, policies or Policies()
        self.intent_key = ("", "")
        self.arrival_mid: Decimal | None = None
        self.repegs = 0
        self.stopping = False
        self.broker = BrokerMarket.NONE
        self._placed_ns = start_ns
        self._prices = PriceMemory()
        self._pegged = True
        self._blind, self._row = False, Row.TRADING

    def _learn(self, assessment: Assessment, now_ns: int) -> None:
        mid = self._prices.learn(assessment, now_ns)
        if self.arrival_mid is None:
            self.arrival_mid = mid

    def _orderable(self) -> Decimal:
        """How much of what remains may be ordered now."""
        return self.remaining

    def _choose(self, assessment: Assessment, situation: Situation) -> Choice | None:
        return choose(assessment, self.intent.side, situation, self.tactics, self.policies)

    def _situation(self, assessment: Assessment, now_ns: int) -> Situation:
        last, lost = self._prices.last_good, self.open_order
        return Situation(
            qty=self.intent.qty,
            remaining=self._orderable(),
            window_ns=self.intent.window_ns,
            elapsed_ns=now_ns - self.start_ns,
            repeg=self.repegs > 0,
            unusable_ns=self._prices.unusable_ns(now_ns),
            last=last.sides if last else None,
            last_age_ns=now_ns - last.at_ns if last else 0,
            again=lost.order.qty if lost else None,
            past=assessment.past,
            intent_id=self.intent_id,
            number=len(self.children) + (lost is None),
            wish=self.intent_key,
            broker=self.broker,
        )

    def _why_cancel(self, assessment: Assessment, now_ns: int) -> str | None:
        """Why a resting order should not stay, if so."""
        if now_ns >= self.end_ns + self.tactics.grace_ns:
            return "out of time"
        if self.doubt or self.stopping:
            return self.doubt or "stopped"
        resting = RestingOrder(
            limit_price=self.children[-1].order.limit_price,
            pegged=self._pegged,
            resting_ns=now_ns - self._placed_ns,
            repegs=self.repegs,
            remaining=self.remaining,
            window_ns=self.intent.window_ns,
            elapsed_ns=now_ns - self.start_ns,
            unusable_ns=self._prices.unusable_ns(now_ns),
            blind=self._blind,
            row=self._row,
        )
        return find_reason_to_cancel(resting, assessment, self.intent.side, self.tactics)

"""The end of an intent whose journal is damaged: by the broker's word alone. Pure.

The orders of an intent are numbered from 1 without a gap, and their ids follow from the intent's. So the broker can be
asked for each in turn, until it has no next one; what is open is cancelled, and nothing is ever ordered.
"""

from __future__ import annotations

from quotebus.execution_adapter.decision.assessment import Assessment
from quotebus.execution_adapter.decision.tactics import Tactics
from quotebus.execution_adapter.intents import MAX_QTY, Intent
from quotebus.execution_adapter.orders.child_order import ChildOrder
from quotebus.execution_adapter.orders.order import Command, Order
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.states import Outcome, State


class SettlingOrder(ParentOrder):
    """A ParentOrder that only finds out and cancels. `why`: what is wrong with its journal."""

    def __init__(self, intent: Intent, intent_id: str, now_ns: int, tactics: Tactics, why: str) -> None:
        super().__init__(intent, intent_id, now_ns, tactics)
        self._why = why

    def _decide(self, assessment: Assessment, now_ns: int) -> list[Command]:  # noqa: ARG002 - no price matters
        if self.open_order is not None:  # the broker has none of this number, nor of a later one
            self.children.pop()
            return self._finish(self._why, now_ns)
        intent, number = self.intent, len(self.children) + 1
        order = Order(self.client_order_id(number), intent.symbol, intent.side, intent.qty or MAX_QTY, None)
        self.children.append(ChildOrder(order))
        return self._ask(f"{self._why}; asking the broker", now_ns)

    def _why_cancel(self, assessment: Assessment, now_ns: int) -> str | None:  # noqa: ARG002 - no price matters
        return self._why

    def find_outcome(self) -> Outcome:
        outcome = super().find_outcome()
        if self.intent.exits and not self.intent.qty and self.state is State.DONE:
            return Outcome.UNRESOLVED  # how much was to be sold stood in the journal
        return outcome

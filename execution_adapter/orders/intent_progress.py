"""What is known of an intent from its child orders: filled, remaining, average price. Pure."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from quotebus.execution_adapter.intents import Intent
from quotebus.execution_adapter.orders.child_order import ChildOrder
from quotebus.execution_adapter.orders.order import ZERO


class IntentProgress:
    """An intent with its child orders, oldest first. `start_ns` is on the clock that its worker decides by."""

    def __init__(self, intent: Intent, intent_id: str, start_ns: int) -> None:
        self.intent, self.intent_id, self.start_ns = intent, intent_id, start_ns
        self.children: list[ChildOrder] = []
        self.decided_by: Counter[str] = Counter()
        """How many decisions each cell of the decision table made, or what stood in its place."""

    @property
    def filled(self) -> Decimal:
        return sum((child.filled for child in self.children), ZERO)

    @property
    def remaining(self) -> Decimal:
        """What may still be ordered once no order can fill any more."""
        return max(ZERO, self.intent.qty - self.filled)

    @property
    def average_price(self) -> Decimal | None:
        """The average over all fills whose price is known."""
        priced = [
            (child.filled, child.average_price) for child in self.children if child.average_price and child.filled
        ]
        total = sum((qty for qty, _ in priced), ZERO)
        return sum((qty * price for qty, price in priced if price), ZERO) / total if total else None

    @property
    def end_ns(self) -> int:
        return self.start_ns + self.intent.window_ns

    @property
    def open_order(self) -> ChildOrder | None:
        """The one order that may still fill, if any."""
        last = self.children[-1] if self.children else None
        return last if last is not None and not last.proven else None

    def client_order_id(self, number: int) -> str:
        return f"{self.intent_id}-{number}"

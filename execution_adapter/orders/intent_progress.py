"""Where an intent stands: its orders, what they filled, its state, and how it ended. Pure."""

from __future__ import annotations

import logging
from collections import Counter
from decimal import Decimal

from quotebus.bus.errors import IllegalTransition
from quotebus.execution_adapter.decision.choose import Decision
from quotebus.execution_adapter.intents import Intent
from quotebus.execution_adapter.orders.child_order import ChildOrder
from quotebus.execution_adapter.orders.order import ZERO, Answer, Command
from quotebus.execution_adapter.orders.states import TRANSITIONS, Outcome, State

_log = logging.getLogger(__name__)


class IntentProgress:
    """An intent with its child orders, oldest first. `start_ns` is on the clock that its worker decides by."""

    def __init__(self, intent: Intent, intent_id: str, start_ns: int) -> None:
        self.intent, self.intent_id, self.start_ns = intent, intent_id, start_ns
        self.children: list[ChildOrder] = []
        self.decisions: list[Decision] = []
        self.decided_by: Counter[str] = Counter()
        """How many decisions each cell of the decision table made, or what stood in its place."""
        self.state, self.cause, self.since_ns = State.WAITING, "started", start_ns
        self.outcome: Outcome | None = None
        self.doubt = ""
        """Why nothing more may be ordered and a person must look: the broker contradicts itself or its order stream,
        or the journal cannot be written."""

    needs_price = True
    """Whether its symbol is known and its price matters."""

    is_doubt_of_now = False
    """Whether the doubt is about nothing at the broker, and over with this worker: another life may go on."""

    @property
    def title(self) -> str:
        """What it is, for people."""
        return str(self.intent)

    @property
    def wanted(self) -> str:
        """How many shares, for people."""
        return f"{self.intent.qty:f}"

    @property
    def filled(self) -> Decimal:
        return sum((child.filled for child in self.children), ZERO)

    @property
    def remaining(self) -> Decimal:
        """What may still be ordered once no order can fill any more."""
        doubtful = sum((child.doubtful for child in self.children), ZERO)
        return max(ZERO, self.intent.qty - self.filled - doubtful)

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

    @property
    def affects_power(self) -> bool:
        """Whether its order may hold buying power back now, or its sale bring some soon."""
        return self.state is not State.DONE and (self.open_order is not None or self.intent.side == "sell")

    @property
    def known_orders(self) -> list[ChildOrder]:
        """Its orders, oldest first: those that were placed here, and those that the broker has shown."""
        return [child for child in self.children if not child.elsewhere or child.seen]

    def find_child(self, answer: Answer) -> ChildOrder | None:
        """The order that an answer is about: by its client order id, or as the successor of one of ours."""
        name, order_id = getattr(answer, "client_order_id", ""), getattr(answer, "order_id", "")
        for child in self.children:
            if child.order.client_order_id == name or (order_id and child.successor == order_id):
                return child
        return None

    def client_order_id(self, number: int) -> str:
        return f"{self.intent_id}-{number}"

    def find_outcome(self) -> Outcome:
        """What the broker's own counts say now. A fate that is not known is never anything but unresolved."""
        last = self.open_order
        open_at_broker = last is not None and not (last.lost and self.state is State.DONE)
        if open_at_broker or self.filled > self.intent.qty:
            return Outcome.UNRESOLVED
        if self.filled == self.intent.qty:
            return Outcome.FILLED
        if self.doubt:
            return Outcome.UNRESOLVED
        return Outcome.PARTLY if self.filled else Outcome.UNFILLED

    def list_doubtful(self) -> list[str]:
        """The orders that a person must look up at the broker, if the outcome is unresolved."""
        if (last := self.open_order) is not None:
            return [last.order.client_order_id]
        return [child.order.client_order_id for child in self.children] or [self.client_order_id(1)]

    def _note_decision(self, decision: Decision) -> None:
        self.decisions.append(decision)
        self.decided_by[decision.choice.decided_by] += 1

    def _finish(self, why: str, now_ns: int) -> list[Command]:
        self._enter(State.DONE, why, now_ns)
        self.outcome = self.find_outcome()
        return []

    def _enter(self, state: State, cause: str, now_ns: int) -> None:
        """Change the state; the one place that does. Raises IllegalTransition."""
        if state not in TRANSITIONS[self.state]:
            raise IllegalTransition(f"order {self.intent_id}", self.state, state, cause)
        _log.debug("%s: %s -> %s (%s)", self.intent_id, self.state, state, cause)
        self.state, self.cause, self.since_ns = state, cause, now_ns

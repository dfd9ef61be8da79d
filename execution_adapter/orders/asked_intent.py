"""An intent with the questions about its orders, and what the broker's words on their ends mean. Pure."""

from __future__ import annotations

from decimal import Decimal

from quotebus.execution_adapter.decision.fallback import Policies
from quotebus.execution_adapter.decision.tactics import Tactics
from quotebus.execution_adapter.intents import MAX_QTY, Intent
from quotebus.execution_adapter.orders.child_order import ChildOrder, contradicts_itself, proves_final
from quotebus.execution_adapter.orders.judged_intent import JudgedIntent
from quotebus.execution_adapter.orders.order import REVISIONS, ZERO, CancelOrder, Command, Order, Report, Status
from quotebus.execution_adapter.orders.states import State

DENIALS = 3
"""How often the broker must call an order over with less filled than its stream reported, to be believed."""


class AskedIntent(JudgedIntent):
    """Asks for its last order with `_ask`, and takes the broker's words on orders that are over."""

    def __init__(
        self, intent: Intent, intent_id: str, start_ns: int, tactics: Tactics, policies: Policies | None = None
    ) -> None:
        super().__init__(intent, intent_id, start_ns, tactics, policies)
        self.contradictions = 0
        self._asked_ns = start_ns
        self._absent = 0

    def _ask(self, why: str, now_ns: int) -> list[Command]:
        self._asked_ns = now_ns
        self._enter(State.LOOKING_UP, why, now_ns)
        return [self.children[-1].question]

    def _ask_at_times(self, now_ns: int, every_ns: int) -> list[Command]:
        if now_ns - self._asked_ns < every_ns:
            return []
        self._asked_ns = now_ns
        child = self.children[-1]
        if self.state is State.CANCELING and not child.cancel_taken:
            return [CancelOrder(child.order.client_order_id, child.order_id)]
        child.cancel_taken = False
        return [child.question]

    @property
    def _is_last(self) -> bool:
        """Whether the broker is known to have no order of the intent after those that are known here."""
        return self._absent == len(self.children) + 1

    def _ask_for_next(self, why: str, now_ns: int) -> list[Command]:
        """Ask for the order after those that are known here: another host may have placed it, or a lost life."""
        number, intent = len(self.children) + 1, self.intent
        order = Order(self.client_order_id(number), intent.symbol, intent.side, self.remaining or MAX_QTY, None)
        self.children.append(ChildOrder(order, elsewhere=True))
        return self._ask(f"{why}; asking for order {number}", now_ns)

    def _on_no_next(self, now_ns: int) -> list[Command]:
        self.children.pop()
        self._absent = len(self.children) + 1
        self._enter(State.WAITING, "has no further order", now_ns)
        return []

    _may_adopt = False
    """Whether an order of ours that was placed from elsewhere and is open is worked here from now on."""

    def _is_final(self, report: Report) -> bool:
        return proves_final(report)

    def _on_final(self, report: Report, now_ns: int) -> list[Command]:
        self._enter(State.WAITING, report.word or report.status, now_ns)
        return []

    def _on_end(self, child: ChildOrder, report: Report, now_ns: int) -> list[Command]:
        """The broker says that it is over. Less filled than its stream reported, or than an order that is said to be
        filled is for, is asked about until it stays so.

        After that, more is believed when two answers in a row say the same: one may be from before.
        """
        less, agrees = (report.filled or ZERO) < child.filled, child.last_count == report.filled
        short = contradicts_itself(report) and not child.revised
        child.last_count = report.filled
        child.denied += less or short
        if child.denied and (not agrees or ((less or short) and child.denied < DENIALS)):
            if self.state is State.DONE:
                return [child.question]
            return [] if self.state is State.LOOKING_UP else self._ask("fills contradict each other", now_ns)
        if short:
            self.doubt = f"said to be filled, with {report.filled:f} of {report.qty:f}"
        if less:
            self.doubt = f"{child.filled:f} reported filled, and the broker's final count is {report.filled:f}"
        child.end(report)
        if self.state is State.DONE:
            self.outcome = self.find_outcome()
            return []
        return self._on_final(report, now_ns)

    def _on_word_after_end(self, child: ChildOrder, report: Report, known: Decimal) -> list[Command]:
        """Another word on an order that is over. The stream's prompts the question; the broker's newest one counts."""
        name = child.order.client_order_id
        if not report.authoritative:
            revised = report.word in REVISIONS and report.filled != known
            return [child.question] if child.refused or revised or (report.filled or ZERO) > known else []
        if not proves_final(report):
            if report.status is not Status.OPEN or not (child.refused or (report.filled or ZERO) > known):
                return []  # an answer that was under way before the end
            self.doubt = f"{name} was over, and is open at the broker"
            return [CancelOrder(name, child.order_id)]
        if report.filled != known:
            self.doubt = f"{name}: {known:f} was the broker's final count of its fills, and now it is {report.filled:f}"
            child.end(report)
        if self.state is State.DONE:
            self.outcome = self.find_outcome()
        return []

    def _on_late_report(self, child: ChildOrder, report: Report) -> list[Command]:
        """After the end: an order reached the broker late, or is still there. It is cancelled, and its fills count."""
        if report.status is not Status.OPEN:
            return []
        child.lost = False
        self.outcome = self.find_outcome()
        return [] if child.elsewhere else [CancelOrder(child.order.client_order_id, child.order_id)]

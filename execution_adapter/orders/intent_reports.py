"""What a worker tells the client that published an intent: when a report is due, and what it says. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.events import ExecutionOutcome, IntentReport, ReportedOrder, TradeIntent
from quotebus.execution_adapter.orders.child_order import ChildOrder
from quotebus.execution_adapter.orders.intent_progress import IntentProgress
from quotebus.execution_adapter.orders.journal_entries import (
    Entry,
    JournalEnd,
    read_arrival,
    read_children,
    read_head,
    read_size,
)
from quotebus.execution_adapter.orders.order import ZERO, Status
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.states import Outcome, State
from quotebus.execution_adapter.orders.summary import IntentEnd

EVERY_NS = NS_PER_S
CHANGES_EVERY_NS = 100 * NS_PER_MS
MAX_ORDERS = 100
MAX_TEXT = 200
_OUTCOMES = {
    Outcome.FILLED: ExecutionOutcome.FILLED,
    Outcome.PARTLY: ExecutionOutcome.PARTLY_FILLED,
    Outcome.UNFILLED: ExecutionOutcome.UNFILLED,
    Outcome.UNRESOLVED: ExecutionOutcome.UNRESOLVED,
}


class IntentReports:
    """The reports of one worker that are due. Those of intents that did not come over the bus are none."""

    def __init__(self, worker: str, account: str) -> None:
        self._worker, self._account = worker, account
        self._told: dict[str, tuple[tuple[object, ...], int]] = {}
        self._asked: set[str] = set()
        self._due: list[IntentReport] = []

    def ask(self, intent_id: str) -> None:
        """The client has sent it again: it is reported at once, whatever was said before."""
        self._asked.add(intent_id)

    def note(self, parent: ParentOrder, now_ns: int) -> None:
        """Look at an intent: a change is reported within 100 ms, and one that is worked each second."""
        if not parent.intent_key[0]:
            return
        intent_id, asked = parent.intent_id, parent.intent_id in self._asked
        told, told_ns = self._told.get(intent_id, ((), 0))
        age_ns = now_ns - told_ns
        if told and not asked and age_ns < CHANGES_EVERY_NS:
            return
        counts = (len(parent.known_orders), len(parent.fallbacks))
        known = (parent.state, parent.cause, parent.filled, parent.intent.qty, parent.stopping, parent.doubt, counts)
        if asked or known != told or (parent.state is not State.DONE and age_ns >= EVERY_NS):
            self._asked.discard(intent_id)
            self._told[intent_id] = (known, now_ns)
            self._due.append(self._of(parent))

    def note_ended(self, entries: list[Entry], end: JournalEnd) -> None:
        """An intent that ended in a former life, by its journal. Raises JournalDamaged."""
        head = read_head(entries)
        if head is None or not head.intent_key[0]:
            return
        progress = IntentProgress(head.intent, "", 0)
        progress.children = read_children(entries)
        qty = read_size(entries) or head.intent.qty
        filled = progress.filled if progress.children else end.filled or ZERO
        self._due.append(
            IntentReport(
                client=head.intent_key[0], intent_id=head.intent_key[1], worker=self._worker, account=self._account,
                symbol=head.intent.symbol, side=head.intent.side, qty=f"{qty:f}",
                outcome=_OUTCOMES[end.outcome],
                state=State.DONE,
                cause=end.text.partition("(")[2].removesuffix(")")[:MAX_TEXT], filled=f"{filled:f}",
                average_price=_text(progress.average_price), arrival_price=_text(read_arrival(entries)),
                orders=_orders(progress.children), reasons=(),
            )
        )  # fmt: skip

    def give_up(self, event: TradeIntent, end: IntentEnd) -> None:
        """An intent that was taken on once is not worked, and what has become of it is open."""
        orders = tuple(ReportedOrder(client_order_id, "", Status.OPEN, "0") for client_order_id in end.order_ids)
        self._refuse(event, ExecutionOutcome.UNRESOLVED, end.why, orders)

    def decline(self, event: TradeIntent, why: str) -> None:
        """An intent is not taken on, and nothing was ordered for it."""
        self._refuse(event, ExecutionOutcome.DECLINED, why, ())

    def _refuse(
        self, event: TradeIntent, outcome: ExecutionOutcome, why: str, orders: tuple[ReportedOrder, ...]
    ) -> None:
        self._due.append(
            IntentReport(
                client=event.client, intent_id=event.intent_id, worker=self._worker, account=self._account,
                symbol=event.symbol[:40], side=event.side[:8], qty=f"{_as_decimal(event.qty):f}",
                outcome=outcome, state="declined", cause=why[:MAX_TEXT], filled="0",
                average_price=None, arrival_price=None, orders=orders, reasons=(),
            )
        )  # fmt: skip

    def forget(self, intent_id: str) -> None:
        """Its journal speaks for it from now on."""
        self._told.pop(intent_id, None)
        self._asked.discard(intent_id)

    def take(self) -> list[IntentReport]:
        """What is to be published now."""
        due, self._due = self._due, []
        return due

    def _of(self, parent: ParentOrder) -> IntentReport:
        outcome = ExecutionOutcome.WORKING if parent.outcome is None else _OUTCOMES[parent.find_outcome()]
        state: str = parent.state.replace(" ", "_")
        if parent.stopping and outcome not in (ExecutionOutcome.WORKING, ExecutionOutcome.FILLED):
            outcome, state = ExecutionOutcome.WORKING, "stopped"  # its journal has no end: it is resumed
        newest = (parent.fallbacks[-1].action, *parent.fallbacks[-1].reasons) if parent.fallbacks else ()
        return IntentReport(
            client=parent.intent_key[0], intent_id=parent.intent_key[1], worker=self._worker, account=self._account,
            symbol=parent.intent.symbol, side=parent.intent.side, qty=f"{parent.intent.qty:f}", outcome=outcome,
            state=state, cause=parent.cause[:MAX_TEXT], filled=f"{parent.filled:f}",
            average_price=_text(parent.average_price), arrival_price=_text(parent.arrival_mid),
            orders=_orders(parent.known_orders), reasons=(*filter(None, (parent.doubt,)), *newest),
        )  # fmt: skip


def _as_decimal(qty: float) -> Decimal:
    return Decimal(repr(qty)) if math.isfinite(qty) and qty >= 0 else ZERO


def _text(price: Decimal | None) -> str | None:
    return None if price is None else f"{price.quantize(Decimal('0.000001')).normalize():f}"


def _orders(children: Iterable[ChildOrder]) -> tuple[ReportedOrder, ...]:
    return tuple(
        ReportedOrder(child.order.client_order_id, child.order_id, child.status, f"{child.filled or ZERO:f}")
        for child in list(children)[-MAX_ORDERS:]
    )

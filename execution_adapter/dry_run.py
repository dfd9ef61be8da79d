"""`--dry-run`: what the worker would send for each intent now, by the same machine, and nothing is sent.

The broker is asked at most what changes nothing: a position, its clock, where an order of the journal stands.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from quotebus.bus.client import BusClient
from quotebus.bus.clock import now_ns, seconds, to_utc_ns
from quotebus.execution_adapter.decision.action import Action
from quotebus.execution_adapter.decision.assessment import Assessor
from quotebus.execution_adapter.gateways.base import Gateway
from quotebus.execution_adapter.gateways.dispatch import Dispatch
from quotebus.execution_adapter.intents import Intent
from quotebus.execution_adapter.orders.broker_clock import BrokerClock
from quotebus.execution_adapter.orders.journal_entries import (
    JournalDamaged,
    read_children,
    read_end,
    read_head,
    read_size,
)
from quotebus.execution_adapter.orders.journal_folder import find_journals, read_journal
from quotebus.execution_adapter.orders.order import TIME_IN_FORCE, CancelOrder, Command, Order, SubmitOrder
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.sell_all import SellAllOrder
from quotebus.execution_adapter.orders.states import State
from quotebus.execution_adapter.settings import ExecutionSettings
from quotebus.execution_adapter.worker import open_client

ALL_WOULD_BE_SENT, NOT_ALL = 0, 3
TURN_S = 0.02
SPARE_S = 10.0
"""Beyond the patience with a missing price: for the broker's answers."""


@dataclass
class _Plan:
    """One intent and what would be done for it; `said` is the line, empty while that is open."""

    intent: Intent
    intent_id: str
    parent: ParentOrder | None = None
    said: str = ""
    sends: bool = False


class DryRun:
    """Says for each intent of the settings what its next order would be, and why. `say` prints a line."""

    def __init__(self, settings: ExecutionSettings, gateway: Gateway, say: Callable[[str], None]) -> None:
        self._settings, self._say = settings, say
        self._dispatch = Dispatch(gateway)
        self._clock = BrokerClock(has_broker=settings.gateway != "none")
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End `run`; may be called from a signal handler."""
        self._stopping.set()

    def run(self) -> int:
        """Look until each intent has its line: 0 when an order would be sent for every one, else 3. Raises OSError."""
        settings, intents = self._settings, self._settings.intents()
        with open_client(settings) as bus:
            self._say(f"dry run, nothing is sent: {len(intents)} intents, gateway {settings.execution_gateway}")
            # First prices take a moment on a cold line; an intent begins with them, as it would for a worker that runs.
            bus.request({intent.symbol for intent in intents}, wait_s=settings.execution_patience_s)
            plans = self._make_plans(intents, now_ns())
            self._look(bus, plans, now_ns() + seconds(settings.execution_patience_s + SPARE_S))
        for plan in plans:
            self._say(plan.said or f"{_format(plan.intent)} would not be sent yet: nothing was decided")
        count = sum(plan.sends for plan in plans)
        self._say(f"{count} of {len(plans)} would be sent now; nothing was sent")
        return ALL_WOULD_BE_SENT if count == len(plans) else NOT_ALL

    def _make_plans(self, intents: list[Intent], at_ns: int) -> list[_Plan]:
        settings, account = self._settings, self._settings.account
        unfinished = find_journals(settings.execution_journal_dir, account).unfinished
        typed = {head.intent: intent_id for intent_id, head in unfinished.items() if head.intent_key == ("", "")}
        plans = [_Plan(each, typed.get(each, each.intent_id(account))) for each in intents]
        for plan in plans:
            try:
                self._begin(plan, at_ns)
            except JournalDamaged as error:
                plan.said = f"{_format(plan.intent)} would not be sent: its journal is damaged: {error}"
        return plans

    def _begin(self, plan: _Plan, at_ns: int) -> None:
        """Make the machine of an intent as the worker would, from its journal."""
        settings, intent = self._settings, plan.intent
        entries = read_journal(settings.execution_journal_dir, plan.intent_id)
        if (end := read_end(entries)) is not None:
            plan.said = f"{_format(intent)} would not be sent: already done: {end.text}; add id= to repeat it"
            return
        if intent.exits and settings.gateway == "none":
            plan.said = f"{_format(intent)} would not be sent: without a gateway nobody knows how much is held"
            return
        tactics, start_ns = settings.tactics(), at_ns
        if (head := read_head(entries)) is not None:
            tactics = replace(tactics, grace_ns=head.grace_ns)
            start_ns = min(at_ns, head.start_ns - to_utc_ns(0))
            intent = replace(intent, qty=read_size(entries) or intent.qty)
        machine = SellAllOrder if intent.exits else ParentOrder
        plan.parent = machine(
            intent, plan.intent_id, start_ns, tactics.for_urgency(intent.urgency), settings.policies()
        )
        if children := read_children(entries):
            self._take(plan, plan.parent.restore(children, at_ns))

    def _look(self, bus: BusClient, plans: list[_Plan], until_ns: int) -> None:
        settings = self._settings
        assessor = Assessor(bus.assess, settings.limits(), settings.execution_lot)
        while now_ns() < until_ns and not self._stopping.is_set():
            for answer in self._dispatch.answers():
                if not self._clock.take(answer, now_ns()):
                    for plan in plans:
                        if plan.parent is not None and not plan.said:
                            self._take(plan, plan.parent.on_answer(answer, now_ns()))
            for plan in plans:
                if plan.parent is not None and not plan.said:
                    self._decide(plan, plan.parent, assessor)
            if all(plan.said for plan in plans):
                return
            self._stopping.wait(TURN_S)

    def _decide(self, plan: _Plan, parent: ParentOrder, assessor: Assessor) -> None:
        at_ns, intent = now_ns(), parent.intent
        parent.broker = self._clock.find(at_ns)
        assessment = assessor.assess(intent.symbol, intent.side, intent.qty, at_ns)
        commands = parent.advance(assessment, at_ns, stream_proven=False)
        if parent.asks_for_the_clock:
            for question in self._clock.ask(at_ns):
                self._dispatch.send(question)
        self._take(plan, commands)
        if not plan.said and parent.state is State.DONE:
            plan.said = f"{_format(plan.intent)} would not be sent: {parent.cause}"
        for decision in parent.decisions:
            if not plan.said and decision.choice.action is Action.REFUSE:
                plan.said = f"{_format(plan.intent)} would not be sent: {', '.join(decision.choice.reasons)}"
        parent.decisions.clear()

    def _take(self, plan: _Plan, commands: list[Command]) -> None:
        """Say what would be sent, and ask what may be asked."""
        for command in commands:
            if isinstance(command, SubmitOrder):
                assert plan.parent is not None
                reasons = plan.parent.decisions[-1].choice.reasons if plan.parent.decisions else ()
                plan.said, plan.sends = self._format_order(command.order, reasons), True
            elif isinstance(command, CancelOrder):
                plan.said = f"{_format(plan.intent)} would cancel {command.client_order_id} first"
            else:
                self._dispatch.send(command)

    def _format_order(self, order: Order, reasons: tuple[str, ...]) -> str:
        extended = self._settings.execution_extended_hours and order.limit_price is not None
        price = "market" if order.limit_price is None else f"limit {order.limit_price:f}"
        hours = "  extended hours" if extended else ""
        what = f"{order.symbol:<6} would {order.side} {order.qty:f}  {price}  {TIME_IN_FORCE}{hours}"
        return f"{what}  as {order.client_order_id}  ({', '.join(reasons)})"


def _format(intent: Intent) -> str:
    return f"{intent.symbol:<6} {intent.side} {intent.amount}"

"""The worker that works intents: bus, broker and journals around one `ParentOrder` per intent.

One thread decides. What it receives, it takes before it decides: order updates and answers first, then the clock.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from quotebus.bus.client import BusClient
from quotebus.bus.clock import NS_PER_S, now_ns, seconds, to_utc_ns, utc_ns
from quotebus.bus.errors import ConfigError
from quotebus.bus.events import Event, OrderUpdate, TradeIntent
from quotebus.bus.transport.event_reader import EventReader
from quotebus.execution_adapter.decision.assessment import Assessor
from quotebus.execution_adapter.decision.event import decision_event
from quotebus.execution_adapter.gateways.base import Gateway
from quotebus.execution_adapter.gateways.dispatch import Dispatch
from quotebus.execution_adapter.intents import from_event
from quotebus.execution_adapter.orders.broker_clock import BrokerClock
from quotebus.execution_adapter.orders.journal import Journal, find_unfinished
from quotebus.execution_adapter.orders.journal_entries import (
    JournalDamaged,
    JournalHead,
    read_arrival,
    read_children,
    read_head,
    read_outcome,
    read_size,
)
from quotebus.execution_adapter.orders.order import Answer, Command, SubmitOrder, read_update
from quotebus.execution_adapter.orders.order_stream import OrderStream
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.sell_all import SellAllOrder
from quotebus.execution_adapter.orders.states import Outcome
from quotebus.execution_adapter.orders.summary import format_report
from quotebus.execution_adapter.orders.worked_intent import WorkedIntent
from quotebus.execution_adapter.settings import MAX_INTENTS, ExecutionSettings
from quotebus.execution_adapter.worker import open_client

TURN_S = 0.02
STOP_S = 3.0
MAX_ENDED = 200
"""Ended intents that still take late reports; the summary only counts those before them."""
MAX_ENDED_IDS = 10_000
ALL_FILLED, NOT_ALL_FILLED, UNRESOLVED = 0, 3, 4
_log = logging.getLogger(__name__)


class OrderWorker:
    """Works every intent to its end. `say` prints a line."""

    def __init__(self, settings: ExecutionSettings, gateway: Gateway, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._dispatch = Dispatch(gateway)
        self._say = say
        self._stopping = threading.Event()
        self._tactics, self._policies = settings.tactics(), settings.policies()
        self._worked: dict[str, WorkedIntent] = {}
        self._order_stream = OrderStream()
        self._broker_clock = BrokerClock(has_broker=settings.gateway != "none")
        self._breaks = 0
        self._decided = 0
        self._ended_ids: dict[str, None] = {}
        self._forgotten: Counter[Outcome] = Counter()
        self._sources = frozenset(filter(None, settings.execution_intents_from.split(",")))

    def stop(self) -> None:
        """Cancel what is open and end; may be called from a signal handler. The journals keep the rest for later."""
        self._stopping.set()

    def run(self) -> int:
        """Work until every intent has ended, or until `stop`; the exit status. Raises ConfigError, OSError."""
        settings = self._settings
        prefixes = [b"order.", b"health.", *(f"intent.{name}\0".encode() for name in self._sources)]
        for intent in settings.intents():
            day = time.strftime("%Y-%m-%d", time.gmtime(utc_ns() // NS_PER_S))
            head = JournalHead(intent, utc_ns(), self._tactics.grace_ns, settings.account)
            self._take_on(head, intent.intent_id(settings.account, day))
        unfinished = find_unfinished(settings.execution_journal_dir, settings.account, self._sources)
        for intent_id, head in unfinished.items():
            self._take_on(head, intent_id)
        reader = EventReader(settings.bus_subscribe_url, *prefixes)
        try:
            with open_client(settings) as bus:
                self._say(f"working {len(self._worked)} intents as {bus.name}, gateway {settings.execution_gateway}")
                self._request_symbols(bus)
                self._loop(bus, reader)
        finally:
            reader.close()
            for worked in self._worked.values():
                worked.close()
        parents = [worked.parent for worked in self._worked.values()]
        for line in format_report(parents, now_ns(), self._forgotten):
            self._say(line)
        outcomes = {parent.outcome for parent in parents} | self._forgotten.keys()
        if Outcome.UNRESOLVED in outcomes or None in outcomes:
            return UNRESOLVED
        return ALL_FILLED if outcomes <= {Outcome.FILLED} else NOT_ALL_FILLED

    # intents

    def _take_on(self, head: JournalHead, intent_id: str) -> None:
        """Begin an intent, or go on with it where its journal ends, and then as it began."""
        journal = Journal(self._settings.execution_journal_dir, intent_id)
        if not journal.acquire():
            self._say(f"{head.intent}: another worker is already working on it ({intent_id})")
            journal.close()
            return
        try:
            entries = journal.entries()
            head, children = read_head(entries) or head, read_children(entries)
            intent = replace(head.intent, qty=read_size(entries) or head.intent.qty)
        except JournalDamaged as error:
            self._say(f"{head.intent}: not worked: its journal is damaged: {error}")
            journal.close()
            return
        if (outcome := read_outcome(entries)) is not None:
            self._note_ended(intent_id)
            self._say(f"{intent}: already done: {outcome}; add id= to repeat it")
            journal.close()
            return
        if not entries:
            journal.append(head.entry)
        start_ns = min(now_ns(), head.start_ns - to_utc_ns(0))
        tactics = replace(self._tactics, grace_ns=head.grace_ns).for_urgency(intent.urgency)
        parent = (SellAllOrder if intent.exits else ParentOrder)(intent, intent_id, start_ns, tactics, self._policies)
        parent.arrival_mid, parent.intent_key = read_arrival(entries), head.intent_key
        self._worked[intent_id] = worked = WorkedIntent(parent, journal, children)
        _log.debug("%s: taken on as %s, %d orders in its journal", intent, intent_id, len(children))
        if children:
            self._say(f"{intent}: resumed after {len(children)} orders")
            self._execute(worked, parent.restore(children, now_ns()))

    def _take_on_from_bus(self, event: TradeIntent, bus: BusClient) -> None:
        if event.client not in self._sources:
            return
        digest = hashlib.sha256(f"{self._settings.account}|{event.client}|{event.intent_id}".encode()).hexdigest()[:12]
        received_ns = utc_ns()
        try:
            intent, grace_ns = from_event(event, received_ns, self._tactics.grace_ns)
        except ValueError as error:
            self._decline(event, str(error))
            return
        intent_id = f"qb-{event.side}-{digest}"
        if intent_id in self._worked or intent_id in self._ended_ids:
            return
        if self._forget_oldest() >= MAX_INTENTS:
            self._decline(event, f"{MAX_INTENTS} intents are already being worked")
            return
        key = (event.client, event.intent_id)
        try:
            self._take_on(JournalHead(intent, received_ns, grace_ns, self._settings.account, key), intent_id)
        except ConfigError as error:  # of its journal: those that are being worked go on
            self._decline(event, str(error))
        self._request_symbols(bus)

    def _decline(self, event: TradeIntent, why: str) -> None:
        self._say(f"intent {event.intent_id} of {event.client}: not accepted: {why}")

    def _note_ended(self, intent_id: str) -> None:
        self._ended_ids[intent_id] = None
        if len(self._ended_ids) > MAX_ENDED_IDS:  # its journal knows as well
            del self._ended_ids[next(iter(self._ended_ids))]

    def _forget_oldest(self) -> int:
        """Forget the oldest intents that have ended; how many have not."""
        ended = [intent_id for intent_id, worked in self._worked.items() if worked.is_done]
        active = len(self._worked) - len(ended)
        for intent_id in ended[: max(0, len(ended) - MAX_ENDED)]:
            worked = self._worked.pop(intent_id)
            worked.close()
            outcome = worked.parent.outcome
            assert outcome is not None
            self._forgotten[outcome] += 1
            if outcome is not Outcome.UNRESOLVED:
                self._note_ended(intent_id)
        return active

    def _request_symbols(self, bus: BusClient) -> None:
        symbols = dict.fromkeys(worked.parent.intent.symbol for worked in self._worked.values())
        bus.request(symbols, priority=self._settings.execution_priority)

    # the loop

    def _loop(self, bus: BusClient, reader: EventReader) -> None:
        assessor = Assessor(bus.assess, self._settings.limits(), self._tactics.lot)
        stop_by_ns: int | None = None
        while True:
            for event in reader.take(TURN_S):
                self._on_event(event, bus)
            if reader.breaks != self._breaks:
                self._breaks = reader.breaks
                self._reconcile("the bus was interrupted")
            for answer in self._dispatch.answers():
                self._on_answer(answer)
            if self._stopping.is_set() and stop_by_ns is None:
                stop_by_ns = now_ns() + seconds(STOP_S)
                for worked in self._worked.values():
                    self._execute(worked, worked.parent.stop(now_ns()))
            stream_proven = self._order_stream.is_proven(now_ns())
            for worked in self._worked.values():
                if not worked.is_done:
                    self._advance(worked, assessor, bus, stream_proven=stream_proven)
                self._print_progress(worked)
            if stop_by_ns is not None and now_ns() > stop_by_ns:
                return
            ended = all(worked.is_done for worked in self._worked.values()) and not self._dispatch.under_way
            if ended and (stop_by_ns is not None or not self._sources):
                return

    def _advance(self, worked: WorkedIntent, assessor: Assessor, bus: BusClient, *, stream_proven: bool) -> None:
        intent, at_ns = worked.parent.intent, now_ns()
        assessment = assessor.assess(intent.symbol, intent.side, intent.qty, at_ns)
        worked.parent.broker = self._broker_clock.find(at_ns)
        commands = worked.parent.advance(assessment, at_ns, stream_proven=stream_proven)
        if worked.parent.asks_for_the_clock:
            for question in self._broker_clock.ask(at_ns):
                self._dispatch.send(question)
        self._publish(worked.parent, bus)
        self._execute(worked, commands)

    def _on_event(self, event: Event, bus: BusClient) -> None:
        if isinstance(event, TradeIntent):
            self._take_on_from_bus(event, bus)
            return
        if self._order_stream.on_event(event, now_ns()):
            self._reconcile("gap in order updates")
        if isinstance(event, OrderUpdate):
            _log.debug("order update: %s %s", event.client_order_id, event.event)
            self._on_answer(read_update(event))

    def _on_answer(self, answer: Answer) -> None:
        if self._broker_clock.take(answer, now_ns()):
            return
        for worked in self._worked.values():
            self._execute(worked, worked.parent.on_answer(answer, now_ns()))

    def _reconcile(self, why: str) -> None:
        _log.warning("%s (order stream: %s); querying open orders", why, self._order_stream.description)
        for worked in self._worked.values():
            self._execute(worked, worked.parent.on_gap(now_ns()))

    # what was decided

    def _execute(self, worked: WorkedIntent, commands: list[Command]) -> None:
        for command in commands:
            if isinstance(command, SubmitOrder):
                worked.record_order(command.order)
            self._dispatch.send(command)

    def _publish(self, parent: ParentOrder, bus: BusClient) -> None:
        for decision in parent.decisions:
            self._decided += 1
            decision_id = f"{bus.name[-40:]}-{self._decided}"
            settings = self._settings.decision_settings(parent.tactics)
            bus.publish(decision_event(decision, bus.name, decision_id, settings, to_utc_ns(decision.at_ns)))
            choice = decision.choice
            if not choice.pegged:
                price = "" if choice.limit_price is None else f" {choice.limit_price:f}"
                _log.warning("%s: %s%s: %s", parent.intent, choice.action, price, ", ".join(choice.reasons))
        parent.decisions.clear()

    def _print_progress(self, worked: WorkedIntent) -> None:
        line = worked.take_progress(now_ns())
        if line is not None:
            self._say(line)
            if worked.is_done:
                worked.record_end()

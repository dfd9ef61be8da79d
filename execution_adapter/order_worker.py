"""The worker that works intents: bus, broker and journal around `ParentOrder`, one intent each.

One thread decides. What it hears, it hears before it decides: order updates and answers first, then the clock.
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
from quotebus.execution_adapter.orders.journal import Journal, find_unfinished
from quotebus.execution_adapter.orders.journal_entries import (
    Entry,
    JournalDamaged,
    JournalHead,
    final_entry,
    place_entry,
    read_arrival,
    read_children,
    read_head,
    read_outcome,
    read_size,
    size_entry,
)
from quotebus.execution_adapter.orders.order import Command, SubmitOrder, read_update
from quotebus.execution_adapter.orders.order_stream import OrderStream
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.sell_all import SellAllOrder
from quotebus.execution_adapter.orders.states import Outcome, State
from quotebus.execution_adapter.orders.summary import format_progress, format_report
from quotebus.execution_adapter.settings import MAX_INTENTS, ExecutionSettings

TURN_S = 0.02
STOP_S = 3.0
MAX_ENDED = 200
"""Intents of the bus that are over and still listen to late reports; the summary counts those before them."""
MAX_ENDED_IDS = 10_000
ALL_FILLED, NOT_ALL_FILLED, UNRESOLVED = 0, 3, 4
_log = logging.getLogger(__name__)


class OrderWorker:
    """Works every intent to its end. `say` prints a line; `run` returns the exit status."""

    def __init__(self, settings: ExecutionSettings, gateway: Gateway, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._dispatch = Dispatch(gateway)
        self._say = say
        self._stopping = threading.Event()
        self._tactics, self._policies = settings.tactics(), settings.policies()
        self._parents: dict[str, ParentOrder] = {}
        self._journals: dict[str, Journal] = {}
        self._final_ids: dict[str, set[str]] = {}
        self._shown: dict[str, tuple[object, ...]] = {}
        self._shown_ns: dict[str, int] = {}
        self._order_stream = OrderStream()
        self._breaks = 0
        self._decided = 0
        self._ended: dict[str, None] = {}
        self._past: Counter[Outcome] = Counter()
        self._sources = frozenset(filter(None, settings.execution_intents_from.split(",")))

    def stop(self) -> None:
        """Cancel what is open and end; may be called from a signal handler. The journals keep the rest for later."""
        self._stopping.set()

    def run(self) -> int:
        settings = self._settings
        prefixes = [b"order.", b"health.", *(f"intent.{name}\0".encode() for name in self._sources)]
        for intent in settings.intents():
            day = time.strftime("%Y-%m-%d", time.gmtime(utc_ns() // NS_PER_S))
            head = JournalHead(intent, utc_ns(), self._tactics.grace_ns, settings.account)
            self._take_on(head, intent.intent_id(settings.account, day))
        for intent_id, head in find_unfinished(settings.execution_journal_dir, settings.account, self._sources).items():
            self._take_on(head, intent_id)
        reader = EventReader(settings.bus_subscribe_url, *prefixes)
        try:
            with BusClient(settings, name=settings.execution_client, max_age_s=settings.execution_max_age_s) as bus:
                self._say(f"working {len(self._parents)} intents as {bus.name} through {settings.execution_gateway}")
                self._request_symbols(bus)
                self._loop(bus, reader)
        finally:
            reader.close()
            for journal in self._journals.values():
                journal.close()
        for line in format_report(self._parents.values(), now_ns(), self._past):
            self._say(line)
        outcomes = {parent.outcome for parent in self._parents.values()} | self._past.keys()
        if Outcome.UNRESOLVED in outcomes or None in outcomes:
            return UNRESOLVED
        return ALL_FILLED if outcomes <= {Outcome.FILLED} else NOT_ALL_FILLED

    # intents

    def _take_on(self, head: JournalHead, intent_id: str) -> None:
        """Begin an intent, or carry on with it where its journal ends, and then as it began."""
        journal = Journal(self._settings.execution_journal_dir, intent_id)
        if not journal.acquire():
            self._say(f"{head.intent}: another worker is on it ({intent_id})")
            journal.close()
            return
        try:
            found = journal.entries()
            head, children = read_head(found) or head, read_children(found)
            intent = replace(head.intent, qty=read_size(found) or head.intent.qty)
        except JournalDamaged as error:
            self._say(f"{head.intent}: not worked, its journal is damaged: {error}")
            journal.close()
            return
        if (outcome := read_outcome(found)) is not None:
            self._note_end(intent_id)
            self._say(f"{intent}: already done: {outcome}; an id= makes it another intent")
            journal.close()
            return
        if not found:
            journal.append(head.entry)
        start_ns = min(now_ns(), head.start_ns - to_utc_ns(0))
        tactics = replace(self._tactics, grace_ns=head.grace_ns).for_urgency(intent.urgency)
        parent = (SellAllOrder if intent.exits else ParentOrder)(intent, intent_id, start_ns, tactics, self._policies)
        parent.arrival_mid, parent.intent_key = read_arrival(found), head.intent_key
        self._parents[intent_id], self._journals[intent_id] = parent, journal
        self._final_ids[intent_id] = {child.order.client_order_id for child in children if child.proven}
        if children:
            self._say(f"{intent}: carried on after {len(children)} orders")
            self._execute(parent, parent.restore(children, now_ns()))

    def _take_on_from_bus(self, event: TradeIntent, bus: BusClient) -> None:
        if event.client not in self._sources:
            return
        digest = hashlib.sha256(f"{self._settings.account}|{event.client}|{event.intent_id}".encode()).hexdigest()[:12]
        heard_ns = utc_ns()
        try:
            intent, grace_ns = from_event(event, heard_ns, self._tactics.grace_ns)
        except ValueError as error:
            self._say(f"intent {event.intent_id} of {event.client}: not worked: {error}")
            return
        intent_id = f"qb-{event.side}-{digest}"
        if intent_id not in self._parents and intent_id not in self._ended:
            if self._forget_oldest() >= MAX_INTENTS:
                self._say(f"intent {event.intent_id} of {event.client}: not worked: {MAX_INTENTS} others are")
                return
            key = (event.client, event.intent_id)
            try:
                self._take_on(JournalHead(intent, heard_ns, grace_ns, self._settings.account, key), intent_id)
            except ConfigError as error:  # of its journal: those that are being worked go on
                self._say(f"intent {event.intent_id} of {event.client}: not worked: {error}")
            self._request_symbols(bus)

    def _note_end(self, intent_id: str) -> None:
        self._ended[intent_id] = None
        if len(self._ended) > MAX_ENDED_IDS:  # its journal knows as well
            del self._ended[next(iter(self._ended))]

    def _forget_oldest(self) -> int:
        """Forget the oldest intents that are over; how many are not."""
        over = [intent_id for intent_id, parent in self._parents.items() if parent.state is State.DONE]
        at_work = len(self._parents) - len(over)
        for intent_id in over[: max(0, len(over) - MAX_ENDED)]:
            outcome = self._parents.pop(intent_id).outcome
            assert outcome is not None
            self._past[outcome] += 1
            if outcome is not Outcome.UNRESOLVED:
                self._note_end(intent_id)
            self._journals.pop(intent_id).close()
            for table in (self._final_ids, self._shown, self._shown_ns):
                table.pop(intent_id, None)
        return at_work

    def _request_symbols(self, bus: BusClient) -> None:
        bus.request(
            dict.fromkeys(parent.intent.symbol for parent in self._parents.values()),
            priority=self._settings.execution_priority,
        )

    # the loop

    def _loop(self, bus: BusClient, reader: EventReader) -> None:
        assessor = Assessor(bus.assess, self._settings.limits(), self._tactics.lot)
        stop_by_ns: int | None = None
        while True:
            for event in reader.take(TURN_S):
                self._on_event(event, bus)
            if reader.breaks != self._breaks:
                self._breaks = reader.breaks
                self._reconcile("the broker was away")
            for answer in self._dispatch.answers():
                for parent in self._parents.values():
                    self._execute(parent, parent.on_answer(answer, now_ns()))
            if self._stopping.is_set() and stop_by_ns is None:
                stop_by_ns = now_ns() + seconds(STOP_S)
                for parent in self._parents.values():
                    self._execute(parent, parent.stop(now_ns()))
            proven = self._order_stream.is_proven(now_ns())
            for parent in self._parents.values():
                if parent.state is not State.DONE:
                    now = now_ns()
                    intent = parent.intent
                    assessment = assessor.assess(intent.symbol, intent.side, intent.qty, now)
                    commands = parent.advance(assessment, now, stream_proven=proven)
                    self._publish(parent, bus)
                    self._execute(parent, commands)
                self._show_progress(parent)
            if stop_by_ns is not None and now_ns() > stop_by_ns:
                return
            ended = (
                all(parent.state is State.DONE for parent in self._parents.values()) and not self._dispatch.under_way
            )
            if ended and (stop_by_ns is not None or not self._sources):
                return

    def _on_event(self, event: Event, bus: BusClient) -> None:
        if isinstance(event, TradeIntent):
            self._take_on_from_bus(event, bus)
            return
        if self._order_stream.on_event(event, now_ns()):
            self._reconcile("gap in order updates")
        if isinstance(event, OrderUpdate):
            for parent in self._parents.values():
                self._execute(parent, parent.on_answer(read_update(event), now_ns()))

    def _reconcile(self, why: str) -> None:
        _log.warning("%s (order stream %s): open orders are looked up", why, self._order_stream.description)
        for parent in self._parents.values():
            self._execute(parent, parent.on_gap(now_ns()))

    # what was decided

    def _execute(self, parent: ParentOrder, commands: list[Command]) -> None:
        for command in commands:
            if isinstance(command, SubmitOrder):
                size = [size_entry(parent.intent.qty)] if parent.intent.exits else []
                self._write(parent, *size, place_entry(command.order))
            self._dispatch.send(command)

    def _write(self, parent: ParentOrder, *added: Entry) -> None:
        """Write to the intent's journal: first every order that has ended, then `added`."""
        written = self._final_ids[parent.intent_id]
        ended = [child for child in parent.children if child.proven and child.order.client_order_id not in written]
        written |= {child.order.client_order_id for child in ended}
        first = [{"arrival": f"{parent.arrival_mid:f}"}] if parent.arrival_mid and len(parent.children) == 1 else []
        self._journals[parent.intent_id].append(*first, *(final_entry(child) for child in ended), *added)

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

    def _show_progress(self, parent: ParentOrder) -> None:
        now, name = now_ns(), parent.intent_id
        shown: tuple[object, ...] = (parent.state, parent.filled, parent.cause)
        if shown == self._shown.get(name):
            return
        if parent.state is not State.DONE and now - self._shown_ns.get(name, 0) < NS_PER_S // 2:
            return
        self._shown[name], self._shown_ns[name] = shown, now
        self._say(format_progress(parent))
        if parent.state is State.DONE and not parent.stopping:
            filled = f"{parent.filled:f} of {parent.intent.qty:f} ({parent.cause})"
            outcome: list[Entry] = [] if parent.outcome is Outcome.UNRESOLVED else [{"done": filled}]
            self._write(parent, *outcome)

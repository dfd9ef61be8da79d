"""The worker that works intents: bus, broker and journal around `Work`, one intent each.

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
from quotebus.execution_adapter.orders import journal_entries as entries
from quotebus.execution_adapter.orders.journal import Journal, unfinished
from quotebus.execution_adapter.orders.journal_entries import Begun, Entry, JournalDamaged
from quotebus.execution_adapter.orders.order import Command, Place, from_update
from quotebus.execution_adapter.orders.order_stream import OrderLine
from quotebus.execution_adapter.orders.parent_order import Work
from quotebus.execution_adapter.orders.sell_all import ExitWork
from quotebus.execution_adapter.orders.states import Outcome, State
from quotebus.execution_adapter.orders.summary import progress, report
from quotebus.execution_adapter.settings import MAX_INTENTS, ExecutionSettings

TURN_S = 0.02
STOP_S = 3.0
KEPT_OVER = 200
"""Intents of the bus that are over and still listen to late reports; the summary counts those before them."""
KEPT_IDS = 10_000
ALL_FILLED, NOT_ALL_FILLED, UNRESOLVED = 0, 3, 4
_log = logging.getLogger("execution.desk")


class Desk:
    """Works every intent to its end. `say` prints a line; `run` returns the exit status."""

    def __init__(self, settings: ExecutionSettings, gateway: Gateway, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._dispatch = Dispatch(gateway)
        self._say = say
        self._stopping = threading.Event()
        self._tactics, self._policies = settings.tactics(), settings.policies()
        self._works: dict[str, Work] = {}
        self._journals: dict[str, Journal] = {}
        self._kept: dict[str, set[str]] = {}
        self._shown: dict[str, tuple[object, ...]] = {}
        self._shown_ns: dict[str, int] = {}
        self._line = OrderLine()
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
            begun = Begun(intent, utc_ns(), self._tactics.grace_ns, settings.account)
            self._take_on(begun, intent.intent_id(settings.account, day))
        for intent_id, begun in unfinished(settings.execution_journal_dir, settings.account, self._sources).items():
            self._take_on(begun, intent_id)
        tail = EventReader(settings.bus_subscribe_url, *prefixes)
        try:
            with BusClient(settings, name=settings.execution_client, max_age_s=settings.execution_max_age_s) as bus:
                self._say(f"working {len(self._works)} intents as {bus.name} through {settings.execution_gateway}")
                self._ask(bus)
                self._work(bus, tail)
        finally:
            tail.close()
            for kept in self._journals.values():
                kept.close()
        for line in report(self._works.values(), now_ns(), self._past):
            self._say(line)
        outcomes = {work.outcome for work in self._works.values()} | self._past.keys()
        if Outcome.UNRESOLVED in outcomes or None in outcomes:
            return UNRESOLVED
        return ALL_FILLED if outcomes <= {Outcome.FILLED} else NOT_ALL_FILLED

    # intents

    def _take_on(self, begun: Begun, intent_id: str) -> None:
        """Begin an intent, or carry on with it where its journal ends, and then as it began."""
        kept = Journal(self._settings.execution_journal_dir, intent_id)
        if not kept.acquire():
            self._say(f"{begun.intent}: another worker is on it ({intent_id})")
            kept.close()
            return
        try:
            found = kept.entries()
            begun, children = entries.begun(found) or begun, entries.children(found)
            intent = replace(begun.intent, qty=entries.sized(found) or begun.intent.qty)
        except JournalDamaged as error:
            self._say(f"{begun.intent}: not worked, its journal is damaged: {error}")
            kept.close()
            return
        if (done := entries.done(found)) is not None:
            self._has_ended(intent_id)
            self._say(f"{intent}: already done: {done}; an id= makes it another intent")
            kept.close()
            return
        if not found:
            kept.append(begun.entry)
        start_ns = min(now_ns(), begun.start_ns - to_utc_ns(0))
        tactics = replace(self._tactics, grace_ns=begun.grace_ns).pressed(intent.urgency)
        work = (ExitWork if intent.exits else Work)(intent, intent_id, start_ns, tactics, self._policies)
        work.arrival_mid, work.wish = entries.arrival(found), begun.wish
        self._works[intent_id], self._journals[intent_id] = work, kept
        self._kept[intent_id] = {child.order.client_order_id for child in children if child.proven}
        if children:
            self._say(f"{intent}: carried on after {len(children)} orders")
            self._do(work, work.restore(children, now_ns()))

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
        if intent_id not in self._works and intent_id not in self._ended:
            if self._let_go() >= MAX_INTENTS:
                self._say(f"intent {event.intent_id} of {event.client}: not worked: {MAX_INTENTS} others are")
                return
            wish = (event.client, event.intent_id)
            try:
                self._take_on(Begun(intent, heard_ns, grace_ns, self._settings.account, wish), intent_id)
            except ConfigError as error:  # of its journal: those that are being worked go on
                self._say(f"intent {event.intent_id} of {event.client}: not worked: {error}")
            self._ask(bus)

    def _has_ended(self, intent_id: str) -> None:
        self._ended[intent_id] = None
        if len(self._ended) > KEPT_IDS:  # its journal knows as well
            del self._ended[next(iter(self._ended))]

    def _let_go(self) -> int:
        """Forget the oldest intents that are over; how many are not."""
        over = [intent_id for intent_id, work in self._works.items() if work.state is State.DONE]
        at_work = len(self._works) - len(over)
        for intent_id in over[: max(0, len(over) - KEPT_OVER)]:
            outcome = self._works.pop(intent_id).outcome
            assert outcome is not None
            self._past[outcome] += 1
            if outcome is not Outcome.UNRESOLVED:
                self._has_ended(intent_id)
            self._journals.pop(intent_id).close()
            for kept in (self._kept, self._shown, self._shown_ns):
                kept.pop(intent_id, None)
        return at_work

    def _ask(self, bus: BusClient) -> None:
        bus.request(
            dict.fromkeys(work.intent.symbol for work in self._works.values()),
            priority=self._settings.execution_priority,
        )

    # the loop

    def _work(self, bus: BusClient, tail: EventReader) -> None:
        assessor = Assessor(bus.assess, self._settings.limits(), self._tactics.lot)
        stop_by_ns: int | None = None
        while True:
            for event in tail.take(TURN_S):
                self._hear(event, bus)
            if tail.breaks != self._breaks:
                self._breaks = tail.breaks
                self._reconcile("the broker was away")
            for answer in self._dispatch.answers():
                for work in self._works.values():
                    self._do(work, work.on_answer(answer, now_ns()))
            if self._stopping.is_set() and stop_by_ns is None:
                stop_by_ns = now_ns() + seconds(STOP_S)
                for work in self._works.values():
                    self._do(work, work.stop(now_ns()))
            proven = self._line.proven(now_ns())
            for work in self._works.values():
                if work.state is not State.DONE:
                    now = now_ns()
                    intent = work.intent
                    assessment = assessor.assess(intent.symbol, intent.side, intent.qty, now)
                    commands = work.advance(assessment, now, line_proven=proven)
                    self._publish(work, bus)
                    self._do(work, commands)
                self._show(work)
            if stop_by_ns is not None and now_ns() > stop_by_ns:
                return
            ended = all(work.state is State.DONE for work in self._works.values()) and not self._dispatch.under_way
            if ended and (stop_by_ns is not None or not self._sources):
                return

    def _hear(self, event: Event, bus: BusClient) -> None:
        if isinstance(event, TradeIntent):
            self._take_on_from_bus(event, bus)
            return
        if self._line.on_event(event, now_ns()):
            self._reconcile("gap in order updates")
        if isinstance(event, OrderUpdate):
            for work in self._works.values():
                self._do(work, work.on_answer(from_update(event), now_ns()))

    def _reconcile(self, why: str) -> None:
        _log.warning("%s (order stream %s): open orders are looked up", why, self._line.said)
        for work in self._works.values():
            self._do(work, work.on_gap(now_ns()))

    # what was decided

    def _do(self, work: Work, commands: list[Command]) -> None:
        for command in commands:
            if isinstance(command, Place):
                size = [entries.size(work.intent.qty)] if work.intent.exits else []
                self._keep(work, *size, entries.placed(command.order))
            self._dispatch.send(command)

    def _keep(self, work: Work, *added: Entry) -> None:
        """Write to the intent's journal: first every order that has ended, then `added`."""
        kept = self._kept[work.intent_id]
        ended = [child for child in work.children if child.proven and child.order.client_order_id not in kept]
        kept |= {child.order.client_order_id for child in ended}
        first = [{"arrival": f"{work.arrival_mid:f}"}] if work.arrival_mid and len(work.children) == 1 else []
        self._journals[work.intent_id].append(*first, *(entries.ended(child) for child in ended), *added)

    def _publish(self, work: Work, bus: BusClient) -> None:
        for decision in work.decisions:
            self._decided += 1
            decision_id = f"{bus.name[-40:]}-{self._decided}"
            settings = self._settings.decision_settings(work.tactics)
            bus.publish(decision_event(decision, bus.name, decision_id, settings, to_utc_ns(decision.at_ns)))
            choice = decision.choice
            if not choice.pegged:
                price = "" if choice.limit_price is None else f" {choice.limit_price:f}"
                _log.warning("%s: %s%s: %s", work.intent, choice.action, price, ", ".join(choice.reasons))
        work.decisions.clear()

    def _show(self, work: Work) -> None:
        now, name = now_ns(), work.intent_id
        shown: tuple[object, ...] = (work.state, work.filled, work.cause)
        if shown == self._shown.get(name):
            return
        if work.state is not State.DONE and now - self._shown_ns.get(name, 0) < NS_PER_S // 2:
            return
        self._shown[name], self._shown_ns[name] = shown, now
        self._say(progress(work))
        if work.state is State.DONE and not work.stopping:
            filled = f"{work.filled:f} of {work.intent.qty:f} ({work.cause})"
            done: list[Entry] = [] if work.outcome is Outcome.UNRESOLVED else [{"done": filled}]
            self._keep(work, *done)

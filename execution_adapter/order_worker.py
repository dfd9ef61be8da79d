"""The worker that works intents: bus and broker around `IntentsAtWork`.

One thread decides. What it receives, it takes before it decides: order updates and answers first, then the clock.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from quotebus.bus.client import BusClient
from quotebus.bus.clock import NS_PER_S, now_ns, seconds, to_utc_ns
from quotebus.bus.events import Event, OrderUpdate, TradeIntent
from quotebus.bus.process.host_budget import HostBudget
from quotebus.bus.process.readiness import notify_ready
from quotebus.bus.transport.event_reader import EventReader
from quotebus.execution_adapter.decision.assessment import Assessment, Assessor
from quotebus.execution_adapter.decision.event import decision_event
from quotebus.execution_adapter.gateways.base import Gateway
from quotebus.execution_adapter.gateways.dispatch import Dispatch
from quotebus.execution_adapter.intents import Intent
from quotebus.execution_adapter.intents_at_work import IntentsAtWork
from quotebus.execution_adapter.orders.order import read_update
from quotebus.execution_adapter.orders.order_stream import OrderStream
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.request_pace import RequestPace
from quotebus.execution_adapter.settings import ExecutionSettings
from quotebus.execution_adapter.worker import open_client

TURN_S = 0.02
STOP_S = 3.0
CANCELS_S = 60.0
_log = logging.getLogger(__name__)


class OrderWorker:
    """Works every intent to its end. `say` prints a line."""

    def __init__(
        self,
        settings: ExecutionSettings,
        gateway: Gateway,
        say: Callable[[str], None],
        budget: HostBudget | None = None,
    ) -> None:
        self._settings = settings
        self._budget = budget
        self._dispatch = Dispatch(gateway, budget=budget)
        self._say = say
        self._stopping = threading.Event()
        self._work = IntentsAtWork(settings, self._dispatch.send, say)
        self._work.pace = RequestPace(self._dispatch.room)
        self._order_stream = OrderStream()
        self._breaks = 0
        self._decided = self._counted_ns = 0
        self._sources = frozenset(filter(None, settings.execution_intents_from.split(",")))

    def stop(self) -> None:
        """Cancel what is open and end; may be called from any thread. The journals keep the rest for later."""
        self._stopping.set()

    def run(self) -> int:
        """Work until every intent has ended, or until `stop`; the exit status. Raises ConfigError, OSError."""
        settings, work = self._settings, self._work
        prefixes = [b"order.", b"health.", *(f"intent.{name}\0".encode() for name in self._sources)]
        at_ns = now_ns()
        work.begin(at_ns, to_utc_ns(at_ns))
        reader = EventReader(settings.bus_address, *prefixes)
        try:
            with open_client(settings) as bus:
                self._say(f"working {work.count} intents as {bus.name}, gateway {settings.execution_gateway}")
                self._request_symbols(bus)
                notify_ready()  # its journals are read and its symbols asked for
                self._loop(bus, reader)
        finally:
            reader.close()
            work.close()
        self._tell_requests()
        for line in work.report(now_ns()):
            self._say(line)
        return work.exit_status()

    def _request_symbols(self, bus: BusClient) -> None:
        bus.request(self._work.symbols, priority=self._settings.execution_priority)

    def _loop(self, bus: BusClient, reader: EventReader) -> None:
        work = self._work
        assessor = Assessor(bus.assess, self._settings.limits(), self._settings.execution_lot)

        def assess(intent: Intent, at_ns: int) -> Assessment:
            return assessor.assess(intent.symbol, intent.side, intent.qty, at_ns)

        def publish(parent: ParentOrder) -> None:
            self._publish(parent, bus)

        stop_by_ns: int | None = None
        while True:
            for event in reader.take(TURN_S):
                self._on_event(event, bus)
            if reader.breaks != self._breaks:
                self._breaks = reader.breaks
                self._reconcile("the bus was interrupted")
            for answer in self._dispatch.answers():
                work.on_answer(answer, now_ns())
            if self._stopping.is_set() and stop_by_ns is None:
                stop_by_ns = now_ns() + seconds(STOP_S)
                work.stop(now_ns())
            work.advance(assess, publish, now_ns, stream_proven=self._order_stream.is_proven(now_ns()))
            for report in work.reports.take():
                bus.publish(report)
            work.tidy()
            self._count(bus)
            if stop_by_ns is not None and now_ns() > stop_by_ns + self._patience_ns():
                return
            if work.is_done and not self._dispatch.under_way and (stop_by_ns is not None or not self._sources):
                return

    def _patience_ns(self) -> int:
        """How much longer a stop may take: while cancels wait for the budget, orders are open that nobody watches."""
        return seconds(CANCELS_S) if self._dispatch.cancels_waiting else 0

    def _count(self, bus: BusClient) -> None:
        if now_ns() - self._counted_ns >= NS_PER_S:
            self._counted_ns = now_ns()
            bus.note_counters(self.counters())

    def counters(self) -> dict[str, int]:
        """The worker's own counters, by name; the README says what each one counts."""
        budget = self._budget
        return {
            "broker_requests": self._dispatch.sent,
            "broker_requests_held": self._dispatch.held,
            "broker_requests_refused": budget.refused if budget is not None else 0,
            "broker_requests_unshared": budget.unshared if budget is not None else 0,
        }

    def _tell_requests(self) -> None:
        counted = self.counters()
        sent, held, refused = (counted[f"broker_requests{what}"] for what in ("", "_held", "_refused"))
        _log.info("requests to the broker: %d, %d had to wait, %d were too many for it", sent, held, refused)

    def _on_event(self, event: Event, bus: BusClient) -> None:
        if isinstance(event, TradeIntent):
            at_ns = now_ns()
            self._work.take_on_event(event, at_ns, to_utc_ns(at_ns))
            self._request_symbols(bus)
            return
        if self._order_stream.on_event(event, now_ns()):
            self._reconcile("gap in order updates")
        if isinstance(event, OrderUpdate):
            _log.debug("order update: %s %s", event.client_order_id, event.event)
            self._work.on_answer(read_update(event), now_ns())

    def _reconcile(self, why: str) -> None:
        _log.warning("%s (order stream: %s); querying open orders", why, self._order_stream.description)
        self._work.reconcile(now_ns())

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

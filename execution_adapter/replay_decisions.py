"""The execution worker in a replay: the same judgement and decision, at instants of the stream. Pure.

With it come out the same bytes at any speed: name, numbers and times are the stream's, and chance has no part in them.
"""

from __future__ import annotations

from collections.abc import Callable

from quotebus.bus.book import Verdict
from quotebus.bus.clock import seconds
from quotebus.bus.consumer import REPLAYED, Consumer
from quotebus.bus.events import Event, ExecutionDecision
from quotebus.bus.interest import SETTLED
from quotebus.execution_adapter.decision.judgement import Order, decision
from quotebus.execution_adapter.settings import ExecutionSettings

Decided = Callable[[ExecutionDecision, Verdict], None]


class StreamWorker:
    """`act` is for a ReplayScheduler over `consumer`; `decided` hears each decision and what it was based on."""

    def __init__(self, settings: ExecutionSettings, decided: Decided) -> None:
        self._settings = settings
        self._decided = decided
        self.interval_ns = seconds(settings.execution_interval_s)
        self.consumer = Consumer(
            settings.execution_client,
            f"{REPLAYED}{settings.execution_client}",
            jitter=0,
            max_age_ns=seconds(settings.execution_max_age_s),
            replayed=True,
        )
        self.consumer.request(settings.symbols, ("quotes",), settings.execution_priority, 0)
        self._patient_until_ns: int | None = None

    def act(self, now_ns: int) -> list[Event]:
        """One round of decisions, unless first prices are still waited for."""
        if self._is_patient(now_ns):
            return []
        settings, book = self._settings, self.consumer.book
        decisions: list[Event] = []
        for number, symbol in enumerate(settings.symbols):
            verdict = book.assess(symbol, now_ns)
            decision_id = f"{settings.execution_client[-40:]}-{now_ns}-{number + 1}"
            side = self._side(now_ns // self.interval_ns + number)
            order = Order(settings.execution_client, decision_id, symbol, side, float(settings.execution_qty))
            decided = decision(order, verdict, settings.judgement, now_ns)
            self._decided(decided, verdict)
            decisions.append(decided)
        return decisions

    def _side(self, number: int) -> str:
        side = self._settings.execution_side
        return side if side != "both" else ("buy", "sell")[number % 2]

    def _is_patient(self, now_ns: int) -> bool:
        if self._patient_until_ns is None:
            self._patient_until_ns = now_ns + seconds(self._settings.execution_patience_s)
        if now_ns >= self._patient_until_ns:
            return False
        standings = self.consumer.book.standings
        if all(symbol in standings and standings[symbol].state in SETTLED for symbol in self._settings.symbols):
            self._patient_until_ns = now_ns
            return False
        return True

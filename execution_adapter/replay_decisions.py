"""The execution worker in a replay: the same decisions, at instants of the stream. Pure.

Its output is the same bytes at any speed: names, numbers and times are the stream's, and nothing is random.
"""

from __future__ import annotations

from collections.abc import Callable

from quotebus.bus.book import Verdict
from quotebus.bus.clock import seconds
from quotebus.bus.consumer import REPLAYED, Consumer
from quotebus.bus.events import Event, ExecutionDecision
from quotebus.bus.interest import SETTLED
from quotebus.execution_adapter.settings import ExecutionSettings
from quotebus.execution_adapter.symbol_rounds import SymbolRounds

Decided = Callable[[ExecutionDecision, Verdict], None]


class StreamWorker:
    """`act` is for a ReplayScheduler over `consumer`; `decided` is called with each decision and its verdict."""

    def __init__(self, settings: ExecutionSettings, decided: Decided) -> None:
        self._settings = settings
        self._decided = decided
        self.consumer = Consumer(
            settings.execution_client,
            f"{REPLAYED}{settings.execution_client}",
            jitter=0,
            max_age_ns=seconds(settings.execution_max_age_s),
            max_late_ns=seconds(settings.execution_exchange_refuse_s),
            replayed=True,
            accept=settings.accept,
        )
        self.consumer.request(settings.symbols, ("quotes",), settings.execution_priority, 0)
        self._rounds = SymbolRounds(settings, self.consumer.book.assess)
        self.interval_ns = self._rounds.interval_ns

    def act(self, now_ns: int) -> list[Event]:
        """One round of decisions, unless first prices are still waited for."""
        rounds, client = self._rounds, self._settings.execution_client
        if rounds.is_patient(now_ns, settled=self._all_settled()):
            return []
        events: list[Event] = []
        for number, symbol in enumerate(self._settings.symbols):
            decision = rounds.decide(symbol, rounds.side(now_ns // self.interval_ns + number), now_ns)
            event = rounds.event(decision, client, f"{client[-40:]}-{now_ns}-{number + 1}", now_ns)
            self._decided(event, decision.assessment.verdict)
            events.append(event)
        return events

    def _all_settled(self) -> bool:
        standings = self.consumer.book.standings
        return all(symbol in standings and standings[symbol].state in SETTLED for symbol in self._settings.symbols)

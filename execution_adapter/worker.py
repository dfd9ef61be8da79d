"""The execution worker: declares interest, judges the price before every decision, prints and publishes it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from quotebus.bus.book import Verdict
from quotebus.bus.client import BusClient
from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns, to_utc_ns
from quotebus.bus.events import ConnectionHealth, ExecutionDecision
from quotebus.execution_adapter.settings import ExecutionSettings
from quotebus.execution_adapter.symbol_rounds import SymbolRounds


class Worker:
    """Decides on each symbol once an interval. `say` prints a line."""

    def __init__(self, settings: ExecutionSettings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._stopping = threading.Event()
        self._decided = 0
        self._health_line = HealthLine(say)

    def stop(self) -> None:
        """End `run`; may be called from a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Decide until `stop`, then release the symbols."""
        settings = self._settings
        with BusClient(settings, name=settings.execution_client, max_age_s=settings.execution_max_age_s) as bus:
            self._say(f"asking for {', '.join(settings.symbols)} as {bus.name}")
            bus.request(settings.symbols, priority=settings.execution_priority)
            rounds, turn = SymbolRounds(settings, bus.assess), 0
            while not self._stopping.is_set() and rounds.is_patient(now_ns(), settled=_all_settled(bus)):
                self._health_line.show(bus.health())
                self._stopping.wait(0.01)
            while not self._stopping.is_set():
                due_ns = now_ns() + rounds.interval_ns
                self._health_line.show(bus.health())
                for number, symbol in enumerate(settings.symbols):
                    if self._stopping.is_set():
                        break
                    self._decide(bus, rounds, symbol, rounds.side(turn + number))
                turn += 1
                self._stopping.wait(max(0, due_ns - now_ns()) / NS_PER_S)

    def _decide(self, bus: BusClient, rounds: SymbolRounds, symbol: str, side: str) -> None:
        at_ns = now_ns()
        decision = rounds.decide(symbol, side, at_ns)
        self._decided += 1
        event = rounds.event(decision, bus.name, f"{bus.name[-40:]}-{self._decided}", to_utc_ns(at_ns))
        bus.publish(event)
        self._say(line(event, decision.assessment.verdict))


def _all_settled(bus: BusClient) -> bool:
    return all(result.settled for result in bus.results().values())


class HealthLine:
    """Says where the upstream line stands, whenever that changes."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._shown: tuple[str, str, str] | None = None

    def show(self, health: ConnectionHealth | None) -> None:
        if health is None or (now := (health.state, health.cause, health.detail)) == self._shown:
            return
        self._shown = now
        detail = f" [{health.detail}]" if health.detail else ""
        self._say(f"line {health.state} ({health.cause}){detail}, connection {health.connection}")


def line(decision: ExecutionDecision, verdict: Verdict) -> str:
    """One decision for people: what, at which price, from which quote; or why not."""
    what = f"{decision.symbol:<6} {decision.side:<4} {decision.qty:g}"
    quote = verdict.quote
    if decision.limit_price is not None and quote is not None and verdict.age_ns is not None:
        return (
            f"{what} limit {price(decision.limit_price)}  bid {price(quote.bid_price)} ask {price(quote.ask_price)}  "
            f"quote {quote.source}#{quote.seq}, {verdict.age_ns / NS_PER_MS:.1f} ms old"
        )
    return f"{what} {decision.action}: {', '.join(decision.reasons)}"


def price(value: float | None) -> str:
    """A price for people, with the decimals its tick has."""
    if value is None:
        return "none"
    return f"{value:.2f}" if value >= 1 else f"{value:.4f}"

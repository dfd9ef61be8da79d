"""The execution worker without intents: asks for symbols, decides in rounds, publishes and prints each decision."""

from __future__ import annotations

import threading
from collections.abc import Callable

from quotebus.bus.book import Verdict
from quotebus.bus.client import BusClient
from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns, to_utc_ns
from quotebus.bus.events import ConnectionHealth, ExecutionDecision
from quotebus.bus.process.readiness import notify_ready
from quotebus.execution_adapter.decision.action import Action
from quotebus.execution_adapter.settings import ExecutionSettings
from quotebus.execution_adapter.symbol_rounds import SymbolRounds


def open_client(settings: ExecutionSettings) -> BusClient:
    """A worker's client, which trusts what its settings say and nothing else."""
    return BusClient(
        settings,
        name=settings.execution_client,
        max_age_s=settings.execution_max_age_s,
        max_late_s=settings.execution_exchange_refuse_s,
        accept=settings.accept,
    )


class Worker:
    """Decides on each symbol once an interval, and orders nothing. `say` prints a line."""

    def __init__(self, settings: ExecutionSettings, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._say = say
        self._stopping = threading.Event()
        self._decided = 0
        self._health = HealthPrinter(say)

    def stop(self) -> None:
        """End `run`; may be called from any thread."""
        self._stopping.set()

    def run(self) -> None:
        """Decide until `stop`, then release the symbols."""
        settings = self._settings
        with open_client(settings) as bus:
            self._say(f"decisions only, no orders are sent: {', '.join(settings.symbols)} as {bus.name}")
            bus.request(settings.symbols, priority=settings.execution_priority)
            notify_ready()
            rounds, turn = SymbolRounds(settings, bus.assess), 0
            while not self._stopping.is_set() and rounds.is_patient(now_ns(), settled=_all_settled(bus)):
                self._health.show(bus.health())
                self._stopping.wait(0.01)
            while not self._stopping.is_set():
                due_ns = now_ns() + rounds.interval_ns
                self._health.show(bus.health())
                for number, symbol in enumerate(settings.symbols):
                    if self._stopping.is_set():
                        break
                    self._decide(bus, rounds, symbol, rounds.side(turn + number))
                turn += 1
                self._stopping.wait(max(0, due_ns - now_ns()) / NS_PER_S)
            for line in rounds.format_summary():
                self._say(line)

    def _decide(self, bus: BusClient, rounds: SymbolRounds, symbol: str, side: str) -> None:
        at_ns = now_ns()
        decision = rounds.decide(symbol, side, at_ns)
        self._decided += 1
        event = rounds.event(decision, bus.name, f"{bus.name[-40:]}-{self._decided}", to_utc_ns(at_ns))
        bus.publish(event)
        self._say(format_decision(event, decision.assessment.verdict))


def _all_settled(bus: BusClient) -> bool:
    return all(result.hopeless or bus.usable(symbol) for symbol, result in bus.results().items())


class HealthPrinter:
    """Prints the state of the upstream connection whenever it changes."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._shown: tuple[str, str, str] | None = None

    def show(self, health: ConnectionHealth | None) -> None:
        """Print `health` unless the same was printed last."""
        if health is None or (now := (health.state, health.cause, health.detail)) == self._shown:
            return
        self._shown = now
        detail = f" [{health.detail}]" if health.detail else ""
        self._say(f"upstream {health.state} ({health.cause}){detail}, connection {health.connection}")


def format_decision(decision: ExecutionDecision, verdict: Verdict) -> str:
    """One line: what an order would be, at which price, from which quote; or why there would be none."""
    what = f"{decision.symbol:<6} would {decision.side:<4} {decision.qty:g}"
    quote = verdict.quote
    if decision.action == Action.LIMIT and quote is not None and verdict.age_ns is not None:
        cautions = f"  ({', '.join(decision.reasons[2:])})" if decision.reasons[2:] else ""
        return (
            f"{what} limit {_format_price(decision.limit_price)}  bid {_format_price(quote.bid_price)} "
            f"ask {_format_price(quote.ask_price)}  quote {quote.source}#{quote.seq}, "
            f"{verdict.age_ns / NS_PER_MS:.1f} ms old{cautions}"
        )
    if decision.action == Action.REFUSE:
        return f"{decision.symbol:<6} would not {decision.side}: {', '.join(decision.reasons)}"
    return f"{what} {decision.action}: {', '.join(decision.reasons)}"


def _format_price(value: float | None) -> str:
    """A price with the decimals its tick has."""
    if value is None:
        return "none"
    return f"{value:.2f}" if value >= 1 else f"{value:.4f}"

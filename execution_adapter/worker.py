"""The execution worker without intents: asks for symbols, decides in rounds, publishes and prints each decision."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from quotebus.bus.book import HaltKnowledge, Verdict
from quotebus.bus.client import BusClient
from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns, to_utc_ns
from quotebus.bus.events import ConnectionHealth, ExecutionDecision, MarketSession
from quotebus.bus.interest import SymbolResult
from quotebus.bus.process.readiness import notify_ready
from quotebus.execution_adapter.decision.action import Action
from quotebus.execution_adapter.decision.assessment import Caution, find_session
from quotebus.execution_adapter.settings import ExecutionSettings
from quotebus.execution_adapter.symbol_rounds import SymbolRounds

TELL_AFTER_NS = NS_PER_S // 2
FOREVER_NS = 2**62
MOST_NAMED = 5
"""Symbols in the line that says what is waited for."""


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
            self._wait_for_first_prices(bus, rounds)
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

    def _wait_for_first_prices(self, bus: BusClient, rounds: SymbolRounds) -> None:
        """A cold line proves things one by one: the first decisions would only say what has not come yet."""
        tell_ns = now_ns() + TELL_AFTER_NS
        while not self._stopping.is_set():
            awaited = list_awaited(bus.results(), bus.assess)
            if not rounds.is_patient(now_ns(), settled=not awaited):
                return
            self._health.show(bus.health())
            if now_ns() >= tell_ns:
                tell_ns += FOREVER_NS
                self._say(format_awaited(awaited, self._settings.execution_patience_s))
            self._stopping.wait(0.01)

    def _decide(self, bus: BusClient, rounds: SymbolRounds, symbol: str, side: str) -> None:
        at_ns = now_ns()
        decision = rounds.decide(symbol, side, at_ns)
        self._decided += 1
        event = rounds.event(decision, bus.name, f"{bus.name[-40:]}-{self._decided}", to_utc_ns(at_ns))
        bus.publish(event)
        self._say(format_decision(event, decision.assessment.verdict))


def list_awaited(results: Mapping[str, SymbolResult], assess: Callable[[str], Verdict]) -> dict[str, tuple[str, ...]]:
    """Symbols that are worth waiting for, each with what has not come yet: its price, the session, whether it is
    halted.
    """
    awaited = {}
    for symbol, result in results.items():
        verdict = assess(symbol)
        words: tuple[str, ...] = verdict.reasons
        if find_session(verdict) == MarketSession.UNKNOWN:
            words = (*words, Caution.SESSION_UNKNOWN)
        if verdict.halt is HaltKnowledge.UNKNOWN:
            words = (*words, Caution.HALT_UNKNOWN)
        if words and not result.hopeless:
            awaited[symbol] = words
    return awaited


def format_awaited(awaited: Mapping[str, tuple[str, ...]], patience_s: float) -> str:
    """One line on what has not come yet."""
    named = "; ".join(f"{symbol} {', '.join(words)}" for symbol, words in list(awaited.items())[:MOST_NAMED])
    more = f"; and {len(awaited) - MOST_NAMED} more" if len(awaited) > MOST_NAMED else ""
    return f"waiting for the first prices, at most {patience_s:g} s: {named}{more}"


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

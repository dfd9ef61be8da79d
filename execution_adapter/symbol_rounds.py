"""Decisions without an intent, round by round: what an order for each symbol would be now. Pure.

It judges and prices as for an intent at the end of its window. Both workers without intents decide with it, the one on
the wall clock and the one in a replay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from decimal import Decimal

from quotebus.bus.book import Verdict
from quotebus.bus.clock import seconds
from quotebus.bus.events import ExecutionDecision
from quotebus.execution_adapter.decision.assessment import Assessment, Assessor, Grade
from quotebus.execution_adapter.decision.choose import Decision, Situation, choose
from quotebus.execution_adapter.decision.event import decision_event
from quotebus.execution_adapter.decision.fallback import LastGood
from quotebus.execution_adapter.settings import ExecutionSettings

MOST_NAMED = 8
"""Symbols in one line of the summary."""


class SymbolRounds:
    """Decides for one worker. `look` returns the book's verdict on a symbol at an instant."""

    def __init__(self, settings: ExecutionSettings, look: Callable[[str, int], Verdict]) -> None:
        self._settings = settings
        self.interval_ns = seconds(settings.execution_interval_s)
        self._qty = Decimal(repr(settings.execution_qty))
        self._tactics, self._policies = settings.tactics().at_once(), settings.policies()
        self._published = settings.decision_settings(self._tactics)
        self._assessor = Assessor(look, settings.limits(), self._tactics.lot)
        self._last_good: dict[str, LastGood] = {}
        self._patient_until_ns: int | None = None
        self.decided: dict[tuple[str, str], Counter[str]] = {}
        """By what decided and by action, how often for each symbol."""

    def is_patient(self, now_ns: int, *, settled: bool) -> bool:
        """Whether to wait for first prices. On a cold line they take a moment, and until then every decision is a
        fallback.

        `settled`: every symbol has a price, and it is known whether it trades; or never will.
        """
        if self._patient_until_ns is None:
            self._patient_until_ns = now_ns + seconds(self._settings.execution_patience_s)
        if settled:
            self._patient_until_ns = now_ns
        return now_ns < self._patient_until_ns

    def side(self, number: int) -> str:
        """The side of the decision with this number: the one that is set, or buy and sell in turn."""
        side = self._settings.execution_side
        return side if side != "both" else ("buy", "sell")[number % 2]

    def decide(self, symbol: str, side: str, now_ns: int) -> Decision:
        """What an order for `symbol` would be at `now_ns`."""
        assessment = self._assessor.assess(symbol, side, self._qty, now_ns)
        if assessment.grade is not Grade.REFUSE and assessment.sides is not None:
            self._last_good[symbol] = LastGood(assessment.sides, now_ns)
        situation = self._situation(assessment, now_ns)
        choice = choose(assessment, side, situation, self._tactics, self._policies)
        assert choice is not None, "without patience there is always something to decide"
        self.decided.setdefault((choice.decided_by, choice.action), Counter())[symbol] += 1
        return Decision(choice, side, assessment, situation, now_ns)

    def format_summary(self) -> list[str]:
        """What a reader wants to know at the end: which cells of the decision table decided, for which symbols."""
        lines = ["decisions by row/price of the decision table:"] if self.decided else []
        for (decided_by, action), symbols in sorted(self.decided.items()):
            named = ", ".join(list(symbols)[:MOST_NAMED])
            more = f" and {len(symbols) - MOST_NAMED} more" if len(symbols) > MOST_NAMED else ""
            lines.append(f"  {decided_by}: {action}, {symbols.total()} times: {named}{more}")
        return lines

    def event(self, decision: Decision, client: str, decision_id: str, utc_ns: int) -> ExecutionDecision:
        """The event that records a decision made at `utc_ns`."""
        return decision_event(decision, client, decision_id, self._published, utc_ns)

    def _situation(self, assessment: Assessment, now_ns: int) -> Situation:
        last = self._last_good.get(assessment.symbol)
        return Situation(
            qty=self._qty,
            remaining=self._qty,
            window_ns=self.interval_ns,
            elapsed_ns=0,
            unusable_ns=0 if assessment.grade is Grade.REFUSE else None,
            last=last.sides if last else None,
            last_age_ns=now_ns - last.at_ns if last else 0,
            past=assessment.past,
        )

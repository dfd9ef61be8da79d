"""One TradeIntent from its first sending to its end: when to send it again, which report counts, when to give up. Pure.

    asking -> followed -> ending -> over

A worker works an intent once however often it is sent, so sending it again is how anything is asked about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.errors import IllegalTransition
from quotebus.bus.execution_result import ExecutionResult, Waiting
from quotebus.bus.order_events import IntentReport, TradeIntent
from quotebus.bus.states import ExecutionOutcome

ASK_EVERY_NS = 500 * NS_PER_MS
"""How often an intent is sent until a worker says something, and after a decline."""
SILENCE_NS = 3 * NS_PER_S
"""A worker reports each second: one that was not heard for so long may have ended."""
ASK_SILENT_EVERY_NS = NS_PER_S
CONFIRM_EVERY_NS = 200 * NS_PER_MS
MAX_DIGITS = 40
"""A longer number is none of a worker's."""


class Following(StrEnum):
    """Where the following stands."""

    ASKING = "asking"
    FOLLOWED = "followed"
    ENDING = "ending"
    OVER = "over"


TRANSITIONS: dict[Following, frozenset[Following]] = {
    Following.ASKING: frozenset({Following.FOLLOWED, Following.ENDING, Following.OVER}),
    Following.FOLLOWED: frozenset({Following.ENDING, Following.OVER}),
    Following.ENDING: frozenset({Following.FOLLOWED, Following.ENDING, Following.OVER}),
    Following.OVER: frozenset(),
}


@dataclass(frozen=True, slots=True)
class _Numbers:
    """A report's decimals."""

    qty: Decimal
    filled: Decimal
    average_price: Decimal | None
    arrival_price: Decimal | None


class IntentFollower:
    """Follows one intent for one call. Instants are those of `now_ns`."""

    def __init__(self, intent: TradeIntent, qty: Decimal, now_ns: int, *, answer_ns: int, wait_ns: int) -> None:
        """`qty` as it was asked for, 0 for all. It gives up when nobody has answered within `answer_ns`, and anyhow
        after `wait_ns`.
        """
        self.intent, self.qty = intent, qty
        self.state = Following.ASKING
        self.unreadable = self.ignored = 0
        self._since_ns = self._due_ns = now_ns
        self._answer_by_ns, self._end_by_ns = now_ns + answer_ns, now_ns + wait_ns
        self._report: IntentReport | None = None
        self._numbers: _Numbers | None = None
        self._heard_ns = 0
        self._sent_ns = now_ns - CONFIRM_EVERY_NS
        self._asked = False
        self._confirmed = False

    # what to do

    @property
    def is_over(self) -> bool:
        return self.state is Following.OVER

    def next_ns(self) -> int:
        """When something is due though no report comes; in the past when it is over."""
        if self.is_over:
            return self._since_ns
        if self.state is Following.FOLLOWED:
            return min(self._end_by_ns, max(self._due_ns, self._heard_ns + SILENCE_NS))
        ends_ns = self._end_by_ns if self._report else min(self._end_by_ns, self._answer_by_ns)
        return min(ends_ns, self._due_ns)

    def take_due(self, now_ns: int) -> TradeIntent | None:
        """The intent, when it is to be sent now. Notices as well that the wait is over."""
        if self.is_over:
            return None
        if now_ns >= self._end_by_ns or (self._report is None and now_ns >= self._answer_by_ns):
            self._enter(Following.OVER, "the wait is over", now_ns)
            return None
        if now_ns < self.next_ns():
            return None
        every_ns = {Following.FOLLOWED: ASK_SILENT_EVERY_NS, Following.ENDING: CONFIRM_EVERY_NS}
        self._due_ns = now_ns + every_ns.get(self.state, ASK_EVERY_NS)
        self._asked, self._sent_ns = True, now_ns
        return self.intent

    # what is heard

    def on_report(self, report: IntentReport, now_ns: int) -> None:
        """Take a report. One of another intent or account, or with numbers that are none, is dropped."""
        if self.is_over or report.intent_id != self.intent.intent_id or report.client != self.intent.client:
            return
        if self._report is not None and (report.source, report.seq) == (self._report.source, self._report.seq):
            return
        numbers = _read(report)
        if numbers is None:
            self.unreadable += 1
            return
        if not self._counts(report, now_ns):
            self.ignored += 1
            return
        agrees = self._agrees(report, numbers)
        self._report, self._numbers, self._heard_ns = report, numbers, now_ns
        if report.outcome == ExecutionOutcome.WORKING and not self._is_another(report, numbers):
            if self.state is not Following.FOLLOWED:
                self._enter(Following.FOLLOWED, report.state, now_ns)
        elif self.state is Following.ENDING and agrees:
            self._confirmed = True
            self._enter(Following.OVER, report.outcome, now_ns)
        else:
            self._enter(Following.ENDING, report.outcome, now_ns)
            self._asked = False
            declined = report.outcome == ExecutionOutcome.DECLINED
            self._due_ns = now_ns + ASK_EVERY_NS if declined else max(now_ns, self._sent_ns + CONFIRM_EVERY_NS)

    def _counts(self, report: IntentReport, now_ns: int) -> bool:
        known = self._report
        if known is None or now_ns - self._heard_ns >= SILENCE_NS:
            return True
        declined = report.outcome == ExecutionOutcome.DECLINED
        if known.outcome == ExecutionOutcome.DECLINED:
            return True
        return report.account == known.account and not (declined and report.worker != known.worker)

    def _agrees(self, report: IntentReport, numbers: _Numbers) -> bool:
        """Whether it says, asked, what the report of an end before it said."""
        known, before = self._report, self._numbers
        if known is None or before is None or not self._asked:
            return False
        if self._is_another(report, numbers):
            return self._is_another(known, before)
        return (known.outcome, known.account, before) == (report.outcome, report.account, numbers)

    def _is_another(self, report: IntentReport, numbers: _Numbers) -> bool:
        """Whether the worker knows another intent by this id."""
        intent = self.intent
        if report.outcome == ExecutionOutcome.DECLINED:
            return False
        if (report.symbol, report.side) != (intent.symbol, intent.side):
            return True
        return not intent.complete_exit and numbers.qty != self.qty

    def _enter(self, state: Following, cause: str, now_ns: int) -> None:
        """Change the state; the one place that does. Raises IllegalTransition."""
        if state not in TRANSITIONS[self.state]:
            raise IllegalTransition(f"intent {self.intent.intent_id}", self.state, state, cause)
        self.state, self._since_ns = state, now_ns

    # what came of it

    def result(self, now_ns: int, *, connected: bool) -> ExecutionResult:
        """What is known now. `connected`: a broker is there."""
        intent, report, numbers = self.intent, self._report, self._numbers
        missing: tuple[Waiting, ...] = () if connected else (Waiting.NO_BROKER,)
        if report is None or numbers is None:
            return ExecutionResult(
                intent.intent_id, intent.symbol, intent.side, self.qty, ExecutionOutcome.UNANSWERED,
                reasons=(*missing, Waiting.NOBODY_ANSWERED),
            )  # fmt: skip
        if self._confirmed and self._is_another(report, numbers):
            other = f"this intent_id stands for {report.symbol} {report.side} {numbers.qty:f}"
            return ExecutionResult(
                intent.intent_id, intent.symbol, intent.side, self.qty, ExecutionOutcome.DECLINED, cause=other,
                reasons=report.reasons, worker=report.worker, account=report.account,
            )  # fmt: skip
        outcome = report.outcome if self._confirmed else ExecutionOutcome.WORKING
        if self._confirmed:
            missing = ()
        elif now_ns - self._heard_ns >= SILENCE_NS:
            missing += (Waiting.WORKER_SILENT,)
        else:
            missing += (Waiting.STILL_WORKING,)
        return ExecutionResult(
            intent_id=intent.intent_id,
            symbol=report.symbol,
            side=report.side,
            qty=numbers.qty,
            outcome=outcome,
            filled=numbers.filled,
            average_price=numbers.average_price,
            arrival_price=numbers.arrival_price,
            orders=report.orders,
            state=report.state,
            cause=report.cause,
            reasons=(*missing, *report.reasons),
            worker=report.worker,
            account=report.account,
        )


def _read(report: IntentReport) -> _Numbers | None:
    try:
        qty, filled = _decimal(report.qty), _decimal(report.filled)
        average, arrival = map(_decimal_or_none, (report.average_price, report.arrival_price))
    except (InvalidOperation, ValueError):
        return None
    return _Numbers(qty, filled, average, arrival)


def _decimal(text: str) -> Decimal:
    value = Decimal(text[: MAX_DIGITS + 1])
    if len(text) > MAX_DIGITS or not value.is_finite() or value < 0:
        raise ValueError("not a number of shares or dollars")
    return value


def _decimal_or_none(text: str | None) -> Decimal | None:
    return None if text is None else _decimal(text)

"""One intent being worked: a table of states, and one method that changes them. Pure.

The rules that make an over-fill impossible, whatever is lost, late, duplicated or out of order:

1. At most one order of an intent may be able to fill. Another is placed only after the broker itself, asked, said that
   the last one is final, and how much of it was filled.
2. What is placed is at most the intent's quantity less all that was filled. A fill is never uncounted.
3. Whether a request took effect is looked up by client order id. An order the broker keeps not knowing is
   placed again under its *own* id with its own quantity, of which the broker accepts one.
4. Client order ids are numbered within the intent, and each is in the journal before it is sent.

`tests/execution_adapter/search.py` looks for a sequence of events that breaks them.
"""

from __future__ import annotations

from dataclasses import replace

from quotebus.execution_adapter.decision.action import Action
from quotebus.execution_adapter.decision.assessment import Assessment, Grade
from quotebus.execution_adapter.decision.choose import Decision
from quotebus.execution_adapter.decision.decision_table import Row
from quotebus.execution_adapter.decision.fallback import Fallback, Policies, Policy
from quotebus.execution_adapter.decision.resting import REPEG
from quotebus.execution_adapter.decision.tactics import Tactics
from quotebus.execution_adapter.intents import Intent
from quotebus.execution_adapter.orders.asked_intent import AskedIntent
from quotebus.execution_adapter.orders.broker_clock import ClockPatience
from quotebus.execution_adapter.orders.child_order import ChildOrder
from quotebus.execution_adapter.orders.deferral import Deferral
from quotebus.execution_adapter.orders.order import (
    Answer,
    CancelOrder,
    ClockReport,
    Command,
    Exists,
    NotFound,
    Order,
    PositionReport,
    Refused,
    Report,
    Request,
    Status,
    SubmitOrder,
    Taken,
    Unknown,
    Until,
)
from quotebus.execution_adapter.orders.request_pace import RequestPace
from quotebus.execution_adapter.orders.states import State

MOST_HOPS = 20
"""How often one order may be replaced by hand, one after the other, and still be followed."""


class ParentOrder(AskedIntent):
    """Works one intent. Its methods take what happened and return requests; `decisions` collects what was decided."""

    def __init__(
        self, intent: Intent, intent_id: str, start_ns: int, tactics: Tactics, policies: Policies | None = None
    ) -> None:
        super().__init__(intent, intent_id, start_ns, tactics, policies)
        self.rejects = 0
        self.fallbacks: list[Fallback] = []
        self._patience = ClockPatience()
        self._deferral = Deferral(intent_id, start_ns)
        self.pace = RequestPace()
        self._stream_proven = True
        self._refused: tuple[str, ...] | None = None
        self._reject_reason, self._hopeless = "", False

    @property
    def asks_for_the_clock(self) -> bool:
        """Whether a market order waits for the broker's clock."""
        return self._patience.waits

    # what happens

    def restore(self, children: list[ChildOrder], now_ns: int) -> list[Command]:
        """Resume from a journal, oldest order first: the last is looked up before anything else.

        Raises ValueError when an earlier one is not proven final: no second order is ever written before that.
        """
        if any(not child.proven for child in children[:-1]):
            raise ValueError("an order was placed before the previous one was final")
        self.children = children
        self._placed_ns = now_ns  # when the last one was sent is not known
        if (last := self.open_order) is None:
            return []
        self._pegged = last.order.limit_price is not None
        return self._ask("restarted", now_ns)

    def stop(self, now_ns: int) -> list[Command]:
        """Cancel what is open and order nothing more."""
        self.stopping = True
        return self._cancel("stopped", now_ns) if self.state is State.RESTING else []

    def on_unrecorded(self, why: str, now_ns: int) -> list[Command]:
        """The journal did not take the order that was to be placed: it was not sent, and nothing more is ordered."""
        self.doubt, self.is_doubt_of_now = f"its journal cannot be written: {why}", True
        if self.children[-1].resent:  # its first sending may be there
            return self._ask(self.doubt, now_ns)
        self.children.pop()
        self._enter(State.WAITING, self.doubt, now_ns)
        return []

    def on_gap(self, now_ns: int) -> list[Command]:
        """Order updates may have been missed: nothing is decided before the open order was looked up."""
        return self._ask("gap in order updates", now_ns) if self.state is State.RESTING else []

    def on_answer(self, answer: Answer, now_ns: int) -> list[Command]:
        """Take an answer of the broker or an order update. One about no order of this intent is ignored."""
        if isinstance(answer, ClockReport):
            return []
        if isinstance(answer, PositionReport):
            return self._on_position(answer, now_ns)
        child = None if self._deferral.on_answer(answer, now_ns) else self.find_child(answer)
        if child is None:
            return []
        if isinstance(answer, Report):
            return self._on_report(child, child.add_base(answer), now_ns) if child.is_about(answer) else []
        if isinstance(answer, Exists):
            return self._on_exists(child, answer, now_ns)
        if isinstance(answer, Taken):
            return self._on_taken(child, now_ns)
        if child.proven or self.state is State.DONE:
            return []
        if isinstance(answer, Unknown):
            # A deadline proves nothing, so look; the next look-up comes by itself.
            if self.state in (State.PLACING, State.CANCELING):
                return self._ask(answer.reason, now_ns)
            return []
        if isinstance(answer, NotFound):
            return self._on_not_found(child, now_ns)
        return self._on_refused(child, answer, now_ns)

    def advance(self, assessment: Assessment, now_ns: int, *, stream_proven: bool = True) -> list[Command]:
        """Time passed or the price moved. `stream_proven`: order updates are known to arrive."""
        self._learn(assessment, now_ns)
        self._stream_proven = stream_proven
        if self.state is State.WAITING:
            return self._decide(assessment, now_ns)
        if self.state is State.DONE:
            return []
        if self.state is State.RESTING:
            why = self._why_cancel(assessment, now_ns)
            if why is not None and not (why == REPEG and self.pace.is_short):
                return self._cancel(why, now_ns)
            every_ns = self.pace.ask_every_ns(stream_proven=stream_proven)
            return self._ask_at_times(now_ns, max(self.tactics.ask_again_ns, every_ns))
        hopeless_ns = max(self.end_ns + self.tactics.grace_ns, self.since_ns) + self.tactics.give_up_ns
        if self.state is State.LOOKING_UP and now_ns >= hopeless_ns:
            return self._give_up("the broker does not report the state of the order", now_ns)
        return self._ask_at_times(now_ns, self.tactics.ask_again_ns)

    # how it is decided

    def _decide(self, assessment: Assessment, now_ns: int) -> list[Command]:
        """In WAITING no order can fill: end, wait, or place an order for what remains."""
        if self.remaining == 0:
            if self.filled < self.intent.qty:
                self.doubt = "replaced by another party, and some fills may count twice"
            return self._end(self.doubt or "all filled", now_ns)
        if self.doubt or self.stopping:
            return self._end(self.doubt or "stopped", now_ns)
        if self._hopeless or self.rejects >= self.tactics.rejects_max:
            return self._end(f"rejected {self.rejects} times: {self._reject_reason}", now_ns)
        if now_ns >= self.end_ns + self.tactics.grace_ns:
            return self._end(f"out of time: {self._deferral.reason}".removesuffix(": "), now_ns)
        if self._deferral.waits(now_ns):
            return [*self._deferral.ask(now_ns)]
        if assessment.grade is not Grade.REFUSE and now_ns < self.end_ns:
            self._refused = None
        situation = self._situation(assessment, now_ns)
        choice = self._choose(assessment, situation)
        if choice is None or self._patience.is_left(choice.reasons, now_ns):
            return []
        decision = Decision(choice, self.intent.side, assessment, situation, now_ns)
        if choice.action is Action.REFUSE:
            return self._refuse(decision)
        if choice.qty == 0:
            return self._end("the remainder is too small to order", now_ns)
        return self._place(decision) if self.pace.may_place(self.intent_id, now_ns) else []

    def _end(self, why: str, now_ns: int) -> list[Command]:
        """End, but look again first while an order that the broker has not shown may still be on its way to it.

        When not all is filled, the broker is asked for the next order of the intent: another host may have placed it.
        """
        last = self.open_order
        if last is None and self.remaining > 0 and not self.stopping and not self._is_last:
            return self._ask_for_next(why, now_ns)
        if last is None or now_ns - self._placed_ns >= self.tactics.lost_for_ns:
            return self._finish(why, now_ns)
        last.not_found = 0
        return self._ask(f"{why}; the last order may still arrive", now_ns)

    def _give_up(self, why: str, now_ns: int) -> list[Command]:
        """The broker says nothing of the last order. One that nobody here has sent, by the journal, cannot be open."""
        last = self.children[-1]
        if last.elsewhere and not last.seen:
            self.children.pop()
            why = f"{why}, and nothing of it was sent from here"
        return self._finish(why, now_ns)

    def _refuse(self, decision: Decision) -> list[Command]:
        choice, now_ns = decision.choice, decision.at_ns
        if self._refused != choice.reasons:
            self._refused = choice.reasons
            self.fallbacks.append(Fallback(choice.action, None, choice.reasons, choice.decided_by))
            self._note_decision(decision)
        of_the_user = self.policies.of(self.intent.symbol, self.intent.side) is not Policy.TABLE
        if now_ns >= self.end_ns and decision.assessment.tradable and of_the_user and not self.asks_for_the_clock:
            return self._end(f"refused: {', '.join(choice.reasons)}", now_ns)
        return []  # by the table it waits for a price, or for proof of trading, until the grace time is over

    # what is done

    def _place(self, decision: Decision) -> list[Command]:
        last, intent, choice, now_ns = self.open_order, self.intent, decision.choice, decision.at_ns
        qty, price = choice.qty, choice.limit_price
        if last is None:
            order = Order(self.client_order_id(len(self.children) + 1), intent.symbol, intent.side, qty, price)
            self.children.append(ChildOrder(order))
        elif last.order.qty > self._orderable():
            return self._end("never reached the broker, and is too large now", now_ns)
        else:  # lost: under its own id and with its own quantity, of which the broker takes one
            order = replace(last.order, limit_price=price)
            last.order, last.lost, last.resent, last.not_found = order, False, True, 0
        self._pegged = choice.pegged
        self._blind, self._row = decision.assessment.grade is Grade.REFUSE, decision.assessment.row
        if not choice.pegged:
            self.fallbacks.append(Fallback(choice.action, choice.limit_price, choice.reasons, choice.decided_by))
        self._note_decision(decision)
        self._placed_ns = self._asked_ns = now_ns
        self._enter(State.PLACING, choice.reasons[0], now_ns)
        return [SubmitOrder(order)]

    def _cancel(self, why: str, now_ns: int) -> list[Command]:
        if why == REPEG:
            self.repegs += 1
        self._asked_ns = now_ns
        self._enter(State.CANCELING, why, now_ns)
        child = self.children[-1]
        return [CancelOrder(child.order.client_order_id, child.order_id)]

    # what was said

    def _on_position(self, held: PositionReport, now_ns: int) -> list[Command]:  # noqa: ARG002 - for exits
        return []

    def _on_report(self, child: ChildOrder, report: Report, now_ns: int) -> list[Command]:
        known = child.filled
        self.contradictions += child.take(report)
        if child.proven:
            return self._on_word_after_end(child, report, known)
        if self._is_final(report):
            return self._on_end(child, report, now_ns)
        if self.state is State.DONE:
            return self._on_late_report(child, report)
        if self.state in (State.WAITING, State.SIZING):  # a lost order turned up after all
            child.lost = False
            return self._ask("reached the broker late", now_ns)
        if report.status is Status.REPLACED and report.authoritative and self.state is State.LOOKING_UP:
            return self._follow(child, report, now_ns)
        if report.status is not Status.OPEN:
            # The stream says it is over, or another party replaced it: the broker is asked whether that is all.
            return [] if self.state is State.LOOKING_UP else self._ask(report.word or report.status, now_ns)
        if child.elsewhere and report.authoritative and not self._may_adopt:
            return self._finish("worked from elsewhere", now_ns)
        if self.state is State.PLACING or (self.state is State.LOOKING_UP and report.authoritative):
            self._deferral.end()
            self._enter(State.RESTING, report.word or report.status, now_ns)
        return []

    def _follow(self, child: ChildOrder, report: Report, now_ns: int) -> list[Command]:
        """Another party replaced the order: its successor counts as the intent's, and stays where it was put."""
        if not report.replaced_by or child.hops >= MOST_HOPS:
            return self._finish("replaced by another party", now_ns)
        child.follow(report.replaced_by)
        self._pegged, self._blind, self._row, self._asked_ns = False, False, Row.TRADING, now_ns
        return [child.question]

    def _on_final(self, report: Report, now_ns: int) -> list[Command]:
        if report.status is Status.REJECTED:
            self.rejects, self._reject_reason = self.rejects + 1, report.word or report.status
            self._deferral.pause(self.tactics.reject_pause_ns, now_ns)
        return super()._on_final(report, now_ns)

    def _on_taken(self, child: ChildOrder, now_ns: int) -> list[Command]:
        """The cancel was taken; its effect is told by the order stream, or asked for."""
        if child.proven or self.state is State.DONE:
            return [child.question]
        child.cancel_taken, self._asked_ns = True, now_ns
        return [] if self._stream_proven else self._ask_at_times(now_ns, 0)

    def _on_exists(self, child: ChildOrder, exists: Exists, now_ns: int) -> list[Command]:
        """The id is taken, so the order is there, though a look-up may not show it for some seconds."""
        if child.proven and not child.refused:
            return []
        child.seen, child.lost = True, False
        if self.state is State.DONE:
            self.outcome = self.find_outcome()
            return [child.question]
        return [] if self.state is State.LOOKING_UP or child.proven else self._ask(exists.reason, now_ns)

    def _on_not_found(self, child: ChildOrder, now_ns: int) -> list[Command]:
        if child.seen:
            return []  # the broker shows it late
        child.not_found += 1
        if child.elsewhere and self.state is State.LOOKING_UP:
            return self._on_no_next(now_ns)
        if self.state is State.LOOKING_UP and child.not_found >= self.tactics.lost_after:
            child.lost = True
            self._enter(State.WAITING, "never reached the broker", now_ns)
        return []

    def _on_refused(self, child: ChildOrder, refused: Refused, now_ns: int) -> list[Command]:
        if self.state is State.CANCELING:
            return self._ask(refused.reason, now_ns)
        if self.state is not State.PLACING or refused.request is not Request.PLACE:
            return []
        if child.resent or child.seen:  # refused perhaps because its first sending is there
            return self._ask(refused.reason, now_ns)
        child.status, child.proven, child.refused = Status.REJECTED, True, True
        if refused.until is Until.POWER and not self.pace.brings_power(self.intent_id):
            refused = replace(refused, until=Until.TRIES)
        if refused.final or refused.until is Until.TRIES:
            self.rejects, self._reject_reason, self._hopeless = self.rejects + 1, refused.reason, refused.final
        self._deferral.take(refused, self.tactics.reject_pause_ns, now_ns)
        self._enter(State.WAITING, refused.reason, now_ns)
        return []

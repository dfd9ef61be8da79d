"""`ParentOrder` with the order-safety defects of the system that this one replaces put back in, one each.

The search must catch every one, or it proves nothing about the machine without them.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from quotebus.bus.book import HaltKnowledge
from quotebus.execution_adapter.decision.action import Action
from quotebus.execution_adapter.decision.assessment import Assessment, Grade
from quotebus.execution_adapter.decision.choose import Choice, Decision, Situation
from quotebus.execution_adapter.orders.child_order import ChildOrder
from quotebus.execution_adapter.orders.order import (
    Answer,
    Command,
    NotFound,
    Order,
    PositionReport,
    Report,
    Status,
    SubmitOrder,
    Unknown,
)
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.sell_all import SellAllOrder
from quotebus.execution_adapter.orders.states import Outcome, State


class SendsOriginalQuantity(ParentOrder):
    """The escalation sends what the intent wanted, not what remains."""

    def _choose(self, assessment: Assessment, situation: Situation) -> Choice | None:
        choice = super()._choose(assessment, situation)
        return choice and replace(choice, qty=self.intent.qty)


class GoesOnAfterCancelIsSent(ParentOrder):
    """It goes on though the cancel may have failed or timed out."""

    def _cancel(self, why: str, now_ns: int) -> list[Command]:
        commands = super()._cancel(why, now_ns)
        self.children[-1].proven = True
        self._enter(State.WAITING, why, now_ns)
        return commands


class CountsOnlyTheLastOrder(ParentOrder):
    """The fill of one order overwrites the cumulative count after a re-peg."""

    @property
    def filled(self) -> Decimal:
        return self.children[-1].filled if self.children else Decimal(0)


class FailureMeansNotPlaced(ParentOrder):
    """Placing was reported as a failure, so another order is sent while the first lives."""

    def on_answer(self, answer: Answer, now_ns: int) -> list[Command]:
        if isinstance(answer, Unknown) and self.state is State.PLACING:
            if answer.client_order_id == self.children[-1].order.client_order_id:
                self.children[-1].proven = True
                self._enter(State.WAITING, answer.reason, now_ns)
            return []
        return super().on_answer(answer, now_ns)


class PlacesLostOrderUnderNewId(ParentOrder):
    """An order that could not be found is sent again as a new one."""

    def on_answer(self, answer: Answer, now_ns: int) -> list[Command]:
        commands = super().on_answer(answer, now_ns)
        if isinstance(answer, NotFound) and self.children and self.children[-1].lost:
            self.children[-1].proven, self.children[-1].lost = True, False
        return commands


class HasNoClientOrderIds(ParentOrder):
    """Nothing ties an order to its intent, so a restart begins anew."""

    lives = 0

    def restore(self, children: list[ChildOrder], now_ns: int) -> list[Command]:
        type(self).lives += 1
        self._life = type(self).lives
        return []

    def client_order_id(self, number: int) -> str:
        return f"{getattr(self, '_life', 0)}-{number}"


class BelievesTheStream(ParentOrder):
    """An event of the order stream ends an order without asking the broker."""

    def _is_final(self, report: Report) -> bool:
        return super()._is_final(replace(report, authoritative=True, filled=report.filled or Decimal(0)))


class LastWordCounts(ParentOrder):
    """A late or contradictory report lowers the count of fills."""

    def _on_report(self, child: ChildOrder, report: Report, now_ns: int) -> list[Command]:
        if report.filled is not None:
            child.filled = report.filled
        return super()._on_report(child, report, now_ns)


class FinalMeansDone(ParentOrder):
    """An order that is over ends the intent as a success; what remains is never sent."""

    def _on_final(self, report: Report, now_ns: int) -> list[Command]:
        commands = super()._on_final(report, now_ns)
        self.outcome = Outcome.FILLED
        self._enter(State.DONE, "already terminal", now_ns)
        return commands


class RepegsAreMarketable(ParentOrder):
    """A re-peg goes two cents beyond the other side."""

    def _choose(self, assessment: Assessment, situation: Situation) -> Choice | None:
        choice, quote = super()._choose(assessment, situation), assessment.verdict.quote
        if choice is None or not choice.pegged or not self.repegs or quote is None:
            return choice
        if quote.ask_price is None or quote.bid_price is None:
            return choice
        beyond = Decimal("0.02") if self.intent.side == "buy" else Decimal("-0.02")
        price = Decimal(repr(quote.ask_price if self.intent.side == "buy" else quote.bid_price)) + beyond
        return replace(choice, limit_price=price)


class TradesWhileHalted(ParentOrder):
    """Nothing looks at halts."""

    def advance(self, assessment: Assessment, now_ns: int, *, stream_proven: bool = True) -> list[Command]:
        verdict = assessment.verdict
        if verdict.standing is not None:
            standing = replace(verdict.standing, state="live")
            assessment = replace(assessment, verdict=replace(verdict, standing=standing, halt=HaltKnowledge.TRADING))
        return super().advance(assessment, now_ns, stream_proven=stream_proven)


class PricesOneSidedQuotes(ParentOrder):
    """A quote without a bid passes, and the price becomes a cent."""

    def advance(self, assessment: Assessment, now_ns: int, *, stream_proven: bool = True) -> list[Command]:
        if assessment.reasons == ("one_sided",):
            assessment = replace(assessment, grade=Grade.OK, reasons=())
        return super().advance(assessment, now_ns, stream_proven=stream_proven)

    def _choose(self, assessment: Assessment, situation: Situation) -> Choice | None:
        cent = Choice(Action.LIMIT, self.remaining, Decimal("0.01"), ("place",), pegged=True)
        return super()._choose(assessment, situation) or cent


class ReplacedIsOver(ParentOrder):
    """An order replaced by somebody else counts as gone, though its successor can fill."""

    def _is_final(self, report: Report) -> bool:
        return super()._is_final(report) or (report.authoritative and report.status is Status.REPLACED)


class DoesNotKnowTheEnd(ParentOrder):
    """The status text is never recognised as final."""

    def _is_final(self, report: Report) -> bool:
        return False


class RepeatsTheRequest(ParentOrder):
    """After a timeout the same order goes out again at once, as a new one."""

    def on_answer(self, answer: Answer, now_ns: int) -> list[Command]:
        commands = super().on_answer(answer, now_ns)
        if isinstance(answer, Unknown) and self.state is State.LOOKING_UP and self.children[-1].not_found == 0:
            order: Order = self.children[-1].order
            commands = [*commands, SubmitOrder(replace(order, client_order_id=f"{order.client_order_id}-again"))]
        return commands


class SellsWhatIsHeldBack(SellAllOrder):
    """An exit is sized to all that is held, though other orders hold some of it back."""

    def _orderable(self) -> Decimal:
        return self.remaining


class TrustsTheFirstSize(SellAllOrder):
    """An exit is sized once; what others sold meanwhile is sold again, short."""

    def _place(self, decision: Decision) -> list[Command]:
        self._position_ns, self._position = (
            decision.at_ns,
            self._position or PositionReport("", self.intent.qty, self.intent.qty),
        )
        return super()._place(decision)


class BelievesTheLatePosition(SellAllOrder):
    """An exit is sized anew by a position that does not show our own last fill yet."""

    def _on_position(self, position: PositionReport, now_ns: int) -> list[Command]:
        self._is_sized = False
        return super()._on_position(position, now_ns)


class ExitsInWholeShares(SellAllOrder):
    """The fraction of a share stays behind."""

    def _decide(self, assessment: Assessment, now_ns: int) -> list[Command]:
        self.tactics = replace(self.tactics, fractional=False)
        return super()._decide(assessment, now_ns)


MUTANTS: tuple[type[ParentOrder], ...] = (
    SendsOriginalQuantity,
    GoesOnAfterCancelIsSent,
    CountsOnlyTheLastOrder,
    FailureMeansNotPlaced,
    PlacesLostOrderUnderNewId,
    HasNoClientOrderIds,
    BelievesTheStream,
    LastWordCounts,
    FinalMeansDone,
    RepegsAreMarketable,
    TradesWhileHalted,
    PricesOneSidedQuotes,
    ReplacedIsOver,
    DoesNotKnowTheEnd,
    RepeatsTheRequest,
    SellsWhatIsHeldBack,
    TrustsTheFirstSize,
    BelievesTheLatePosition,
    ExitsInWholeShares,
)

"""An intent to sell the whole position, sized by the broker's answer before each order. Pure.

It sells what is held when the intent begins: less when others sell, never more, since a position that does not show our
own fills yet must not be sold twice. No order is for more than what no other order holds back; for what others hold
back the intent waits until its time is over. No position, or a short one, is nothing to sell. When two sellers are
given the same number at the same instant, the broker decides: it refuses to sell more than is held.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from quotebus.execution_adapter.decision.assessment import Assessment
from quotebus.execution_adapter.decision.choose import Decision
from quotebus.execution_adapter.decision.fallback import Policies
from quotebus.execution_adapter.decision.tactics import Tactics
from quotebus.execution_adapter.intents import Intent
from quotebus.execution_adapter.orders.order import ZERO, Command, PositionReport, QueryPosition
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.states import Outcome, State

HELD_BACK_EVERY = 5
"""While others hold back all that is left, the broker is asked once per this many `Tactics.ask_again_ns`."""


class SellAllOrder(ParentOrder):
    """A ParentOrder for an intent that `exits`. A quantity it already has was found before a restart."""

    def __init__(
        self, intent: Intent, intent_id: str, start_ns: int, tactics: Tactics, policies: Policies | None = None
    ) -> None:
        super().__init__(intent, intent_id, start_ns, tactics.without_least_qty(), policies)
        self._is_sized = intent.qty > 0
        self._position: PositionReport | None = None
        self._position_ns = start_ns
        self._questions = 0

    def advance(self, assessment: Assessment, now_ns: int, *, stream_proven: bool = True) -> list[Command]:
        if self.state is not State.SIZING:
            return super().advance(assessment, now_ns, stream_proven=stream_proven)
        self._learn(assessment, now_ns)
        if self._is_over(now_ns):
            return self._end(self.doubt or ("stopped" if self.stopping else "out of time"), now_ns)
        if now_ns - self._asked_ns < self.tactics.ask_again_ns:
            return []
        self._asked_ns = now_ns
        return [self._question()]

    @property
    def _may_adopt(self) -> bool:  # type: ignore[override]
        return not self._is_sized

    def _is_over(self, now_ns: int) -> bool:
        return bool(self.doubt) or self.stopping or now_ns >= self.end_ns + self.tactics.grace_ns

    def _decide(self, assessment: Assessment, now_ns: int) -> list[Command]:
        if not self._is_sized:
            if not self._is_last:  # sold before, by a life whose journal is lost: it is part of the whole
                return self._ask_for_next("querying the orders", now_ns)
            return self._measure("querying the position", now_ns)
        if self.intent.qty == 0:
            return self._end("no position", now_ns)
        if self._position is not None and self.remaining > 0 and self._orderable() == 0 and not self._is_over(now_ns):
            if now_ns - self._position_ns < HELD_BACK_EVERY * self.tactics.ask_again_ns:
                return []
            return self._measure("held back by other orders", now_ns)
        return super()._decide(assessment, now_ns)

    def _orderable(self) -> Decimal:
        position = self._position
        if position is None:
            return self.remaining
        # A lost order may have arrived after all, and then itself holds back what it is for.
        return min(self.remaining, position.qty if self.open_order else position.available)

    def _place(self, decision: Decision) -> list[Command]:
        if self._position is None or decision.at_ns - self._position_ns > self.tactics.ask_again_ns:
            return self._measure("querying the position", decision.at_ns)
        commands = super()._place(decision)
        self._position = None
        return commands

    def _measure(self, why: str, now_ns: int) -> list[Command]:
        self._questions += 1
        self._asked_ns = now_ns
        self._enter(State.SIZING, why, now_ns)
        return [self._question()]

    def _question(self) -> QueryPosition:
        return QueryPosition(f"{self.intent_id}-held-{self._questions}", self.intent.symbol)

    def _on_position(self, position: PositionReport, now_ns: int) -> list[Command]:
        if self.state is not State.SIZING or self._question().request_id != position.request_id:
            return []
        # What a lost order may have sold is missing from the position and in no count yet: it is not others' doing.
        lost = self.open_order.order.qty if self.open_order is not None else ZERO
        left = self.filled + position.qty + lost
        self.intent = replace(self.intent, qty=min(self.intent.qty, left) if self._is_sized else left)
        self._is_sized = True
        self._position, self._position_ns = position, now_ns
        self._enter(State.WAITING, f"{position.qty:f} held, {position.available:f} available", now_ns)
        return []

    def find_outcome(self) -> Outcome:
        outcome = super().find_outcome()
        return Outcome.UNFILLED if outcome is Outcome.FILLED and not self._is_sized else outcome

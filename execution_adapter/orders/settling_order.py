"""The end of an intent whose journal is damaged: by the broker's word alone. Pure.

The orders of an intent are numbered from 1 without a gap, and their ids follow from the intent's. So the broker can be
asked for each in turn, until it has no next one; what is open is cancelled, and nothing is ever ordered.
"""

from __future__ import annotations

from quotebus.execution_adapter.decision.assessment import Assessment
from quotebus.execution_adapter.decision.tactics import Tactics
from quotebus.execution_adapter.intents import MAX_QTY, SIDES, Intent
from quotebus.execution_adapter.orders.journal_entries import JournalEnd
from quotebus.execution_adapter.orders.order import Command
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.states import Outcome, State


class SettlingOrder(ParentOrder):
    """A ParentOrder that only finds out and cancels. `why`: what is wrong with its journal."""

    def __init__(self, intent: Intent, intent_id: str, now_ns: int, tactics: Tactics, why: str) -> None:
        super().__init__(intent, intent_id, now_ns, tactics)
        self.why = why

    _may_adopt = True

    def _decide(self, assessment: Assessment, now_ns: int) -> list[Command]:  # noqa: ARG002 - no price matters
        return self._finish(self.why, now_ns) if self._is_last else self._ask_for_next(self.why, now_ns)

    def _why_cancel(self, assessment: Assessment, now_ns: int) -> str | None:  # noqa: ARG002 - no price matters
        return self.why

    def _give_up(self, why: str, now_ns: int) -> list[Command]:
        return self._finish(why, now_ns)  # without a journal nobody knows what was sent

    def find_outcome(self) -> Outcome:
        outcome = super().find_outcome()
        if self.intent.exits and not self.intent.qty and self.state is State.DONE:
            return Outcome.UNRESOLVED  # how much was to be sold stood in the journal
        return outcome


class UnreadOrder(SettlingOrder):
    """A SettlingOrder whose journal does not even say what was wanted: its id and side are the file's name.

    It is never filled, since nobody knows how much that would be; what its orders filled is in their counts.
    """

    needs_price = False

    def __init__(self, intent_id: str, now_ns: int, tactics: Tactics, why: str) -> None:
        side = next((side for side in SIDES if f"-{side}-" in intent_id), SIDES[0])
        super().__init__(Intent("?", side, MAX_QTY), intent_id, now_ns, tactics, why)

    def recognize(self, intent: Intent, intent_key: tuple[str, str]) -> None:
        """Its client has sent it again: now it is known what it was."""
        self.intent, self.intent_key = intent, intent_key
        if self.state is State.DONE:
            self.outcome = self.find_outcome()

    @property
    def title(self) -> str:
        return super().title if self.intent_key[0] else "an intent"

    @property
    def wanted(self) -> str:
        return super().wanted if self.intent_key[0] else "?"


class CheckingOrder(SettlingOrder):
    """A SettlingOrder for an intent that ended before with a remainder, as `end` says: it cancels nothing either.

    While the broker does not say more, it ended as it did.
    """

    _may_adopt = False

    def __init__(self, intent: Intent, intent_id: str, now_ns: int, tactics: Tactics, end: JournalEnd) -> None:
        super().__init__(intent, intent_id, now_ns, tactics, f"ended before, {end.text}")
        self._end_before = end.outcome

    def find_outcome(self) -> Outcome:
        last = self.open_order
        if self.state is State.DONE and last is not None and not last.seen:
            return self._end_before
        return super().find_outcome()

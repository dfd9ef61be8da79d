"""How the intents of a worker have ended, also those it did not work: the exit status and the summary. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.states import Outcome
from quotebus.execution_adapter.orders.summary import IntentEnd, format_report

ALL_FILLED, NOT_ALL_FILLED, UNRESOLVED = 0, 3, 4
MAX_ENDED_IDS = 10_000


class IntentEnds:
    """By intent id. Its size has a bound; what is forgotten stays counted."""

    def __init__(self) -> None:
        self._not_worked: dict[str, IntentEnd] = {}
        self._ids: dict[str, None] = {}
        self._forgotten: Counter[Outcome] = Counter()

    def __contains__(self, intent_id: str) -> bool:
        """Whether it is known to have ended, so that its journal need not be asked."""
        return intent_id in self._ids

    def find(self, intent_id: str) -> IntentEnd | None:
        """How an intent has ended that was not worked here, or why it was not; None when nothing is known."""
        return self._not_worked.get(intent_id)

    def add(self, intent_id: str, end: IntentEnd) -> bool:
        """An intent that was asked for, and has ended before or is not worked here. False when that is nothing new."""
        if self._not_worked.get(intent_id) == end:
            return False
        self._not_worked[intent_id] = end
        if len(self._not_worked) > MAX_ENDED_IDS:
            oldest = next(iter(self._not_worked))
            self._forgotten[self._not_worked.pop(oldest).outcome] += 1
        if end.outcome is not Outcome.UNRESOLVED:
            self._note(intent_id)
        return True

    def withdraw(self, intent_id: str) -> None:
        """It is worked here after all."""
        self._not_worked.pop(intent_id, None)

    def forget(self, intent_id: str, parent: ParentOrder) -> None:
        """An intent that was worked here and has ended: from now on it is only counted."""
        outcome = parent.find_outcome()
        self._forgotten[outcome] += 1
        if outcome is not Outcome.UNRESOLVED:
            self._note(intent_id)

    def _note(self, intent_id: str) -> None:
        self._ids[intent_id] = None
        if len(self._ids) > MAX_ENDED_IDS:  # its journal knows as well
            del self._ids[next(iter(self._ids))]

    def judge(self, parents: Collection[ParentOrder]) -> int:
        """The exit status: what the broker's books say of all of them."""
        outcomes = {parent.find_outcome() for parent in parents} | self._forgotten.keys()
        outcomes |= {end.outcome for end in self._not_worked.values()}
        if Outcome.UNRESOLVED in outcomes:
            return UNRESOLVED
        return ALL_FILLED if outcomes <= {Outcome.FILLED} else NOT_ALL_FILLED

    def report(self, parents: Sequence[ParentOrder], now_ns: int) -> list[str]:
        """The summary of those that were worked here and of those that were not."""
        return format_report(parents, now_ns, self._forgotten, list(self._not_worked.values()))

"""What an intent remembers of prices: the last good one, and since when there is none. Pure."""

from __future__ import annotations

from decimal import Decimal

from quotebus.execution_adapter.decision.assessment import Assessment, Grade
from quotebus.execution_adapter.decision.fallback import LastGood


class PriceMemory:
    """Take every assessment with `learn`, in order."""

    def __init__(self) -> None:
        self.last_good: LastGood | None = None
        self._unusable_since_ns: int | None = None

    def learn(self, assessment: Assessment, now_ns: int) -> Decimal | None:
        """Take an assessment; the mid, if its price is good."""
        if assessment.grade is Grade.REFUSE:
            if self._unusable_since_ns is None:
                self._unusable_since_ns = now_ns
            return None
        self._unusable_since_ns = None
        if assessment.sides is None:
            return None
        self.last_good = LastGood(assessment.sides, now_ns)
        return assessment.sides.mid

    def unusable_ns(self, now_ns: int) -> int | None:
        """For how long there has been no good price; None while there is one."""
        return None if self._unusable_since_ns is None else now_ns - self._unusable_since_ns

"""What the broker's own market clock said: before a market order it must agree that the market is open. Pure.

The node's session is by calendar; a day of mourning, or a clock of ours that is wrong, only the broker knows. It is
asked when a market order is wanted, not before, and its answer holds for a few seconds.
"""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.decision.choose import BROKER_CLOCK_UNKNOWN, BrokerMarket
from quotebus.execution_adapter.orders.order import CLOCK, Answer, ClockReport, QueryClock, Unknown

HOLDS_NS = 5 * NS_PER_S
ASK_EVERY_NS = NS_PER_S
PATIENCE_NS = 3 * NS_PER_S
"""How long a market order waits for the broker's clock before that is told as a refusal."""


class ClockPatience:
    """Whether one intent's market order waits for the broker's clock, and since when."""

    def __init__(self) -> None:
        self._since_ns: int | None = None

    @property
    def waits(self) -> bool:
        return self._since_ns is not None

    def is_left(self, reasons: tuple[str, ...], now_ns: int) -> bool:
        """Whether a moment's patience may show that the broker's market is open; a refusal comes after it."""
        if BROKER_CLOCK_UNKNOWN not in reasons:
            self._since_ns = None
            return False
        if self._since_ns is None:
            self._since_ns = now_ns
        return now_ns - self._since_ns < PATIENCE_NS


class BrokerClock:
    """One broker's clock; without a broker it is never asked."""

    def __init__(self, *, has_broker: bool) -> None:
        self._has_broker = has_broker
        self._is_open: bool | None = None
        self._heard_ns = 0
        self._asked_ns: int | None = None
        self._waits = False

    def find(self, now_ns: int) -> BrokerMarket:
        """What is known of the broker's market now."""
        if not self._has_broker:
            return BrokerMarket.NONE
        if self._is_open is None or now_ns - self._heard_ns > HOLDS_NS:
            return BrokerMarket.UNKNOWN
        return BrokerMarket.OPEN if self._is_open else BrokerMarket.CLOSED

    def ask(self, now_ns: int) -> list[QueryClock]:
        """The question, when an answer is wanted and none is under way or was asked for within a second."""
        recent = self._asked_ns is not None and now_ns - self._asked_ns < ASK_EVERY_NS
        if not self._has_broker or self._waits or recent:
            return []
        self._waits, self._asked_ns = True, now_ns
        return [QueryClock()]

    def take(self, answer: Answer, now_ns: int) -> bool:
        """Take an answer. False when it is none of a clock."""
        if isinstance(answer, ClockReport):
            self._is_open, self._heard_ns, self._waits = answer.is_open, now_ns, False
            return True
        if isinstance(answer, Unknown) and answer.client_order_id == CLOCK:
            self._waits = False
            return True
        return False

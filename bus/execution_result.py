"""What a caller of `execute` gets: how its intent ended, or how far it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from quotebus.bus.order_events import ReportedOrder
from quotebus.bus.states import ExecutionOutcome

ALL_FILLED, NOT_ALL_FILLED, NOT_KNOWN = 0, 3, 4
_STATUSES = {
    ExecutionOutcome.FILLED: ALL_FILLED,
    ExecutionOutcome.PARTLY_FILLED: NOT_ALL_FILLED,
    ExecutionOutcome.UNFILLED: NOT_ALL_FILLED,
    ExecutionOutcome.DECLINED: NOT_ALL_FILLED,
}
_MEANINGS = {
    ALL_FILLED: "all filled",
    NOT_ALL_FILLED: "not all filled, and nothing more will be",
    NOT_KNOWN: "not known: ask again with the same intent_id, or look the orders up at the broker",
}


class Waiting(StrEnum):
    """Why `execute` returned without an end."""

    NO_BROKER = "no_broker"
    NOBODY_ANSWERED = "nobody_answered"
    WORKER_SILENT = "worker_silent"
    STILL_WORKING = "still_working"


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """How an intent ended, or how far it was when the wait was over."""

    intent_id: str
    """The intent's: `execute` with the same id asks about the same intent, and never doubles it."""
    symbol: str
    """Upper case, as in `Quote`."""
    side: str
    """`buy` or `sell`."""
    qty: Decimal
    """Shares wanted; 0 while it is not known how many `all` is."""
    outcome: ExecutionOutcome
    """How it ended; `working` when a worker is still on it, `unanswered` when none has said anything."""
    filled: Decimal = Decimal(0)
    """Shares filled."""
    average_price: Decimal | None = None
    """US dollars, the average of what is filled; None while nothing is."""
    arrival_price: Decimal | None = None
    """US dollars, the mid when the intent arrived; None when there was no good price."""
    orders: tuple[ReportedOrder, ...] = ()
    """The newest 100 orders that were sent for it, with their ids, oldest first."""
    state: str = ""
    """Where the worker stands with it, in the worker's word; empty without a worker."""
    cause: str = ""
    """Why, in the worker's words, such as `all filled` or `out of time`."""
    reasons: tuple[str, ...] = ()
    """First why this is no end, if it is none: `no_broker`, `nobody_answered`, `worker_silent`, `still_working`. Then
    those of the newest fallback or refusal."""
    worker: str = ""
    """The client name of the worker; empty without one."""
    account: str = ""
    """Where the orders go: the gateway, a slash, and the name of the account, which may be empty."""

    @property
    def remaining(self) -> Decimal:
        """Shares wanted that are not filled."""
        return max(Decimal(0), self.qty - self.filled)

    @property
    def is_over(self) -> bool:
        """Whether the intent has ended: asking again brings nothing new, except for `unresolved`."""
        return self.outcome not in (ExecutionOutcome.WORKING, ExecutionOutcome.UNANSWERED)

    @property
    def exit_status(self) -> int:
        """What `execution-worker` would exit with: 0 all filled, 3 not all filled, 4 the fate is not known."""
        return _STATUSES.get(self.outcome, NOT_KNOWN)

    @property
    def meaning(self) -> str:
        """The exit status in words."""
        return _MEANINGS[self.exit_status]

    def __str__(self) -> str:
        average = "" if self.average_price is None else f" at {self.average_price:f}"
        why = ", ".join(filter(None, (self.cause, *self.reasons)))
        return f"{self.symbol} {self.side} {self.filled:f} of {self.qty:f}{average}: {self.outcome} ({why})"

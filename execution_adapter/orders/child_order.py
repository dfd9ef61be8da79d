"""One order of an intent, and what is known of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from quotebus.execution_adapter.orders.order import FINAL, REVISIONS, ZERO, Order, QueryOrder, Report, Status


@dataclass(slots=True)
class ChildOrder:
    """One order of an intent, and what is known of it."""

    order: Order
    filled: Decimal = ZERO
    average_price: Decimal | None = None
    status: Status = Status.OPEN
    proven: bool = False
    """The broker itself, asked, said that it is final."""
    order_id: str = ""
    seen: bool = False
    """The broker has shown it to us once."""
    not_found: int = 0
    lost: bool = False
    """The broker never showed it. It may still arrive, so only its own id may be used."""
    resent: bool = False
    refused: bool = False
    """It is over because the broker refused to take it: what the broker may say of it afterwards is news."""
    elsewhere: bool = False
    """Not placed by this worker as far as its journal knows: asked for by its number. Another host's, or a lost one."""
    denied: int = 0
    """How often the broker called it over with less filled than the order stream had reported."""
    revised: bool = False
    """The order stream has told that an execution was taken back or corrected."""
    last_count: Decimal | None = None
    """The count of fills in the broker's newest answer that calls it over."""
    cancel_taken: bool = False
    """The broker has taken a cancel, and was not asked since what has become of it."""
    successor: str = ""
    """The broker's id of the order that took its place, by hand."""
    hops: int = 0
    base: Decimal = ZERO
    """What the orders before the successor had filled."""
    carries: bool | None = None
    """Whether the successor's count begins with `base`; not known before its first report."""

    def take(self, report: Report) -> int:
        """Take a report; returns how many contradictions it held. Fills only grow, until the broker's final count.

        More filled than was ordered is kept all the same, so that nothing more is ordered. Once the broker has given
        its final count, the order stream changes it no more.
        """
        self.seen, self.not_found = True, 0
        self.order_id = report.order_id or self.order_id
        if report.authoritative and self.resent and not self.proven:  # whichever of the two arrived first
            self.order = replace(self.order, limit_price=report.limit_price)
        self.revised |= report.word in REVISIONS
        if report.filled is None:
            return 0
        if report.word in REVISIONS and not self.proven and report.filled < self.filled:
            self.denied, self.last_count = self.denied + 1, None  # the answer that is under way may be from before
        if self.proven and not report.authoritative:
            return int(report.filled > self.filled)
        contradicts = report.filled > self.order.qty or (proves_final(report) and report.filled < self.filled)
        if report.filled >= self.filled:
            self.filled = report.filled
            self.average_price = report.average_price or self.average_price
        return int(contradicts)

    def end(self, report: Report) -> None:
        """The broker's final count: it replaces whatever was reported before."""
        self.status, self.proven, self.lost, self.refused = report.status, True, False, False
        if report.filled is not None and report.filled != self.filled:
            self.filled, self.average_price = report.filled, report.average_price

    @property
    def question(self) -> QueryOrder:
        """What to ask the broker about it."""
        return QueryOrder(self.order.client_order_id, self.successor)

    @property
    def doubtful(self) -> Decimal:
        """What may be filled besides `filled`: a successor's count may or may not begin with what came before it."""
        return self.base if self.carries else ZERO

    def follow(self, order_id: str) -> None:
        """An order of this id took its place: it is the one to ask for from now on."""
        self.successor = self.order_id = order_id
        self.hops += 1
        self.base, self.carries = self.filled, None

    def is_about(self, report: Report) -> bool:
        """Whether a report is of the order that holds now, and not of one that was replaced."""
        return not self.successor or not report.order_id or report.order_id == self.successor

    def add_base(self, report: Report) -> Report:
        """The report, with what was filled before the order was replaced."""
        if not self.successor:
            return report
        qty = max(self.order.qty, report.qty or ZERO)
        self.order = replace(self.order, qty=qty, limit_price=report.limit_price or self.order.limit_price)
        if report.filled is None:
            return report
        if self.carries is None:
            self.carries = report.filled >= self.base
        return report if self.carries else replace(report, filled=report.filled + self.base)


def proves_final(report: Report) -> bool:
    """Whether the order can fill no more and all its fills are known. Only the broker's own answer proves it."""
    return report.authoritative and report.status in FINAL and report.filled is not None


def contradicts_itself(report: Report) -> bool:
    """Whether it is said to be filled, with less than it is for."""
    short = report.qty is not None and report.filled is not None and report.filled < report.qty
    return short and report.status is Status.FILLED

"""One intent at work: its parent order, and the journal from which a restarted worker resumes."""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.orders.child_order import ChildOrder
from quotebus.execution_adapter.orders.journal import Journal
from quotebus.execution_adapter.orders.journal_entries import (
    Entry,
    doubt_entry,
    end_entry,
    final_entry,
    place_entry,
    size_entry,
)
from quotebus.execution_adapter.orders.order import Order
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.states import Outcome, State
from quotebus.execution_adapter.orders.summary import format_progress

PRINT_EVERY_NS = NS_PER_S // 2


class WorkedIntent:
    """A parent order with its journal. `children` are those already in the journal; a damaged one takes no entry."""

    def __init__(
        self, parent: ParentOrder, journal: Journal, children: list[ChildOrder], *, damaged: bool = False
    ) -> None:
        self.parent = parent
        self._journal = journal
        self._damaged = damaged
        self._written = {child.order.client_order_id: child.filled for child in children if child.proven}
        self._is_ended = False
        self._printed: tuple[object, ...] = ()
        self._printed_ns = 0

    @property
    def is_done(self) -> bool:
        return self.parent.state is State.DONE

    def record_order(self, order: Order) -> None:
        """Write an order, and return once it is on disk: nothing is sent that the journal does not have.

        Room for its end is set aside first. Raises OSError, and then the order may not be sent.
        """
        intent = self.parent.intent
        self._journal.reserve()
        self._write(*([size_entry(intent.qty)] if intent.exits else []), place_entry(order))

    def record_end(self) -> None:
        """Write that the intent is done, unless the fate of an order is unknown or the worker was stopped.

        Raises OSError: the next start then asks the broker again.
        """
        parent = self.parent
        if self._damaged or (parent.stopping and parent.outcome is not Outcome.FILLED) or parent.outcome is None:
            return
        if parent.outcome is Outcome.UNRESOLVED:
            self._write(*([doubt_entry(parent.doubt)] if parent.doubt else []))
            return
        self._write(end_entry(parent.outcome, parent.filled, parent.intent.qty, parent.cause))
        if not self._is_ended:
            self._is_ended = True
            self._journal.retire()

    def take_progress(self, now_ns: int) -> str | None:
        """A line on where the intent stands; None when nothing is new or the last line is too recent."""
        parent = self.parent
        progress = (parent.state, parent.filled, parent.cause)
        if progress == self._printed or (not self.is_done and now_ns - self._printed_ns < PRINT_EVERY_NS):
            return None
        self._printed, self._printed_ns = progress, now_ns
        return format_progress(parent)

    def close(self) -> None:
        """Release the journal."""
        self._journal.close()

    def _write(self, *added: Entry) -> None:
        """First every order that has ended since the last time, then `added`."""
        parent, written = self.parent, self._written
        proven = [child for child in parent.children if child.proven]
        ended = [child for child in proven if written.get(child.order.client_order_id) != child.filled]
        first = [{"arrival": f"{parent.arrival_mid:f}"}] if parent.arrival_mid and len(parent.children) == 1 else []
        self._journal.append(*first, *(final_entry(child) for child in ended), *added)
        written |= {child.order.client_order_id: child.filled for child in ended}

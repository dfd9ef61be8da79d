"""One intent at work: its parent order, and the journal from which a restarted worker resumes."""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.orders.child_order import ChildOrder
from quotebus.execution_adapter.orders.journal import Journal
from quotebus.execution_adapter.orders.journal_entries import Entry, final_entry, place_entry, size_entry
from quotebus.execution_adapter.orders.order import Order
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.states import Outcome, State
from quotebus.execution_adapter.orders.summary import format_progress

PRINT_EVERY_NS = NS_PER_S // 2


class WorkedIntent:
    """A parent order with its journal. `children` are those already in the journal."""

    def __init__(self, parent: ParentOrder, journal: Journal, children: list[ChildOrder]) -> None:
        self.parent = parent
        self._journal = journal
        self._final_ids = {child.order.client_order_id for child in children if child.proven}
        self._printed: tuple[object, ...] = ()
        self._printed_ns = 0

    @property
    def is_done(self) -> bool:
        return self.parent.state is State.DONE

    def record_order(self, order: Order) -> None:
        """Write an order, and return once it is on disk: nothing is sent that the journal does not have."""
        intent = self.parent.intent
        self._write(*([size_entry(intent.qty)] if intent.exits else []), place_entry(order))

    def record_end(self) -> None:
        """Write that the intent is done, unless the fate of an order is unknown or the worker was stopped."""
        parent = self.parent
        if parent.stopping:
            return
        filled = f"{parent.filled:f} of {parent.intent.qty:f} ({parent.cause})"
        self._write(*([] if parent.outcome is Outcome.UNRESOLVED else [{"done": filled}]))

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
        parent, written = self.parent, self._final_ids
        ended = [child for child in parent.children if child.proven and child.order.client_order_id not in written]
        written |= {child.order.client_order_id for child in ended}
        first = [{"arrival": f"{parent.arrival_mid:f}"}] if parent.arrival_mid and len(parent.children) == 1 else []
        self._journal.append(*first, *(final_entry(child) for child in ended), *added)

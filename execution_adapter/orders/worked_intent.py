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
    """A parent order with its journal. `children` are those already in the journal; a damaged one takes no entry.

    Without a journal the intent has ended before, and nothing is written of it.
    """

    def __init__(
        self, parent: ParentOrder, journal: Journal | None, children: list[ChildOrder], *, damaged: bool = False
    ) -> None:
        self.parent = parent
        self._journal = journal
        self._takes, self.is_damaged = journal if not damaged else None, damaged
        self._placed = {child.order.client_order_id for child in children}
        self._written = {child.order.client_order_id: child.filled for child in children if child.proven}
        self._is_ended = False
        self._printed: tuple[object, ...] = ()
        self._printed_ns = 0

    @property
    def is_done(self) -> bool:
        return self.parent.state is State.DONE

    @property
    def is_settled(self) -> bool:
        """Whether its journal cannot be used, and the broker has said how each of its orders ended."""
        has_end = self.parent.outcome not in (None, Outcome.UNRESOLVED)
        return self.is_damaged and has_end and not self.parent.stopping

    def record_order(self, order: Order) -> None:
        """Write an order, and return once it is on disk: nothing is sent that the journal does not have.

        Room for its end is set aside first. Raises OSError, and then the order may not be sent.
        """
        intent = self.parent.intent
        assert self._takes is not None, "nothing is ordered for an intent whose journal takes no entry"
        self._takes.reserve()
        self._placed.add(order.client_order_id)
        self._write(*([size_entry(intent.qty)] if intent.exits else []), place_entry(order))

    def record_end(self) -> None:
        """Write that the intent is done, unless the fate of an order is unknown or the worker was stopped.

        Raises OSError: the next start then asks the broker again.
        """
        parent = self.parent
        if self._takes is None or (parent.stopping and parent.outcome is not Outcome.FILLED) or parent.outcome is None:
            return
        if parent.outcome is Outcome.UNRESOLVED:
            self._write(*([doubt_entry(parent.doubt)] if parent.doubt and not parent.is_doubt_of_now else []))
            return
        self._write(end_entry(parent.outcome, parent.filled, parent.intent.qty, parent.cause))
        if not self._is_ended:
            self._is_ended = True
            self._takes.retire()

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
        if self._journal is not None:
            self._journal.close()

    def _write(self, *added: Entry) -> None:
        """First every order that has ended since the last time, then `added`. One from elsewhere is written whole."""
        parent, written = self.parent, self._written
        entries: list[Entry] = []
        if parent.arrival_mid and len(parent.children) == 1:
            entries.append({"arrival": f"{parent.arrival_mid:f}"})
        ended = [child for child in parent.children if child.proven]
        ended = [child for child in ended if written.get(child.order.client_order_id) != child.filled]
        for child in ended:
            if child.order.client_order_id not in self._placed:
                entries.append(place_entry(child.order))
            entries.append(final_entry(child))
        assert self._takes is not None
        self._takes.append(*entries, *added)
        written |= {child.order.client_order_id: child.filled for child in ended}
        self._placed |= written.keys()

"""An intent with its journal: what is written, when, and what is printed of it."""

from __future__ import annotations

import errno
from decimal import Decimal
from pathlib import Path

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.decision.tactics import Tactics
from quotebus.execution_adapter.intents import parse
from quotebus.execution_adapter.orders import journal as journal_module
from quotebus.execution_adapter.orders.child_order import ChildOrder
from quotebus.execution_adapter.orders.journal import ENDED, Journal
from quotebus.execution_adapter.orders.journal_entries import JournalEnd, read_children, read_doubt, read_end
from quotebus.execution_adapter.orders.order import Order, Status
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.orders.states import Outcome, State
from quotebus.execution_adapter.orders.worked_intent import PRINT_EVERY_NS, WorkedIntent

ORDERS = [Order(f"qb-{number}", "SPY", "buy", Decimal(5), Decimal("9.99")) for number in (1, 2)]


def worked(folder: Path, text: str = "SPY buy 10") -> tuple[WorkedIntent, Journal]:
    journal = Journal(folder, "qb")
    return WorkedIntent(ParentOrder(parse(text), "qb", 0, Tactics()), journal, []), journal


def test_first_order_is_written_with_the_arrival_and_each_end_once(tmp_path: Path) -> None:
    one, _ = worked(tmp_path)
    one.parent.arrival_mid = Decimal("10.005")
    one.parent.children.append(ChildOrder(ORDERS[0]))
    one.record_order(ORDERS[0])
    first = one.parent.children[0]
    first.proven, first.status, first.filled = True, Status.CANCELED, Decimal(5)
    one.parent.children.append(ChildOrder(ORDERS[1]))
    one.record_order(ORDERS[1])
    one.parent.children[1].filled, one.parent.children[1].proven = Decimal(5), True
    one.parent.state, one.parent.outcome = State.DONE, Outcome.FILLED
    one.record_end()
    one.close()
    again = Journal(tmp_path / ENDED, "qb")
    assert [next(iter(entry)) for entry in again.entries()] == ["arrival", "place", "final", "place", "final", "done"]
    assert read_end(again.entries()) == JournalEnd(Outcome.FILLED, "10 of 10 (started)", filled=Decimal(10))
    again.close()
    assert not (tmp_path / "qb.jsonl").exists()


def test_size_of_an_intent_to_sell_all_is_written_before_its_order(tmp_path: Path) -> None:
    one, journal = worked(tmp_path, "SPY sell all")
    one.record_order(ORDERS[0])
    assert [next(iter(entry)) for entry in journal.entries()] == ["size", "place"]
    one.close()


def test_final_count_that_was_put_right_is_written_again(tmp_path: Path) -> None:
    one, journal = worked(tmp_path)
    one.parent.children.append(ChildOrder(ORDERS[0], Decimal(5), proven=True, status=Status.FILLED, elsewhere=True))
    one.record_order(ORDERS[1])
    one.parent.children[0].filled = Decimal(4)
    one.parent.doubt, one.parent.outcome = "why", Outcome.UNRESOLVED
    one.record_end()
    assert [child.filled for child in read_children(journal.entries())] == [4, 0]
    assert read_doubt(journal.entries()) == "why"
    one.close()


def test_no_order_is_written_for_whose_end_there_is_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, journal = worked(tmp_path)

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(journal_module, "reserve_room", full)
    with pytest.raises(OSError, match="No space"):
        one.record_order(ORDERS[0])
    assert journal.entries() == []
    one.close()


@pytest.mark.parametrize("left", ["unresolved", "stopped"])
def test_intent_that_is_to_be_resumed_is_not_written_as_done(tmp_path: Path, left: str) -> None:
    one, journal = worked(tmp_path)
    if left == "stopped":
        one.parent.stopping = True
    else:
        one.parent.outcome = Outcome.UNRESOLVED
    one.record_end()
    assert journal.entries() == []
    one.close()


def test_progress_is_told_when_it_is_new_and_the_last_line_not_too_recent(tmp_path: Path) -> None:
    one, _ = worked(tmp_path)
    assert one.take_progress(NS_PER_S) == "SPY    buy  0 of 10  waiting (started)"
    assert one.take_progress(10 * NS_PER_S) is None
    one.parent.cause = "new"
    assert one.take_progress(NS_PER_S + PRINT_EVERY_NS - 1) is None
    assert one.take_progress(NS_PER_S + PRINT_EVERY_NS) is not None
    one.parent.state = State.DONE
    assert one.take_progress(NS_PER_S + PRINT_EVERY_NS) is not None, "the end is never held back"
    one.close()

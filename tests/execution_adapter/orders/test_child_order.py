"""What is known of one order: fills never shrink, contradictions are counted, only the broker's answer ends it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from quotebus.execution_adapter.orders.child_order import ChildOrder, proves_final
from quotebus.execution_adapter.orders.order import Order, Report, Status

ORDER = Order("qb-1", "SPY", "buy", Decimal(10), Decimal("10.00"))


def report(status: Status = Status.OPEN, filled: str | None = "4", *, asked: bool = True, **more: object) -> Report:
    given = {"average_price": Decimal("10.01"), "order_id": "b-1", "limit_price": Decimal("10.00"), **more}
    return Report("qb-1", status, None if filled is None else Decimal(filled), authoritative=asked, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "filled", "asked", "proven"),
    [
        (Status.FILLED, "10", True, True),
        (Status.CANCELED, "0", True, True),
        (Status.FILLED, "10", False, False),
        (Status.FILLED, None, True, False),
        (Status.OPEN, "10", True, False),
        (Status.REPLACED, "4", True, False),
    ],
)
def test_end_is_proven_by_the_brokers_own_answer_with_its_fills(
    status: Status, filled: str | None, asked: bool, proven: bool
) -> None:
    assert proves_final(report(status, filled, asked=asked)) is proven


def test_fills_only_grow() -> None:
    child = ChildOrder(ORDER)
    assert child.take(report(filled="4")) == 0
    assert child.take(report(filled="2", average_price=Decimal(9))) == 0, "late, not contradictory"
    assert (child.filled, child.average_price) == (Decimal(4), Decimal("10.01"))
    assert child.take(report(filled=None, order_id="")) == 0
    assert (child.filled, child.order_id) == (Decimal(4), "b-1")
    assert child.take(report(filled="6", average_price=None)) == 0
    assert (child.filled, child.average_price) == (Decimal(6), Decimal("10.01")), "a price not said is not forgotten"


def test_contradictions_are_counted_and_the_larger_number_kept() -> None:
    child = ChildOrder(ORDER, filled=Decimal(4))
    assert child.take(report(Status.CANCELED, "3")) == 1
    assert child.filled == 4
    assert child.take(report(filled="11")) == 1
    assert child.filled == 11, "so that nothing more is ordered"


def test_any_word_of_it_means_that_it_was_seen() -> None:
    child = ChildOrder(ORDER, not_found=2)
    child.take(report(filled=None))
    assert (child.seen, child.not_found) == (True, 0)


def test_order_sent_twice_is_at_the_price_that_arrived_first() -> None:
    for resent, proven, asked, price in (
        (True, False, True, "9.90"),
        (False, False, True, "10.00"),
        (True, True, True, "10.00"),
        (True, False, False, "10.00"),
    ):
        child = ChildOrder(ORDER, resent=resent, proven=proven)
        child.take(report(limit_price=Decimal("9.90"), asked=asked))
        assert child.order.limit_price == Decimal(price), (resent, proven, asked)

"""What the broker's words and numbers mean: which end an order, and what is no number at all."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from quotebus.bus.events import OrderUpdate
from quotebus.execution_adapter.orders.order import (
    FINAL,
    Report,
    Status,
    parse_decimal,
    read_json,
    read_status,
    read_update,
)
from tests.support.samples import ORDER

ENTITY = {"client_order_id": "qb-1", "status": "partially_filled", "id": "b-1", "filled_qty": "2.5",
          "filled_avg_price": "10.01", "limit_price": "10.02"}  # fmt: skip


def update(event: str, status: str) -> OrderUpdate:
    return msgspec.structs.replace(ORDER, event=event, status=status)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("filled", Status.FILLED), ("fill", Status.FILLED), ("FILLED", Status.FILLED), ("canceled", Status.CANCELED),
        ("cancelled", Status.CANCELED), ("expired", Status.EXPIRED), ("rejected", Status.REJECTED),
        ("replaced", Status.REPLACED), ("partial_fill", Status.OPEN), ("partially_filled", Status.OPEN),
        ("done_for_day", Status.OPEN), ("pending_cancel", Status.OPEN), ("calculated", Status.OPEN),
        ("suspended", Status.OPEN), ("order_cancel_rejected", Status.OPEN), ("a word of tomorrow", Status.OPEN),
    ],
)  # fmt: skip
def test_only_words_known_to_be_final_end_an_order(word: str, status: Status) -> None:
    assert read_status(word) is status
    assert (status in FINAL) is (status not in (Status.OPEN, Status.REPLACED))


@pytest.mark.parametrize(
    ("text", "value"),
    [("2.5", "2.5"), ("0", "0"), (3, "3"), (None, None), (True, None), ("", None), ("-1", None), ("NaN", None),
     ("Infinity", None), ("many", None), ([], None)],
)  # fmt: skip
def test_quantity_is_a_number_from_nothing_up_or_not_said(text: object, value: str | None) -> None:
    assert parse_decimal(text) == (None if value is None else Decimal(value))


def test_rest_speaks_with_authority_and_the_stream_without() -> None:
    asked = read_json(dict(ENTITY))
    assert asked == Report("qb-1", Status.OPEN, Decimal("2.5"), Decimal("10.01"), "b-1", Decimal("10.02"), True,
                           "partially_filled")  # fmt: skip
    told = read_update(update("fill", "filled"))
    assert (told.status, told.filled, told.average_price) == (Status.FILLED, Decimal("2.5"), Decimal("687.25"))
    assert (told.authoritative, told.order_id, told.word) == (False, "o-1", "fill")
    assert read_update(update("canceled", "")).status is Status.CANCELED, "the event, if no status"
    assert read_update(update("fill", "partially_filled")).status is Status.OPEN


@pytest.mark.parametrize("change", [{"client_order_id": None}, {"status": 5}, {"client_order_id": 7}])
def test_what_is_no_order_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="not an order"):
        read_json({**ENTITY, **change})
    assert read_json({**ENTITY, "filled_qty": "-1"}).filled is None, "not said is not 0"

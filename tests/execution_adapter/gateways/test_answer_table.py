"""The table of answers: each row by its own example, and answers that no row was written for."""

from __future__ import annotations

import pytest

from quotebus.execution_adapter.gateways.answer_table import ROWS, AnswerMeaning, AnswerRow, find_row
from quotebus.execution_adapter.gateways.base import read_error
from quotebus.execution_adapter.orders.order import Answer, Exists, Refused, Request, Unknown, Until


def read(request: Request, status: int, message: str = "", **fields: object) -> Answer:
    return read_error("a", request, status, {"message": message, **fields} if message else None)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.request}-{row.example[0]}-{row.meaning}-{row.text[:20]}")
def test_each_row_is_found_by_its_example_and_read_as_it_says(row: AnswerRow) -> None:
    status, body = row.example
    assert find_row(row.request, status, body) is row
    answer = read_error("a", row.request, status, body, 5)
    if row.meaning is AnswerMeaning.EXISTS:
        assert isinstance(answer, Exists)
    elif row.meaning is AnswerMeaning.UNKNOWN:
        assert isinstance(answer, Unknown)
    else:
        assert isinstance(answer, Refused)
        assert (answer.final, answer.until) == (row.meaning is AnswerMeaning.NEVER, row.until)
        assert answer.wait_ns == 5
        assert answer.order_id == ("a" if row.until in (Until.ORDER, Until.SHARES) else "")
    assert row.source


@pytest.mark.parametrize("asked", list(Request))
@pytest.mark.parametrize("message", ["", "something nobody has seen"])
def test_every_status_means_something_and_only_a_4xx_can_have_had_no_effect(asked: Request, message: str) -> None:
    for status in range(100, 1100):
        answer = read(asked, status, message)
        if not 400 <= status < 500:
            assert isinstance(answer, Unknown), "an order may be there"
        elif not message and isinstance(answer, Refused) and asked is Request.PLACE:
            assert not answer.final or status == 401, "nothing ends for good by a proxy's page"


@pytest.mark.parametrize("status", [400, 403, 409, 422])
@pytest.mark.parametrize(
    "message",
    ["client_order_id must be unique", "client order id already exists", "duplicate client_order_id: x",
     "Client_Order_ID MUST be unique"],
)  # fmt: skip
def test_an_id_that_is_taken_proves_the_order_whatever_the_status(status: int, message: str) -> None:
    assert isinstance(read(Request.PLACE, status, message), Exists)


@pytest.mark.parametrize(
    ("status", "message", "fields", "final", "until"),
    [
        (429, "too many requests.", {}, False, Until.TIME),
        (403, "rate limit exceeded", {}, False, Until.TIME),
        (403, "insufficient qty available for order (requested: 1, available: 0)", {}, True, Until.TRIES),
        (403, "insufficient qty available", {"held_for_orders": "nan"}, True, Until.TRIES),
        (403, "insufficient qty available", {"held_for_orders": "0.5"}, False, Until.SHARES),
        (403, "forbidden.", {}, False, Until.TRIES),
        (422, 'asset "SPY" is not tradable', {}, True, Until.TRIES),
        (422, 'asset "SPY" cannot be sold short', {}, True, Until.TRIES),
        (422, "potential wash trade detected", {"existing_order_id": "b"}, False, Until.ORDER),
        (418, "teapot", {}, False, Until.TRIES),
    ],
)
def test_text_decides_within_a_status(
    status: int, message: str, fields: dict[str, object], final: bool, until: Until
) -> None:
    answer = read(Request.PLACE, status, message, **fields)
    assert isinstance(answer, Refused)
    assert (answer.final, answer.until) == (final, until)


@pytest.mark.parametrize("body", [None, [], "x", 3, {"message": None}, {"message": ["a"]}, {"message": {"a": 1}},
                                  {"existing_order_id": ["a"]}, {"related_orders": [None]}])  # fmt: skip
def test_no_body_stops_it(body: object) -> None:
    for status in (400, 401, 403, 404, 422, 429, 500):
        for request in (Request.PLACE, Request.CANCEL):
            answer = read_error("a", request, status, body)
            assert isinstance(answer, Refused | Unknown)
            assert answer.client_order_id == "a"

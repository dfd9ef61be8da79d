"""Requests off the deciding thread: every one is answered, by its deadline at the latest."""

from __future__ import annotations

import threading
from decimal import Decimal

from quotebus.execution_adapter.gateways.dispatch import Dispatch
from quotebus.execution_adapter.orders.order import (
    Answer,
    NotFound,
    Order,
    QueryOrder,
    Refused,
    Request,
    SubmitOrder,
    Unknown,
)
from tests.support.programs import eventually


class Slow:
    """A gateway that answers when it is let."""

    def __init__(self) -> None:
        self.may = threading.Event()

    def submit_order(self, order: Order) -> Answer:
        return Refused(order.client_order_id, Request.PLACE, "no")

    def cancel_order(self, client_order_id: str, order_id: str) -> Answer:
        return NotFound(client_order_id)

    def query_order(self, client_order_id: str, order_id: str = "") -> Answer:
        self.may.wait(10)
        return NotFound(client_order_id)


def test_slow_request_holds_up_nothing_and_is_unknown_by_its_deadline_but_still_counts() -> None:
    gateway = Slow()
    dispatch = Dispatch(gateway, threads=2, deadline_ns=100_000_000)
    dispatch.send(QueryOrder("slow"))
    dispatch.send(SubmitOrder(Order("fast", "SPY", "buy", Decimal(1), None)))
    answers: list[Answer] = []
    eventually(lambda: answers.extend(dispatch.answers()) or len(answers) == 2)
    assert answers == [Refused("fast", Request.PLACE, "no"), Unknown("slow", "no answer in time")]
    assert dispatch.under_way == 0
    gateway.may.set()
    eventually(lambda: answers.extend(dispatch.answers()) or len(answers) == 3)
    assert answers[-1] == NotFound("slow")

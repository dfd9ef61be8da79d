"""Requests off the deciding thread: every one is answered, by its deadline at the latest."""

from __future__ import annotations

import threading
from decimal import Decimal

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.process.order_budget import RequestClass
from quotebus.execution_adapter.gateways.dispatch import Dispatch
from quotebus.execution_adapter.orders.order import (
    Answer,
    CancelOrder,
    NotFound,
    Order,
    QueryOrder,
    Refused,
    Request,
    SubmitOrder,
    Unknown,
    Until,
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


class Purse:
    """A budget that a test fills."""

    def __init__(self, left: int) -> None:
        self.coins = left
        self.asked: list[RequestClass] = []

    def take(self, wanted: RequestClass) -> int:
        self.asked.append(wanted)
        if self.coins <= 0:
            return NS_PER_S // 100
        self.coins -= 1
        return 0

    def left(self) -> int:
        return self.coins


def order(name: str) -> SubmitOrder:
    return SubmitOrder(Order(name, "SPY", "buy", Decimal(1), None))


def received(dispatch: Dispatch, count: int) -> list[Answer]:
    answers: list[Answer] = []
    eventually(lambda: answers.extend(dispatch.answers()) or len(answers) >= count)
    return answers


def test_what_the_budget_does_not_let_go_waits_and_cancels_go_first() -> None:
    gateway, purse = Slow(), Purse(1)
    gateway.may.set()
    dispatch = Dispatch(gateway, threads=1, budget=purse)
    for command in (QueryOrder("a"), QueryOrder("b"), CancelOrder("c", "1")):
        dispatch.send(command)
    assert received(dispatch, 1) == [NotFound("a")]
    assert (dispatch.room(), dispatch.cancels_waiting, dispatch.under_way, dispatch.held) == (0, 1, 2, 2)
    purse.coins = 1
    assert received(dispatch, 1) == [NotFound("c")]
    purse.coins = 5
    assert received(dispatch, 1) == [NotFound("b")]
    assert (dispatch.room(), dispatch.sent, dispatch.under_way) == (4, 3, 0)


def test_a_question_that_waits_already_is_not_doubled() -> None:
    gateway, purse = Slow(), Purse(0)
    gateway.may.set()
    dispatch = Dispatch(gateway, threads=1, budget=purse)
    for _ in range(50):
        dispatch.send(QueryOrder("a"))
        dispatch.send(QueryOrder("a", "b"))
    assert dispatch.under_way == 2
    purse.coins = 9
    assert received(dispatch, 2) == [NotFound("a"), NotFound("a")]
    assert dispatch.answers() == []
    dispatch.send(QueryOrder("a"))
    assert received(dispatch, 1) == [NotFound("a")], "asked again once it is answered"


def test_an_order_that_waits_too_long_is_never_sent_and_says_so() -> None:
    purse = Purse(0)
    dispatch = Dispatch(Slow(), threads=1, budget=purse)
    dispatch.send(order("a"))
    [answer] = received(dispatch, 1)
    assert isinstance(answer, Refused)
    assert (answer.final, answer.until, answer.request) == (False, Until.TIME, Request.PLACE)
    purse.coins = 9
    assert dispatch.answers() == []
    assert (dispatch.under_way, dispatch.sent, purse.coins) == (0, 0, 9)

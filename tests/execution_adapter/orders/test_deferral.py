"""When an order refused for now may be placed again: named times, growing pauses, the order that is in the way."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.orders.deferral import LONGEST_NS, Deferral, compute_pause_ns
from quotebus.execution_adapter.orders.order import (
    NotFound,
    QueryOrder,
    Refused,
    Report,
    Request,
    Status,
    Unknown,
    Until,
)

T0 = 100 * NS_PER_S


def refused(until: Until, wait_ns: int | None = None, order_id: str = "") -> Refused:
    return Refused("a-1", Request.PLACE, "why", until=until, wait_ns=wait_ns, order_id=order_id)


def test_pauses_double_to_a_minute_and_differ_by_name() -> None:
    pauses = [compute_pause_ns("a", number) for number in range(40)]
    assert all(NS_PER_S << min(n, 5) >> 1 <= pause <= NS_PER_S << n for n, pause in enumerate(pauses[:6]))
    assert all(LONGEST_NS // 2 <= pause <= LONGEST_NS for pause in pauses[6:])
    assert len({compute_pause_ns(str(name), 3) for name in range(100)}) == 100


def test_a_named_time_counts_and_is_bounded() -> None:
    deferral = Deferral("a", T0)
    deferral.take(refused(Until.TIME, 7 * NS_PER_S), NS_PER_S, T0)
    assert deferral.waits(T0 + 7 * NS_PER_S - 1)
    assert not deferral.waits(T0 + 7 * NS_PER_S)
    deferral.take(refused(Until.TIME, 86_400 * NS_PER_S), NS_PER_S, T0)
    assert not deferral.waits(T0 + LONGEST_NS)
    deferral.take(refused(Until.TIME, 0), NS_PER_S, T0)
    assert not deferral.waits(T0)


def test_without_one_the_pause_grows_until_an_order_is_taken() -> None:
    deferral = Deferral("a", T0)
    for number in range(4):
        deferral.take(refused(Until.TIME), NS_PER_S, T0)
        assert deferral.waits(T0 + compute_pause_ns("a", number) - 1)
        assert not deferral.waits(T0 + compute_pause_ns("a", number))
    deferral.end()
    deferral.take(refused(Until.TIME), NS_PER_S, T0)
    assert not deferral.waits(T0 + NS_PER_S)


@pytest.mark.parametrize("until", [Until.ORDER, Until.SHARES])
@pytest.mark.parametrize("status", [Status.FILLED, Status.CANCELED, Status.REPLACED])
def test_the_order_in_the_way_is_asked_about_until_it_is_over(until: Until, status: Status) -> None:
    deferral = Deferral("a", T0)
    deferral.take(refused(until, order_id="x"), NS_PER_S, T0)
    assert deferral.ask(T0) == []
    [question] = deferral.ask(T0 + NS_PER_S)
    assert question == QueryOrder("a-in-the-way", "x")
    assert deferral.ask(T0 + NS_PER_S + NS_PER_S // 4) == []
    assert len(deferral.ask(T0 + 3 * NS_PER_S)) == 1
    assert deferral.on_answer(Report(question.client_order_id, Status.OPEN, order_id="x"), T0)
    assert deferral.on_answer(Unknown(question.client_order_id, "timeout"), T0)
    assert deferral.waits(T0 + 110 * NS_PER_S)
    assert deferral.on_answer(Report(question.client_order_id, status, order_id="x"), T0)
    assert not deferral.waits(T0)


def test_its_end_in_the_order_stream_counts_too_and_stays_news_for_whom_it_concerns() -> None:
    deferral = Deferral("a", T0)
    deferral.take(refused(Until.ORDER, order_id="x"), NS_PER_S, T0)
    assert not deferral.on_answer(Report("b-1", Status.CANCELED, order_id="y"), T0)
    assert deferral.waits(T0 + NS_PER_S)
    assert not deferral.on_answer(Report("b-1", Status.CANCELED, order_id="x"), T0)
    assert not deferral.waits(T0)


def test_an_order_in_the_way_that_nobody_finds_is_tried_past() -> None:
    deferral = Deferral("a", T0)
    deferral.take(refused(Until.ORDER, order_id="x"), NS_PER_S, T0)
    assert deferral.on_answer(NotFound("a-in-the-way"), T0)
    assert deferral.waits(T0 + NS_PER_S // 2), "not at once: each try is a request"
    assert not deferral.waits(T0 + 2 * NS_PER_S)
    assert not deferral.on_answer(NotFound("a-1"), T0)


def test_shares_held_by_nobody_named_are_waited_for_by_time() -> None:
    deferral = Deferral("a", T0)
    deferral.take(refused(Until.SHARES), NS_PER_S, T0)
    assert deferral.waits(T0)
    assert deferral.ask(T0 + NS_PER_S) == []
    assert not deferral.waits(T0 + NS_PER_S)


def test_a_few_tries_are_at_the_pace_of_the_tactics() -> None:
    deferral = Deferral("a", T0)
    deferral.take(refused(Until.TRIES), 3 * NS_PER_S, T0)
    assert deferral.waits(T0 + 3 * NS_PER_S - 1)
    assert not deferral.waits(T0 + 3 * NS_PER_S)


def test_an_order_in_the_way_of_which_nothing_is_heard_any_more_is_tried_past() -> None:
    deferral = Deferral("a", T0)
    deferral.take(refused(Until.ORDER, order_id="x"), NS_PER_S, T0)
    still_open = Report("a-in-the-way", Status.OPEN, order_id="x", authoritative=True)
    for seconds in range(0, 600, 60):
        at_ns = T0 + seconds * NS_PER_S
        deferral.on_answer(still_open, at_ns)
        assert deferral.waits(at_ns + 100 * NS_PER_S)
    for seconds in range(540, 720, 10):
        deferral.on_answer(Unknown("a-in-the-way", "timeout"), T0 + seconds * NS_PER_S)
    assert not deferral.waits(T0 + 720 * NS_PER_S)

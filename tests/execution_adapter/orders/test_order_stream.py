"""The order stream as a consumer sees it: proven or not, and where updates may be missing."""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import OrderUpdate
from quotebus.execution_adapter.orders.order_stream import OrderStream
from tests.support.samples import HEALTH, like

UP = like(HEALTH, node="pricing.orders")
UPDATE = OrderUpdate(
    source=UP.source, seq=1, published_ns=1, alias="paper", event="new", order_id="o", client_order_id="c",
    symbol="SPY", side="buy", qty="1", filled_qty="0", price=None, exchange_ns=1, received_ns=1,
)  # fmt: skip


def test_is_proven_by_its_own_health_only_and_while_it_is_heard() -> None:
    stream = OrderStream()
    stream.on_event(HEALTH, 0)
    assert not stream.is_proven(0), "the health of the prices says nothing"
    stream.on_event(UP, 0)
    assert stream.is_proven(3 * NS_PER_S)
    assert not stream.is_proven(3 * NS_PER_S + 1)
    stream.on_event(like(UP, seq=2, state="suspect"), NS_PER_S)
    assert not stream.is_proven(NS_PER_S)


def test_every_way_to_miss_an_update_is_a_gap() -> None:
    gaps = {
        "a number is missing": [like(UPDATE, seq=3)],
        "another source": [like(UPDATE, source="pricing-00ffee", seq=1)],
        "another connection": [like(UP, seq=2, connection=2)],
        "down and up": [like(UP, seq=2, state="backing_off"), like(UP, seq=3)],
        "the node says so": [like(UP, seq=2, gap_start_ns=1, gap_end_ns=2)],
        "a new node": [like(UP, source="pricing-00ffee")],
    }
    for what, events in gaps.items():
        stream = OrderStream()
        assert not stream.on_event(UP, 0)
        assert not stream.on_event(UPDATE, 0)
        assert [stream.on_event(event, 1) for event in events][-1], what
    stream = OrderStream()
    stream.on_event(UP, 0)
    assert stream.on_event(like(UP, seq=9), 4 * NS_PER_S), "not heard for a while"


def test_what_comes_in_order_is_no_gap() -> None:
    stream = OrderStream()
    assert not any(
        stream.on_event(event, 0) for event in (UP, UPDATE, like(UPDATE, seq=2), like(UPDATE, seq=2), like(UP, seq=2))
    )

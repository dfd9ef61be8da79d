"""The protocol of one order-update connection: every answer as the broker gives it."""

from __future__ import annotations

from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus.edge.edge_session import Entry
from quotebus.bus.edge.line_loss import LineLoss
from quotebus.bus.edge.order_format import ORDER_JSON, ORDER_MSGPACK, choose_order_format, order_message
from quotebus.bus.edge.order_session import OrderStreamSession
from tests.support.samples import HEALTH, ORDER, QUICK, like

AUTHENTICATE = {"action": "authenticate", "data": {"key_id": "k", "secret_key": "s"}}
LISTEN = {"action": "listen", "data": {"streams": ["trade_updates"]}}


def session(key: str = "", *, is_full: bool = False) -> OrderStreamSession:
    return OrderStreamSession(Entry(key, key and "s"), is_full)


def answered(of: OrderStreamSession, message: object) -> tuple[list[Any], bool]:
    answer = of.receive(message)
    return [each.get("data") for each in answer.messages], answer.ends


def test_keys_in_every_form_the_sdks_send_them() -> None:
    authorized = {"status": "authorized", "action": "authenticate"}
    assert answered(session("k"), AUTHENTICATE) == ([authorized], False)
    short = {"action": "auth", "key": "k", "secret": "s"}
    assert answered(session("k"), short) == ([{"status": "authorized", "action": "auth"}], False)
    assert session("k").open("k", "s").messages[0]["data"] == authorized
    assert session("k").open(None, None).messages == [], "this stream greets nobody"
    refused = {"status": "unauthorized", "action": "authenticate"}
    for wrong in ({"key_id": "k", "secret_key": "x"}, {"key_id": "k"}, None, {"oauth_token": "k"}):
        assert answered(session("k"), {"action": "authenticate", "data": wrong}) == ([refused], False)
    assert answered(session(is_full=True), AUTHENTICATE) == ([{"error_message": "connection limit exceeded"}], True)
    assert answered(session("k"), LISTEN) == ([{"status": "unauthorized", "action": "listen"}], False)
    assert session().expire().ends


def test_listening_is_said_when_updates_are_known_to_arrive() -> None:
    of = session()
    answered(of, AUTHENTICATE)
    assert not of.expire().ends
    assert answered(of, LISTEN) == ([], False)
    assert (of.is_waiting, of.wants_updates) == (True, True)
    assert of.acknowledge().messages == [{"stream": "listening", "data": {"streams": ["trade_updates"]}}]
    assert of.acknowledge().messages == []
    nothing = {"action": "listen", "data": {"streams": ["account_updates"]}}
    assert answered(of, nothing) == ([{"streams": []}], False), "the list replaces the former one"
    assert not of.wants_updates


@pytest.mark.parametrize(
    "message", [None, [], 7, {}, {"action": "unlisten"}, {"action": ["listen"]}, {"action": "listen", "data": None}]
)
def test_an_error_ends_it_as_at_the_broker(message: object) -> None:
    of = session()
    answered(of, AUTHENTICATE)
    said, ends = answered(of, message)
    assert ends
    assert "error_message" in said[0]


@QUICK
@given(st.recursive(st.none() | st.text(max_size=5) | st.integers(), lambda x: st.lists(x) | st.dictionaries(
    st.sampled_from(["action", "data", "streams", "key_id", "listen"]), x), max_leaves=8))  # fmt: skip
def test_whatever_is_sent_is_answered(message: object) -> None:
    of = session()
    answered(of, AUTHENTICATE)
    answer = of.receive(message)
    assert answer.messages or of.is_waiting


def test_an_update_is_what_the_broker_sent() -> None:
    sent = {"event": "fill", "order": {"id": "o-1", "legs": None, "hwm": "1.5"}, "new_field": [1]}
    update = like(ORDER, original=msgspec.json.encode(sent).decode())
    assert order_message(update) == {"stream": "trade_updates", "data": sent}
    packed = ORDER_MSGPACK.frame([ORDER_MSGPACK.message(order_message(update))])
    assert msgpack.unpackb(packed)["data"] == sent
    assert choose_order_format("application/msgpack") is ORDER_MSGPACK
    assert choose_order_format("") is ORDER_JSON


def test_of_an_update_without_it_what_is_known_is_told_and_nothing_is_made_up() -> None:
    data: Any = order_message(like(ORDER, original=""))["data"]
    assert (data["event"], data["price"], data["qty"], data["position_qty"]) == (
        "partial_fill", "687.26", "1.5", "102.5",
    )  # fmt: skip
    assert set(data["order"]) == {
        "id", "client_order_id", "symbol", "side", "status", "qty", "filled_qty", "filled_avg_price", "replaced_by",
    }  # fmt: skip
    bare = like(ORDER, original="", price=None, execution_id="", execution_qty=None, position_qty=None)
    assert set(order_message(bare)["data"]) == {"event", "timestamp", "order"}  # type: ignore[call-overload]


def test_a_line_is_lost_once_and_only_when_it_had_streamed() -> None:
    line = LineLoss()
    first, second = like(HEALTH, connection=1), like(HEALTH, connection=2)
    asked = [(None, False), (first, False), (first, True), (first, True), (first, False), (first, False),
             (second, True), (like(second, source="pricing-other1"), True), (second, True)]  # fmt: skip
    assert [line.observe(health, streams=streams) for health, streams in asked] == [
        False, False, False, False, True, False, False, True, True,
    ]  # fmt: skip

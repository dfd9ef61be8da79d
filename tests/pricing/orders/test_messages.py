"""Messages of the order stream: both encodings, both kinds of frame, every event, and nonsense."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus.events import OrderUpdate
from quotebus.pricing.orders.messages import (
    Authorization,
    Ignored,
    Listening,
    Refusal,
    UnreadableOrder,
    read_frame,
    read_order,
)
from quotebus.pricing.simulator.trading.order import TRANSITIONS
from tests.support.samples import QUICK

AT = "2026-11-24T15:00:00.123456789Z"
AT_NS = 1_795_532_400_123_456_789


def order(**changes: Any) -> dict[str, Any]:
    return {
        "id": "o-1", "client_order_id": "c-1", "symbol": "SPY", "side": "buy", "qty": "10", "filled_qty": "2.5",
        "filled_avg_price": "687.26", "status": "partially_filled", "updated_at": AT, "replaced_by": None, **changes,
    }  # fmt: skip


def trade_update(**changes: Any) -> dict[str, Any]:
    data = {
        "event": "partial_fill", "execution_id": "e-1", "timestamp": AT, "price": "687.26", "qty": "2.5",
        "position_qty": "-2.5", "order": order(), **changes,
    }  # fmt: skip
    return {"stream": "trade_updates", "data": data}


@pytest.mark.parametrize("encode", [lambda m: json.dumps(m).encode(), msgpack.packb], ids=["json", "msgpack"])
def test_both_encodings(encode: Any) -> None:
    update = read_frame(encode(trade_update()), "paper", 7)
    assert update.exchange_ns == AT_NS  # type: ignore[union-attr]
    known = vars_of(update)
    assert json.loads(known.pop("original")) == trade_update()["data"], "as it was sent"
    assert known == {
        "alias": "paper", "event": "partial_fill", "order_id": "o-1", "client_order_id": "c-1", "symbol": "SPY",
        "side": "buy", "qty": "10", "filled_qty": "2.5", "price": "687.26", "exchange_ns": AT_NS, "received_ns": 7,
        "status": "partially_filled", "execution_id": "e-1", "execution_qty": "2.5", "position_qty": "-2.5",
        "filled_avg_price": "687.26", "replaced_by": "",
    }  # fmt: skip
    assert read_frame(encode({"stream": "authorization", "data": {"status": "authorized"}}), "a", 0) == Authorization(
        True
    )
    assert read_frame(encode({"stream": "authorization", "data": {"status": "unauthorized"}}), "a", 0) == Authorization(
        False
    )
    assert read_frame(encode({"stream": "listening", "data": {"streams": ["trade_updates"]}}), "a", 0) == Listening(
        ("trade_updates",)
    )
    assert read_frame(encode({"action": "error", "data": {"error_message": "no"}}), "a", 0) == Refusal()
    assert read_frame(encode({"stream": "trade_updates", "data": None}), "a", 0) == Ignored()
    assert read_frame(encode({"stream": "account_updates", "data": {}}), "a", 0) == Ignored()


def test_what_was_sent_is_passed_on_without_the_account() -> None:
    told = order(account_id="A-1", legs=[order(accountNumber="A-2", side="sell")], new_field={"of": 2027})
    update = read_frame(json.dumps(trade_update(order=told, acct="A-3", reason="said")).encode(), "paper", 0)
    assert isinstance(update, OrderUpdate)
    original = json.loads(update.original)
    assert (original["reason"], original["order"]["new_field"]) == ("said", {"of": 2027}), "also what nobody knows yet"
    assert original["order"]["legs"] == [order(side="sell")]
    assert "A-" not in update.original
    assert json.loads(read_order(order(account_id="A-1"), "paper", 0).original) == {"order": order()}
    long = read_frame(json.dumps(trade_update(reason="x" * 33_000)).encode(), "paper", 0)
    assert isinstance(long, OrderUpdate)
    assert (long.original, long.event) == ("", "partial_fill"), "an update nevertheless"
    odd = read_frame(msgpack.packb(trade_update(reason={(1, 2): b"x"})), "paper", 0)
    assert isinstance(odd, OrderUpdate)
    assert odd.original == ""


def vars_of(event: Any) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__[4:]}


@pytest.mark.parametrize("event", [*TRANSITIONS, "an event that comes next year"])
def test_every_event_is_passed_on_in_the_upstreams_word(event: str) -> None:
    update = read_frame(json.dumps(trade_update(event=event, price=None, qty=None)).encode(), "paper", 0)
    assert update.event == event  # type: ignore[union-attr]
    assert update.price is None  # type: ignore[union-attr]


def test_numbers_and_times_of_older_messages() -> None:
    old = trade_update(price=687.26, qty=2, timestamp="2026-11-24T10:00:00.123456789-05:00")
    update = read_frame(json.dumps(old).encode(), "paper", 0)
    assert (update.price, update.execution_qty, update.exchange_ns) == ("687.26", "2", AT_NS)  # type: ignore[union-attr]
    assert read_order(order(replaced_by="o-2"), "paper", 0).replaced_by == "o-2"


@pytest.mark.parametrize(
    "payload",
    [
        b"", b"{", b"[]", b"7", b"\xc1", b"\xff\xfe", b'{"stream":"trade_updates","data":[]}',
        b'{"stream":"trade_updates","data":{}}',
        *[
            json.dumps(trade_update(**changes)).encode()
            for changes in (
                {"order": None}, {"event": None}, {"event": 5}, {"event": "x" * 200}, {"price": "much"},
                {"price": True}, {"price": "NaN"}, {"qty": "1e999999999999999999999"}, {"timestamp": "yesterday"},
                {"timestamp": 5}, {"order": order(id=None)}, {"order": order(client_order_id=[])},
                {"order": order(filled_qty={})}, {"order": order(status="")},
            )
        ],
        b"{" + b'"a":[' * 100_000,
        b'{"stream":"trade_updates","data":{"event":"\xff\xc3\x28"}}', b'{"\xff":1}', b"\x81\xa2\xff\xc3\x28",
        b"\x81\xa6stream\xa2\xc3\x28", b"\x91" * 5_000,
    ],
    ids=range(28),
)  # fmt: skip
def test_nonsense_is_one_error(payload: bytes) -> None:
    with pytest.raises(UnreadableOrder):
        read_frame(payload, "paper", 0)


def spoilt() -> st.SearchStrategy[bytes]:
    whole = [json.dumps(trade_update()).encode(), msgpack.packb(trade_update())]

    def spoil(frame: bytes, edits: list[tuple[int, int]]) -> bytes:
        changed = bytearray(frame)
        for at, byte in edits:
            changed[at % len(changed)] = byte
        return bytes(changed)

    edits = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 255)), min_size=1, max_size=6)
    return st.builds(spoil, st.sampled_from(whole), edits)


@QUICK
@given(st.one_of(st.binary(max_size=80), spoilt()))
def test_no_bytes_raise_anything_but_an_unreadable_order(payload: bytes) -> None:
    try:
        read = read_frame(payload, "paper", 0)
    except UnreadableOrder:
        return
    assert isinstance(read, (Authorization, Listening, Refusal, Ignored, OrderUpdate))

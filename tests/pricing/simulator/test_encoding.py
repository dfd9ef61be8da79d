"""Bytes as Alpaca documents them, read back with independent codecs."""

from __future__ import annotations

import json

import msgpack
import pytest

from quotebus.pricing.simulator.encoding import (
    JSON,
    MSGPACK,
    Encoding,
    UndecodableRequest,
    choose_encoding,
    decode,
    rfc3339,
)
from quotebus.pricing.simulator.market import SymbolMarket
from quotebus.pricing.simulator.records import Quote, Trade, TradingStatus

T_NS = 1_700_000_000_123_456_789
QUOTE = Quote("BRK.B", "V", 460.01, 100, "K", 460.03, 3000, "A", T_NS)


def test_a_quote_in_json() -> None:
    assert JSON.payload([JSON.quote(QUOTE)]) == (
        b'[{"T":"q","S":"BRK.B","bx":"V","bp":460.01,"bs":100,"ax":"K","ap":460.03,"as":3000,"c":["R"],'
        b'"t":"2023-11-14T22:13:20.123456789Z","z":"A"}]'
    )


def test_a_quote_in_msgpack_has_the_timestamp_extension() -> None:
    data = MSGPACK.payload([MSGPACK.quote(QUOTE)])
    (message,) = msgpack.unpackb(data)
    assert message.pop("t") == msgpack.Timestamp(1_700_000_000, 123_456_789)
    assert list(message) == ["T", "S", "bx", "bp", "bs", "ax", "ap", "as", "c", "z"]
    assert message["bp"] == 460.01
    assert b"\xd7\xff" in data


@pytest.mark.parametrize("encoding", [JSON, MSGPACK])
def test_the_short_way_says_the_same_as_the_general_one(encoding: Encoding) -> None:
    market = SymbolMarket(1, "QQQ")
    for n in range(200):
        quote = market.next_quote(T_NS + n * 7_777_777_777)
        assert read(encoding, encoding.quote(quote)) == read(encoding, encoding.record(quote))


@pytest.mark.parametrize("encoding", [JSON, MSGPACK])
def test_values_are_verbatim_whatever_they_are(encoding: Encoding) -> None:
    quote = QUOTE._replace(bid_price=float("nan"), ask_price=-1, bid_size=0, ask_size=1e308, t_ns=0)
    message = read(encoding, encoding.record(quote))
    assert message["bp"] != message["bp"]
    assert (message["ap"], message["bs"], message["as"]) == (-1, 0, 1e308)


@pytest.mark.parametrize("encoding", [JSON, MSGPACK])
def test_trades_and_statuses(encoding: Encoding) -> None:
    trade = read(encoding, encoding.record(Trade("A", 7, "V", 1.5, 10, "C", T_NS)))
    assert {**trade, "t": 0} == {"T": "t", "S": "A", "i": 7, "x": "V", "p": 1.5, "s": 10, "c": ["@"], "t": 0, "z": "C"}
    status = read(encoding, encoding.record(TradingStatus("A", "H", "Halted", "T12", "More", "C", T_NS)))
    assert list(status) == ["T", "S", "sc", "sm", "rc", "rm", "t", "z"]


@pytest.mark.parametrize("encoding", [JSON, MSGPACK])
def test_several_in_a_frame_and_control_messages(encoding: Encoding) -> None:
    data = encoding.payload([encoding.quote(QUOTE)] * 300)
    assert len(json.loads(data) if encoding is JSON else msgpack.unpackb(data)) == 300
    data = encoding.message({"T": "success", "msg": "connected"})
    assert (json.loads(data) if encoding is JSON else msgpack.unpackb(data)) == [{"T": "success", "msg": "connected"}]


def read(encoding: Encoding, data: bytes) -> dict[str, object]:
    message: dict[str, object] = json.loads(data) if encoding is JSON else msgpack.unpackb(data)
    return message


def test_requests_in_either_encoding() -> None:
    request = {"action": "subscribe", "quotes": ["A"]}
    assert decode(json.dumps(request).encode()) == request
    assert decode(b"  " + json.dumps(request).encode()) == request
    assert decode(msgpack.packb(request)) == request


@pytest.mark.parametrize("data", [b"", b"{", b"\xc1", b"\xff\xfe{}", b"[" * 100_000, b"\x91" * 5_000, b"hello", b"{}x"])
def test_garbage(data: bytes) -> None:
    with pytest.raises(UndecodableRequest):
        decode(data)


def test_the_encoding_follows_the_content_type() -> None:
    assert choose_encoding("application/msgpack; x=y") is MSGPACK
    assert choose_encoding("Application/MsgPack") is MSGPACK
    assert choose_encoding("application/json") is JSON
    assert choose_encoding("") is JSON


def test_rfc3339() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000000000Z"
    assert rfc3339(1_999_999_999) == "1970-01-01T00:00:01.999999999Z"

"""Records as the venue writes them, in both encodings."""

from __future__ import annotations

import json
from typing import Any

import msgpack
import pytest

from quotebus.bus.edge.formats import JSON, MSGPACK, TickFormat, choose_format, decode_request
from tests.support.samples import QUOTE, TRADE, like

QUOTE_FIELDS = {"T": "q", "S": "SPY", "bx": "V", "bp": 687.25, "bs": 3, "ax": "V", "ap": 687.27, "as": 2, "c": ["R"],
                "z": "B"}  # fmt: skip


def read(form: TickFormat, frame: bytes) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(frame) if form.is_text else msgpack.unpackb(frame)
    for record in records:
        if isinstance(record.get("t"), msgpack.Timestamp):
            record["t"] = record["t"].to_unix_nano()
    return records


@pytest.mark.parametrize("form", [JSON, MSGPACK])
def test_a_frame_of_quotes_and_trades(form: TickFormat) -> None:
    quote, trade = read(form, form.frame([form.quote(QUOTE), form.trade(TRADE)]))
    at = quote.pop("t")
    assert quote == QUOTE_FIELDS
    assert isinstance(quote["bs"], int)
    assert at == ("2026-01-05T14:29:59.998800000Z" if form.is_text else QUOTE.exchange_ns)
    assert (trade["T"], trade["S"], trade["p"], trade["s"], trade["i"]) == ("t", "SPY", 687.26, 100, TRADE.trade_id)


@pytest.mark.parametrize("form", [JSON, MSGPACK])
def test_an_absent_side_is_a_price_of_zero_as_at_the_venue(form: TickFormat) -> None:
    one_sided = like(QUOTE, bid_price=None, bid_size=None, ask_size=0.5)
    [quote] = read(form, form.frame([form.quote(one_sided)]))
    assert (quote["bp"], quote["bs"], quote["as"]) == (0, 0, 0.5)
    assert read(form, form.frame([])) == []
    assert read(form, form.message({"T": "success"})) == [{"T": "success"}]
    assert len(read(form, form.frame([form.quote(QUOTE)] * 500))) == 500


def test_requests_in_either_encoding_and_in_none() -> None:
    wanted = {"action": "auth", "key": "k"}
    assert decode_request(json.dumps(wanted)) == wanted
    assert decode_request(json.dumps(wanted).encode()) == wanted
    assert decode_request(msgpack.packb(wanted)) == wanted
    deep, surrogate = "[" * 100_000, b"\xed\xa0\x80"
    for nonsense in ("", "x", "{", b"\xc1", b"\xff" * 9, deep, b"\x91" * 100_000, surrogate):
        assert not isinstance(decode_request(nonsense), dict)
    assert choose_format("application/msgpack; x=y") is MSGPACK
    assert choose_format("application/json") is JSON
    assert choose_format("") is JSON

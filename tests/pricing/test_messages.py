"""Reading the upstream: both encodings, times to the nanosecond, and no bytes that raise anything undocumented."""

from __future__ import annotations

import contextlib
import json
import struct
from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.codec import DECODE_ERRORS
from quotebus.pricing.messages import (
    Subscription,
    Success,
    UnreadableFrame,
    UnreadableRecord,
    UpstreamCodec,
    UpstreamError,
    UpstreamQuote,
    UpstreamStatus,
    UpstreamTrade,
    parse_json_time_ns,
    parse_msgpack_time_ns,
)
from tests.support.pricing import EXCHANGE_NS, quote, trade
from tests.support.samples import QUICK

MAX_NS = 2**63 - 1
JSON_TIME = "2023-11-14T22:13:20.000000001Z"
CODECS = {name: UpstreamCodec(name) for name in ("msgpack", "json")}


def encoded(encoding: str, *records: object) -> bytes:
    """What the upstream would send, by codecs that are not ours."""
    if encoding == "msgpack":
        return msgpack.packb(list(records))
    return json.dumps([_plain(record) for record in records]).encode()


def _plain(record: object) -> object:
    return {**record, "t": JSON_TIME} if isinstance(record, dict) and "t" in record else record


both = pytest.mark.parametrize("encoding", CODECS)


@both
def test_every_field_of_every_type(encoding: str) -> None:
    codec = CODECS[encoding]
    q, t, status, success, error, subscription = codec.decode(
        encoded(
            encoding,
            quote(at_ns=EXCHANGE_NS + 1),
            trade(at_ns=EXCHANGE_NS + 1),
            {**quote(), "T": "s", "sc": "H", "sm": "Trading Halt", "rc": "T12", "rm": "why"},
            {"T": "success", "msg": "connected"},
            {"T": "error", "code": 405, "msg": "symbol limit exceeded"},
            {"T": "subscription", "trades": ["A"], "quotes": ["A", "B"], "statuses": [], "bars": ["C"]},
        )
    )
    assert isinstance(q, UpstreamQuote)
    assert (q.S, q.bx, q.bp, q.bs, q.ax, q.ap, q.as_, q.c, q.z) == (
        "SPY",
        "V",
        100.0,
        2.0,
        "Q",
        100.1,
        3.0,
        ("R",),
        "C",
    )
    assert isinstance(t, UpstreamTrade)
    assert (t.S, t.i, t.x, t.p, t.s, t.c, t.z) == ("SPY", 7, "V", 100.05, 10.0, ("@",), "C")
    assert {codec.time_ns(q.t), codec.time_ns(t.t)} == {EXCHANGE_NS + 1}
    assert isinstance(status, UpstreamStatus)
    assert (status.S, status.sc) == ("SPY", "H")
    assert success == Success("connected")
    assert error == UpstreamError(405, "symbol limit exceeded")
    assert subscription == Subscription(trades=("A",), quotes=("A", "B"))


@both
def test_prices_are_floats_though_the_upstream_sends_integers(encoding: str) -> None:
    [record] = CODECS[encoding].decode(encoded(encoding, quote(bp=100, ap=101, bs=2, **{"as": 3})))
    assert isinstance(record, UpstreamQuote)
    assert [type(value) for value in (record.bp, record.bs, record.ap, record.as_)] == [float] * 4


@both
def test_an_answer_without_channels_is_an_empty_set(encoding: str) -> None:
    assert CODECS[encoding].decode(encoded(encoding, {"T": "subscription"})) == [Subscription()]


@both
def test_our_messages_are_read_by_others(encoding: str) -> None:
    message = {"action": "subscribe", "quotes": ["SPY", "BRK.B"]}
    sent = CODECS[encoding].encode(message)
    assert (msgpack.unpackb(sent) if encoding == "msgpack" else json.loads(sent)) == message
    assert CODECS[encoding].binary is (encoding == "msgpack")


@both
@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (quote("BAD", bp="x"), UnreadableRecord("bad_record", "BAD")),
        (quote("BAD", bp=None), UnreadableRecord("bad_record", "BAD")),
        ({"T": "q", "S": "BAD"}, UnreadableRecord("bad_record", "BAD")),
        (trade("BAD", p=[1]), UnreadableRecord("bad_record")),
        (trade("BAD", s=None), UnreadableRecord("bad_record")),
        (quote("BAD", bs=None), UnreadableRecord("bad_record", "BAD")),
        (quote("BAD", c=None, ap="1.5"), UnreadableRecord("bad_record", "BAD")),
        ({"T": "subscription", "quotes": "SPY"}, UnreadableRecord("bad_record")),
        ({"T": "subscription", "quotes": [None]}, UnreadableRecord("bad_record")),
        ({"T": "error", "code": "x"}, UnreadableRecord("bad_record")),
        ({"T": "b", "S": "SPY", "o": 1}, UnreadableRecord("unknown_type")),
        ({"T": "quote"}, UnreadableRecord("unknown_type")),
        ({}, UnreadableRecord("unknown_type")),
        ({"T": 1}, UnreadableRecord("bad_record")),
        (7, UnreadableRecord("bad_record")),
        (None, UnreadableRecord("bad_record")),
        ([{"T": "q"}], UnreadableRecord("bad_record")),
    ],
    ids=str,
)
def test_one_bad_record_loses_only_itself(encoding: str, bad: Any, told: UnreadableRecord) -> None:
    codec = CODECS[encoding]
    frame = encoded(encoding, quote("A"), bad, quote("B"), trade("C"))
    with pytest.raises(DECODE_ERRORS):
        codec.decode(frame)
    first, unreadable, *rest = codec.salvage(frame)
    assert unreadable == told
    assert [record.S for record in (first, *rest)] == ["A", "B", "C"]


WRONG: tuple[Any, ...] = (None, 7, -1, 1.5, True, "x", [], [None], [[]], {}, ["R", 1], 2**63, 2**64 - 1)


@both
@pytest.mark.parametrize("field", ["c", "z", "bx", "ax"])
@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_a_field_that_the_price_does_not_need_never_decides_over_it(encoding: str, field: str, value: Any) -> None:
    [record] = CODECS[encoding].salvage(encoded(encoding, quote("A", at_ns=EXCHANGE_NS + 1, **{field: value})))
    assert isinstance(record, UpstreamQuote)
    assert (record.S, record.bp, record.bs, record.ap, record.as_) == ("A", 100.0, 2.0, 100.1, 3.0)
    assert CODECS[encoding].time_ns(record.t) == EXCHANGE_NS + 1
    others = {"c": ("R",), "z": "C", "bx": "V", "ax": "Q"}
    assert {name: getattr(record, name) for name in others if name != field} == {
        name: known for name, known in others.items() if name != field
    }
    default: object = () if field == "c" else ""
    assert getattr(record, field) == (value if field != "c" and isinstance(value, str) else default)


@both
@pytest.mark.parametrize("value", [*WRONG, 2**63, "71675577320", -(2**63)], ids=repr)
@pytest.mark.parametrize("field", ["i", "x", "c", "z"])
def test_a_trade_keeps_its_price_whatever_its_id_and_conditions(encoding: str, field: str, value: Any) -> None:
    [record] = CODECS[encoding].salvage(encoded(encoding, trade("A", at_ns=EXCHANGE_NS + 1, **{field: value})))
    assert isinstance(record, UpstreamTrade)
    assert (record.S, record.p, record.s) == ("A", 100.05, 10.0)
    assert CODECS[encoding].time_ns(record.t) == EXCHANGE_NS + 1
    if field == "i":
        in_range = type(value) is int and -(2**63) <= value < 2**63
        assert record.i == (value if in_range else 0)


@both
@pytest.mark.parametrize("field", ["trades", "quotes", "statuses", "lulds", "bars", "dailyBars"])
def test_null_is_an_empty_list_of_subscriptions(encoding: str, field: str) -> None:
    known = {name: ["A"] for name in ("trades", "quotes", "statuses", "lulds")}
    [answer] = CODECS[encoding].salvage(encoded(encoding, {"T": "subscription", **known, field: None}))
    assert isinstance(answer, Subscription)
    assert {name: getattr(answer, name) for name in known} == {name: () if name == field else ("A",) for name in known}


@both
@pytest.mark.parametrize(
    "record",
    [
        {"T": "error", "code": 406, "msg": None},
        {"T": "s", "S": "A", "sc": "H", "sm": None, "rc": None, "rm": 7, "z": None},
        {"T": "l", "S": "A", "u": 2, "d": 1, "i": None, "z": 5},
        {"T": "c", "S": None},
        {"T": "x", "S": 7},
    ],
    ids=str,
)
def test_null_is_empty_in_every_record(encoding: str, record: dict[str, Any]) -> None:
    at = {} if record["T"] in ("error", "c", "x") else {"t": quote()["t"]}
    [read] = CODECS[encoding].salvage(encoded(encoding, {**record, **at}))
    assert not isinstance(read, UnreadableRecord)
    optional = [part.name for part in msgspec.structs.fields(read) if not part.required]
    assert [getattr(read, name) for name in optional] == [""] * len(optional)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999", "01", "+1", "0x10"])
def test_words_that_are_no_json_numbers(word: str) -> None:
    codec = CODECS["json"]
    frame = encoded("json", quote("A")).replace(b"100.0,", word.encode() + b",")
    assert word.encode() in frame
    try:
        [record] = codec.decode(frame)
    except DECODE_ERRORS:
        with pytest.raises(UnreadableFrame):
            codec.salvage(frame[:-1])
    else:  # 1e999: whatever it becomes, it is for the quality check to refuse
        assert isinstance(record, UpstreamQuote)
        assert not record.bp < 1e300


@both
@pytest.mark.parametrize(
    "frame", [b"", b"\xc1", b"{}", b"\x80", b"nonsense", b"[", b"\xdd\xff\xff\xff\xff", b'"a"', b"\x91" * 5000]
)
def test_what_is_no_array_of_records_is_one_unreadable_frame(encoding: str, frame: bytes) -> None:
    with pytest.raises(DECODE_ERRORS):
        CODECS[encoding].decode(frame)
    if frame[:1] != b"\x91":
        with pytest.raises(UnreadableFrame):
            CODECS[encoding].salvage(frame)


def mutated() -> st.SearchStrategy[bytes]:
    whole = [encoded(name, quote(), trade(), {"T": "subscription", "quotes": ["A"]}) for name in CODECS]

    def spoil(frame: bytes, edits: list[tuple[int, int]]) -> bytes:
        spoilt = bytearray(frame)
        for at, byte in edits:
            spoilt[at % len(spoilt)] = byte
        return bytes(spoilt)

    edits = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 255)), min_size=1, max_size=6)
    return st.builds(spoil, st.sampled_from(whole), edits)


@QUICK
@given(st.sampled_from(sorted(CODECS)), st.one_of(st.binary(max_size=80), mutated()))
def test_no_bytes_raise_anything_but_the_documented_errors(encoding: str, frame: bytes) -> None:
    codec = CODECS[encoding]
    try:
        records: list[Any] = list(codec.decode(frame))
    except DECODE_ERRORS:
        try:
            records = list(codec.salvage(frame))
        except UnreadableFrame:
            return
    for record in records:
        if isinstance(record, UpstreamQuote | UpstreamTrade):
            with contextlib.suppress(ValueError):
                assert 0 <= codec.time_ns(record.t) <= MAX_NS
            msgspec.msgpack.encode((record.S, record.c, record.z))  # what goes on can be encoded again


# times


SHORT, MIDDLE, LONG = b"\xd6\xff", b"\xd7\xff", b"\xc7\x0c\xff"


@QUICK
@given(st.integers(0, MAX_NS))
def test_msgpack_times_of_all_three_sizes(at_ns: int) -> None:
    whole, nanos = divmod(at_ns, NS_PER_S)
    assert parse_msgpack_time_ns(Raw(LONG + struct.pack(">Iq", nanos, whole))) == at_ns
    assert parse_msgpack_time_ns(Raw(MIDDLE + struct.pack(">Q", nanos << 34 | whole))) == at_ns
    if whole < 2**32:
        assert parse_msgpack_time_ns(Raw(SHORT + struct.pack(">I", whole))) == whole * NS_PER_S


@pytest.mark.parametrize(
    "raw",
    [
        msgpack.packb(1_700_000_000),
        msgpack.packb(2**63),
        msgpack.packb("2024-01-01T00:00:00Z"),
        msgpack.packb("12345678"),
        msgpack.packb(None),
        msgpack.packb(b"\xff" * 8),
        msgpack.packb(msgpack.ExtType(0, b"\0" * 8)),
        b"\xd7\xfe" + b"\0" * 8,
        b"\xc7\x03\xff" + b"\0" * 3,
        b"\xc7\x0c\xfe" + b"\0" * 12,
        MIDDLE + struct.pack(">Q", 2**34 - 1),
        LONG + struct.pack(">Iq", 0, -1),
        LONG + struct.pack(">Iq", 0, 2**62),
    ],
    ids=bytes.hex,
)
def test_what_is_no_time_of_our_age(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a timestamp|outside 1970 to 2262"):
        parse_msgpack_time_ns(Raw(raw))


@pytest.mark.parametrize("digits", range(10))
def test_json_times_with_up_to_nine_digits(digits: int) -> None:
    fraction = "123456789"[:digits]
    text = f'"2023-11-14T22:13:20{"." if digits else ""}{fraction}Z"'
    assert parse_json_time_ns(Raw(text.encode())) == EXCHANGE_NS + int((fraction or "0").ljust(9, "0"))


@pytest.mark.parametrize(
    "text",
    [
        "2023-11-14T22:13:20.1234567890Z",
        "2023-11-14T22:13:20.Z",
        "2023-11-14T22:13:20",
        "2023-11-14T22:13:20+01:00",
        "2023-11-14 22:13:20Z",
        "2023-13-14T22:13:20Z",
        "2023-00-14T22:13:20Z",
        "0000-01-01T00:00:00Z",
        "1969-12-31T23:59:59Z",
        "9999-12-31T23:59:59Z",
        "٢٠٢٣-11-14T22:13:20Z",
        "",
    ],
)
def test_json_times_that_are_none(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json_time_ns(Raw(json.dumps(text, ensure_ascii=False).encode()))

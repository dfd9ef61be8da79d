"""Records made wrong on purpose, and how they are encoded."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable

import msgpack
import pytest

from quotebus.pricing.simulator.encoding import JSON, MSGPACK, encode
from quotebus.pricing.simulator.faults import Faults
from quotebus.pricing.simulator.records import Marked, Misshapen, Quote, Trade
from quotebus.pricing.simulator.spoiler import NEEDED, Spoiler

T_NS = 1_700_000_000_123_456_789
QUOTE = Quote("SPY", "V", 560.01, 100, "V", 560.03, 300, "B", T_NS)
TRADE = Trade("SPY", 7, "V", 560.02, 10, "B", T_NS)


def spoiler(**changes: object) -> Spoiler:
    faults = Faults(random.Random(1))
    faults.change(changes)
    made = Spoiler(1)
    assert made.change(faults)
    return made


def spoilt_quote(it: Spoiler, quote: Quote = QUOTE) -> Quote:
    found = it.spoil(quote)
    assert isinstance(found, Marked)
    assert isinstance(found.record, Quote)
    return found.record


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("nan", lambda q: math.isnan(q.bid_price)),
        ("infinite", lambda q: math.isinf(q.ask_price)),
        ("negative", lambda q: q.bid_price < 0),
        ("zero_bid", lambda q: (q.bid_price, q.bid_size) == (0, 0)),
        ("crossed", lambda q: q.bid_price > q.ask_price),
        ("locked", lambda q: q.bid_price == q.ask_price),
        ("huge_price", lambda q: q.bid_price == 1e308),
        ("size_zero", lambda q: q.bid_size == q.ask_size == 0),
    ],
)
def test_wrong_values(name: str, wrong: Callable[[Quote], bool]) -> None:
    assert not wrong(QUOTE)
    assert wrong(spoilt_quote(spoiler(**{name: "SPY"})))
    assert wrong(spoilt_quote(spoiler(**{name: True})))
    assert spoiler(**{name: "AAPL"}).spoil(QUOTE) == QUOTE
    trade = spoiler(**{name: True}).spoil(TRADE)
    assert isinstance(trade, Marked) == (name not in ("zero_bid", "crossed", "locked"))


def test_times() -> None:
    later = [QUOTE._replace(t_ns=T_NS + n) for n in range(3)]
    again, back = spoiler(repeat_time=True), spoiler(backward_time="SPY")
    assert [spoilt_quote(again, quote).t_ns for quote in later] == [T_NS] * 3
    times = [spoilt_quote(back, quote).t_ns for quote in later]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == 3
    off = spoiler(skew_ms={"SPY": -300_000})
    assert spoilt_quote(off).t_ns == T_NS - 300_000_000_000
    assert off.spoil(QUOTE._replace(symbol="QQQ")) == QUOTE._replace(symbol="QQQ")
    assert spoilt_quote(spoiler(skew_ms=0.5)).t_ns == T_NS + 500_000


def misshapen(it: Spoiler, record: Quote | Trade = QUOTE) -> Misshapen:
    found = it.spoil(record)
    assert isinstance(found, Misshapen)
    return found


@pytest.mark.parametrize("record", [QUOTE, TRADE])
def test_wrong_shapes(record: Quote | Trade) -> None:
    right = record.fields()
    types, missing = spoiler(wrong_types=True), spoiler(missing_fields=True)
    hit = set()
    for _ in range(200):
        fields = dict(misshapen(types, record).pairs)
        (name,) = [name for name in right if type(fields[name]) is not type(right[name])]
        hit.add(name)
        (gone,) = right.keys() - dict(misshapen(missing, record).pairs).keys()
        hit.add(f"-{gone}")
    needed = NEEDED[str(right["T"])]
    assert hit == {*needed, *(f"-{name}" for name in needed)}
    assert dict(misshapen(spoiler(unknown_type=True), record).pairs)["T"] not in ("q", "t", "s")
    names = [name for name, _ in misshapen(spoiler(duplicate_keys=True), record).pairs]
    assert len(names) == len(set(names)) + 1


@pytest.mark.parametrize("record", [QUOTE, TRADE])
def test_wrong_extras_leave_what_a_price_needs_alone(record: Quote | Trade) -> None:
    right, it = record.fields(), spoiler(wrong_extras=True)
    hit = set()
    for _ in range(200):
        fields = dict(misshapen(it, record).pairs)
        assert fields.keys() == right.keys()
        hit |= {name for name in right if fields[name] != right[name]}
    assert hit == right.keys() - {"T", *NEEDED[str(right["T"])]}


def test_several_at_once_are_all_named() -> None:
    it = spoiler(crossed=True, skew_ms=1, unknown_type=True, duplicate_keys=True)
    assert misshapen(it).fault == "crossed+skew_ms+duplicate_keys+unknown_type"
    found = spoiler(locked=True, size_zero="SPY").spoil(QUOTE)
    assert isinstance(found, Marked)
    assert found.audit()["fault"] == "locked+size_zero"


def test_both_encodings_send_what_the_audit_says() -> None:
    for name in ("wrong_types", "wrong_extras", "missing_fields", "duplicate_keys", "unknown_type"):
        it = spoiler(**{name: True})
        for _ in range(30):
            record = misshapen(it)
            pairs = [(k, v) for k, v in record.pairs if k != "t"]
            text = json.loads(encode(JSON, record), object_pairs_hook=lambda pairs: pairs or {})
            assert [(k, v) for k, v in text if k != "t"] == pairs
            binary = msgpack.unpackb(encode(MSGPACK, record), object_pairs_hook=lambda pairs: pairs or {}, timestamp=2)
            assert [(k, v) for k, v in binary if k != "t"] == pairs
            times = [v for k, v in record.pairs if k == "t"]
            assert [v for k, v in binary if k == "t"] == times
            if times == [T_NS]:
                assert dict(text)["t"] == "2023-11-14T22:13:20.123456789Z"


def test_the_seed_decides_what_is_wrong() -> None:
    one, two = spoiler(wrong_types=True), spoiler(wrong_types=True)
    assert [one.spoil(QUOTE) for _ in range(20)] == [two.spoil(QUOTE) for _ in range(20)]

"""What we send is checked; what we receive is never trusted and never makes us fail."""

from __future__ import annotations

import contextlib
import functools
import types
import typing
from typing import Annotated, Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus import codec, topics
from quotebus.bus.capture.replay.mark_replayed import mark_replayed
from quotebus.bus.errors import MessageTooLarge, UndecodableMessage
from quotebus.bus.events import Event, OpenEnum, Quote, SymbolsRequested
from tests.support.samples import ACKNOWLEDGED, COUNTERS, HEALTH, QUICK, QUOTE, REQUESTED, SAMPLES, TRADE, like

TOPIC_TEXT = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=60)


def strategy(hint: Any) -> st.SearchStrategy[Any]:
    """Values that a field of this type may have."""
    low, high = -(2**63), 2**64 - 1
    size = 30
    if typing.get_origin(hint) is Annotated:
        hint, meta = typing.get_args(hint)[:2]
        low, high = (low if meta.ge is None else meta.ge), (high if meta.le is None else meta.le)
        size = meta.max_length or size
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return st.one_of(*(strategy(argument) for argument in arguments))
    if typing.get_origin(hint) is tuple:
        if arguments[-1] is Ellipsis:
            return st.lists(strategy(arguments[0]), max_size=4).map(tuple)
        return st.tuples(*map(strategy, arguments))
    if typing.get_origin(hint) is dict:
        return st.dictionaries(strategy(arguments[0]), strategy(arguments[1]), max_size=4)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return st.builds(hint, **{name: strategy(inner) for name, inner in hints(hint).items()})
    if isinstance(hint, type) and issubclass(hint, OpenEnum):
        return st.one_of(st.sampled_from(list(hint)), st.text(max_size=size).map(hint))
    plain: dict[Any, st.SearchStrategy[Any]] = {
        int: st.integers(low, high),
        float: st.floats(allow_nan=False),
        str: st.text(max_size=size),
        bool: st.booleans(),
        bytes: st.binary(max_size=40),
        type(None): st.none(),
    }
    return plain[hint]


@functools.cache
def hints(struct: type) -> dict[str, Any]:
    return typing.get_type_hints(struct, include_extras=True)


def events(kind: str) -> st.SearchStrategy[Event]:
    event, rest = codec.KINDS[kind]
    fields = {name: strategy(hint) for name, hint in hints(event).items()}
    fields |= {"version": st.just(1), "seq": st.integers(0, 2**63 - 1)}
    if rest is not None:
        fields[rest] = TOPIC_TEXT
    return st.builds(event, **fields)


def values_of(event: Event) -> list[Any]:
    values: list[Any] = msgpack.unpackb(codec.encode(event).partition(b"\0")[2])
    return values


def payload_of(event: Event, *, extra: bytes = b"", **changes: Any) -> bytes:
    """The payload with some fields replaced by anything, and packed values appended."""
    values = dict(zip(event.__struct_fields__, values_of(event), strict=True)) | changes
    packer = msgpack.Packer()
    body = b"".join(v.raw if isinstance(v, Packed) else packer.pack(v) for v in values.values())
    return b"\xdc" + (len(values) + (1 if extra else 0)).to_bytes(2, "big") + body + extra


class Packed:
    """Bytes that are MessagePack already, sound or not."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def __repr__(self) -> str:
        return f"packed {self.raw[:6].hex()}"


def kind_of_error(frame: bytes) -> str:
    with pytest.raises(UndecodableMessage) as caught:
        codec.decode(frame)
    return caught.value.kind


QUOTE_TOPIC = topics.prefix("quote.SPY")


@pytest.mark.parametrize("kind", codec.KINDS)
@QUICK
@given(data=st.data())
def test_every_event_survives_the_wire(kind: str, data: st.DataObject) -> None:
    event = data.draw(events(kind))
    frame = codec.encode(event)
    topic, _, payload = frame.partition(b"\0")
    assert topic.decode("ascii") == codec.topic_of(event)
    assert codec.decode(frame) == event
    assert codec.decode_payload(kind, payload) == event
    said, envelope = codec.envelope(frame)
    assert (said, envelope.source, envelope.seq) == (codec.topic_of(event), event.source, event.seq)
    assert len(msgpack.unpackb(payload, strict_map_key=False)) == len(event.__struct_fields__)


@QUICK
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_undecodable_and_nothing_else(junk: bytes) -> None:
    for frame in (
        junk,
        QUOTE_TOPIC + junk,
        topics.prefix("symbols.requested") + junk,
        topics.prefix("health.x") + junk,
    ):
        with contextlib.suppress(UndecodableMessage):
            assert codec.topic_of(codec.decode(frame)).encode() == frame.partition(b"\0")[0]
        with contextlib.suppress(UndecodableMessage):
            assert codec.envelope(frame)[0].encode() == frame.partition(b"\0")[0]


@QUICK
@given(st.sampled_from(sorted(SAMPLES)), st.data())
def test_mutated_frames_are_undecodable_or_consistent(kind: str, data: st.DataObject) -> None:
    frame = bytearray(codec.encode(SAMPLES[kind]))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(frame[: data.draw(st.integers(0, len(frame)))])
    for mutated in (bytes(frame), cut):
        try:
            event = codec.decode(mutated)
        except UndecodableMessage:
            continue
        assert event.version == 1
        assert mutated.startswith(codec.topic_of(event).encode() + b"\0")


def test_every_shorter_frame_is_undecodable() -> None:
    frame = codec.encode(ACKNOWLEDGED)
    for length in range(len(frame)):
        assert kind_of_error(frame[:length]) in ("malformed", "topic")


@pytest.mark.parametrize(
    "payload",
    [
        payload_of(QUOTE, version=2),
        payload_of(QUOTE, version=0),
        msgpack.packb([2]),
        msgpack.packb([2, {"all": "different"}, None]),
        msgpack.packb([2**63, "source"]),
    ],
)
def test_unknown_version_is_counted_as_such_whatever_its_shape(payload: bytes) -> None:
    assert kind_of_error(QUOTE_TOPIC + payload) == "version"
    with pytest.raises(UndecodableMessage, match="version"):
        codec.decode_payload("quote", payload)


@pytest.mark.parametrize(
    "payload", [b"", b"\xc0", b"\x90", msgpack.packb({}), msgpack.packb(["1"]), msgpack.packb([1])]
)
def test_what_has_no_version_is_malformed(payload: bytes) -> None:
    assert kind_of_error(QUOTE_TOPIC + payload) == "malformed"


@pytest.mark.parametrize("extra", [b"\xc0", msgpack.packb([1, {"a": [2]}]), msgpack.packb(msgpack.ExtType(5, b"x"))])
@pytest.mark.parametrize("kind", codec.KINDS)
def test_extra_trailing_fields_are_ignored(kind: str, extra: bytes) -> None:
    event = SAMPLES[kind]
    assert codec.decode(topics.prefix(codec.topic_of(event)) + payload_of(event, extra=extra)) == event


def test_missing_fields_are_malformed() -> None:
    values = values_of(QUOTE)
    for length in range(1, len(values)):
        assert kind_of_error(QUOTE_TOPIC + msgpack.packb(values[:length])) == "malformed"


def test_integers_are_read_where_prices_stand_but_never_written() -> None:
    quote = codec.decode(QUOTE_TOPIC + payload_of(QUOTE, bid_price=687, ask_size=2))
    assert isinstance(quote, Quote)
    assert (quote.bid_price, type(quote.bid_price), type(quote.ask_size)) == (687.0, float, float)
    whole = codec.encode(like(QUOTE, bid_price=687.0))
    values = msgpack.unpackb(whole.partition(b"\0")[2])
    assert type(values[5]) is float


@pytest.mark.parametrize(
    "changes",
    [
        {"bid_price": "687.25"},
        {"bid_price": True},
        {"symbol": None},
        {"symbol": b"SPY"},
        {"flags": 1.0},
        {"conditions": "R"},
        {"received_ns": msgpack.Timestamp(1, 0)},
        {"seq": msgpack.ExtType(7, b"12345678")},
        {"symbol": Packed(b"\xa3\xff\xfe\xfd")},
        {"conditions": Packed(b"\xdd\xff\xff\xff\xff")},
        {"conditions": Packed(b"\xdf\xff\xff\xff\xff")},
        {"symbol": Packed(b"\xdb\xff\xff\xff\xffSPY")},
        {"conditions": Packed(b"\x91" * 100_000 + b"\xc0")},
        {"conditions": Packed(b"\x81" * 100_000 + b"\xc0")},
    ],
    ids=lambda changes: f"{next(iter(changes))}-{next(iter(changes.values()))!r}"[:60],
)
def test_wrong_types_and_bombs_are_malformed(changes: dict[str, Any]) -> None:
    assert kind_of_error(QUOTE_TOPIC + payload_of(QUOTE, **changes)) == "malformed"


@pytest.mark.parametrize("bomb", [b"\x91" * 500_000, b"\x81" * 500_000, b"\xdd\xff\xff\xff\xff" * 1000])
def test_bombs_in_ignored_fields_and_as_whole_payload(bomb: bytes) -> None:
    assert kind_of_error(QUOTE_TOPIC + payload_of(QUOTE, extra=bomb)) == "malformed"
    assert kind_of_error(QUOTE_TOPIC + bomb) == "malformed"
    with pytest.raises(UndecodableMessage):
        codec.envelope(QUOTE_TOPIC + bomb)


@pytest.mark.parametrize(
    ("field", "value"),
    [("priority", 128), ("priority", -129), ("ttl_ms", 2**63), ("client", "x" * 129), ("request_id", "x" * 129)],
)
def test_bounds_of_a_request(field: str, value: Any) -> None:
    assert kind_of_error(topics.prefix("symbols.requested") + payload_of(REQUESTED, **{field: value})) == "malformed"


def test_a_negative_announced_number_is_malformed() -> None:
    rows = [["SPY", "live", "demand", None, -1]]
    assert kind_of_error(topics.prefix("symbols.acknowledged.worker-1") + payload_of(ACKNOWLEDGED, results=rows)) == (
        "malformed"
    )


@pytest.mark.parametrize(
    ("topic", "event"),
    [
        ("quote.SPYX", QUOTE),
        ("quote.SP", QUOTE),
        ("trade.SPY", like(TRADE, symbol="QQQ")),
        ("health.other", HEALTH),
        ("symbols.requested.more", REQUESTED),
        ("symbols.acknowledged.someone", ACKNOWLEDGED),
    ],
)
def test_topic_and_content_must_agree(topic: str, event: Event) -> None:
    assert kind_of_error(topics.prefix(topic) + payload_of(event)) == "topic"


@pytest.mark.parametrize(
    "frame", [b"", b"\0", b"quote.SPY", b"\0quote.SPY", b"x" * 200 + b"\0", b"quote.\xff\0\x90", b"nonsense.SPY\0\x90"]
)
def test_a_frame_needs_a_known_topic(frame: bytes) -> None:
    assert kind_of_error(frame) == "topic"


def test_the_sender_refuses_what_would_cut_a_peer() -> None:
    def request(count: int) -> SymbolsRequested:
        return like(REQUESTED, symbols=("x" * 1020,) * count)

    assert len(codec.encode(request(1000))) < codec.MAX_FRAME_BYTES
    with pytest.raises(MessageTooLarge) as caught:
        codec.encode(request(1030))
    assert caught.value.size_bytes > caught.value.limit_bytes == codec.MAX_PAYLOAD_BYTES


def test_a_topic_that_cannot_be_one_is_refused() -> None:
    for client in ("two words", "ünïcode", "new\nline", "x" * 120):
        with pytest.raises(ValueError, match="not a topic"):
            codec.encode(like(ACKNOWLEDGED, client=client))


def test_a_replayed_counters_message_keeps_its_topic() -> None:
    frame = codec.encode(COUNTERS)
    topic, _, payload = frame.partition(b"\0")
    event = codec.decode(topic + b"\0" + mark_replayed(payload))
    assert event.source.startswith("replay:")
    assert codec.topic_of(event).encode() == topic


def test_the_name_of_a_source_has_a_bound() -> None:
    assert codec.decode(codec.encode(like(HEALTH, source="s" * 128)))
    with pytest.raises(UndecodableMessage):
        codec.decode(codec.encode(like(HEALTH, source="s" * 129)))

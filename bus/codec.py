"""Events to frames and back: `topic` + zero byte + MessagePack array, at most 1 MiB of payload.

Encoding checks what we send; decoding trusts nothing: whatever cannot be read raises UndecodableMessage with the
counter it belongs to, and callers count it and go on. Pure.
"""

from __future__ import annotations

from typing import Any

import msgspec

from quotebus.bus import topics
from quotebus.bus.errors import MessageTooLarge, UndecodableMessage
from quotebus.bus.events import (
    VERSION,
    ConnectionHealth,
    Counters,
    Event,
    ExecutionDecision,
    IntentReport,
    OrderUpdate,
    Payload,
    Quote,
    RecorderHealth,
    SymbolsAcknowledged,
    SymbolsRequested,
    SymbolStatus,
    Trade,
    TradeIntent,
)

MAX_PAYLOAD_BYTES = 1 << 20
MAX_FRAME_BYTES = MAX_PAYLOAD_BYTES + 1024
"""What sockets accept: a longer message would cut the peer, so the sender is checked at the lower bound."""

KINDS: dict[str, tuple[type[Event], str | None]] = {
    "quote": (Quote, "symbol"),
    "trade": (Trade, "symbol"),
    "symbol": (SymbolStatus, "symbol"),
    "health": (ConnectionHealth, "node"),
    "symbols.requested": (SymbolsRequested, None),
    "symbols.acknowledged": (SymbolsAcknowledged, "client"),
    "order": (OrderUpdate, "alias"),
    "decision": (ExecutionDecision, "client"),
    "intent": (TradeIntent, "client"),
    "report": (IntentReport, "client"),
    "recorder": (RecorderHealth, "name"),
    "counters": (Counters, "source"),
}
"""Topic kind to event type, and the field that must repeat what the topic says after its kind."""

FROM_CLIENTS = ("symbols.requested", "intent")
"""What programs in other languages send; whole floats are read as integers there."""

_TOPIC_OF: dict[type[Event], tuple[str, str | None]] = {event: (kind, field) for kind, (event, field) in KINDS.items()}
_decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {
    kind: msgspec.msgpack.Decoder(event) for kind, (event, _) in KINDS.items()
}
decode_quote = _decoders["quote"].decode
"""A quote's payload to a Quote, checked for types only; `decode` checks the rest."""
decode_envelope = msgspec.msgpack.Decoder(Payload).decode
_encode = msgspec.msgpack.Encoder().encode
DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""All that reading foreign bytes, in JSON or MessagePack, can raise. Whoever decodes catches all three: broken UTF-8 is
no MsgspecError, and neither is nesting that is too deep."""


def topic_of(event: Event) -> str:
    """The topic an event is published under."""
    kind, field = _TOPIC_OF[type(event)]
    if type(event) is Counters:
        return topics.counters(event.source)
    return kind if field is None else f"{kind}.{getattr(event, field)}"


def encode(event: Event, topic: str = "") -> bytes:
    """The frame of an event whose envelope is filled; `topic` is its own, if the caller has made it already.

    Raises MessageTooLarge.
    """
    payload = _encode(event)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise MessageTooLarge(len(payload), MAX_PAYLOAD_BYTES)
    return topics.prefix(topic or topic_of(event)) + payload


def decode(frame: bytes) -> Event:
    """The event of a frame. Raises UndecodableMessage, whatever the bytes are."""
    end = frame.find(b"\0")
    payload = frame[end + 1 :]
    topic = split_topic(frame, end)
    kind = topics.kind(topic)
    decoder = _decoders.get(kind)
    if decoder is None:
        raise UndecodableMessage("topic", "unknown kind")
    try:
        event: Event = decoder.decode(payload)
    except DECODE_ERRORS as error:
        event = _read_whole_floats(kind, payload, error)
    if event.version != VERSION or topic_of(event) != topic:
        raise _mismatch(event)
    return event


def decode_payload(kind: str, payload: bytes) -> Event:
    """The event of a bare payload, such as an acknowledgement's `last_quote`. Raises UndecodableMessage."""
    try:
        event: Event = _decoders[kind].decode(payload)
    except DECODE_ERRORS as error:
        raise _undecodable(payload, error) from None
    if event.version != VERSION:
        raise _mismatch(event)
    return event


def envelope(frame: bytes) -> tuple[str, Payload]:
    """Topic and envelope, the rest undecoded. Raises UndecodableMessage."""
    end = frame.find(b"\0")
    payload = frame[end + 1 :]
    try:
        return split_topic(frame, end), decode_envelope(payload)
    except DECODE_ERRORS as error:
        raise _undecodable(payload, error) from None


def split_topic(frame: bytes, end: int) -> str:
    """The topic that ends at the zero byte at `end`. Raises UndecodableMessage."""
    if not 0 < end <= topics.MAX_TOPIC_BYTES:
        raise UndecodableMessage("topic", "no topic")
    try:
        return frame[:end].decode("ascii")
    except UnicodeDecodeError:
        raise UndecodableMessage("topic", "not ASCII") from None


def _read_whole_floats(kind: str, payload: bytes, error: Exception) -> Event:
    """What a client sent whose language knows one kind of number, such as JavaScript's. Raises UndecodableMessage."""
    if kind in FROM_CLIENTS:
        try:
            values = [_to_int(each) for each in msgspec.msgpack.decode(payload, type=list[Any])]
            event: Event = msgspec.convert(values, KINDS[kind][0], builtin_types=(bytes,))
        except DECODE_ERRORS:
            pass
        else:
            return event
    raise _undecodable(payload, error) from None


def _to_int(value: Any) -> Any:
    if isinstance(value, list):
        return [_to_int(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**63 else value


def _undecodable(payload: bytes, error: Exception) -> UndecodableMessage:
    """A newer version may have any shape, so a payload that does not fit is asked for its version first."""
    try:
        first = msgspec.msgpack.decode(payload, type=list[msgspec.Raw])[0]
        version = msgspec.msgpack.decode(first, type=int)
    except (*DECODE_ERRORS, IndexError):
        return UndecodableMessage("malformed", str(error)[:120])
    if version != VERSION:
        return UndecodableMessage("version", f"version {version}")
    return UndecodableMessage("malformed", str(error)[:120])


def _mismatch(event: Event) -> UndecodableMessage:
    if event.version != VERSION:
        return UndecodableMessage("version", f"version {event.version}")
    return UndecodableMessage("topic", "topic and content disagree")

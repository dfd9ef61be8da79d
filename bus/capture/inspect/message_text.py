"""Messages of a capture as lines, for people and for programs; control characters are escaped. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from quotebus.bus.capture.format.captured import Captured
from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import AckRow, Event, SymbolsAcknowledged
from quotebus.bus.process.printable import escaped
from quotebus.bus.process.units import format_utc

_ENVELOPE = ("version", "source", "seq", "published_ns")


def format_message(message: Captured) -> str:
    """One line of text: receive time, recorder's number, topic, publisher and its number, then the fields."""
    head = f"{format_utc(message.received_ns)} {message.sequence} {message.topic}"
    try:
        event = message.event()
    except UndecodableMessage as error:
        return escaped(f"{head} cannot be decoded: {error}")
    shown = " ".join(f"{name}={_format_value(value)}" for name, value in _list_fields(event).items())
    return escaped(f"{head} {event.source} #{event.seq} {shown}")


def encode_message(message: Captured) -> str:
    """One JSON object on one line, in ASCII: what the recorder knows, the envelope, the event's own fields.

    The held quotes of an acknowledgement stay bytes, as base64; their numbers are in `last_quote_seq`.
    """
    head: dict[str, Any] = {
        "topic": message.topic,
        "sequence": message.sequence,
        "received_ns": message.received_ns,
    }
    try:
        event = message.event()
    except UndecodableMessage as error:
        return _encode({**head, "error": str(error), "payload": message.payload})
    envelope = {name: getattr(event, name) for name in _ENVELOPE}
    return _encode({**head, **envelope, "event": type(event).__name__, "fields": _list_fields(event)})


def _list_fields(event: Event) -> dict[str, Any]:
    fields = {name: getattr(event, name) for name in event.__struct_fields__ if name not in _ENVELOPE}
    if isinstance(event, SymbolsAcknowledged):
        fields["results"] = [_make_row(row) for row in event.results]
    return fields


def _make_row(row: AckRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__struct_fields__}


def _format_value(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_format_value(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_format_value, value)) + "]"
    if isinstance(value, msgspec.Struct):
        return _format_value([getattr(value, name) for name in value.__struct_fields__])
    return str(value) or '""'


def _encode(value: dict[str, Any]) -> str:
    plain = msgspec.json.encode(value).decode()
    return plain if plain.isascii() else "".join(c if c.isascii() else _escape(c) for c in plain)


def _escape(character: str) -> str:
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"

"""Messages of the order stream and order entities of REST, read into events. Pure.

Source: "Websocket streaming" of Alpaca's trading API. Messages are JSON, in text and binary frames alike, or
MessagePack. A JSON object begins with `{`, which in MessagePack is a number and never a message. A message that cannot
be read is an `UnreadableOrder`, whose text holds no value the peer sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from quotebus.bus.codec import DECODE_ERRORS
from quotebus.bus.errors import QuotebusError
from quotebus.bus.events import OrderUpdate
from quotebus.pricing.messages import parse_json_time_ns

TRADE_UPDATES = "trade_updates"
RECONCILED = "reconciled"
"""The event of an order that was read by REST after a gap. Our word, not the upstream's."""
CLOSED = frozenset({"filled", "canceled", "expired", "replaced", "rejected"})
"""Statuses after which nothing more happens to an order."""
MOST_TEXT = 128
MOST_ORIGINAL_BYTES = 32 * 1024
"""Most of what an update takes along as it was sent: an order with several legs is a tenth of it."""
ACCOUNT = ("account", "acct")
"""Fields whose names have one of these are of the account, whose number never crosses the bus."""


class UnreadableOrder(QuotebusError, ValueError):
    """Not a message, or one with a missing or malformed field."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """The answer to our credentials."""

    authorized: bool


@dataclass(frozen=True, slots=True)
class Listening:
    """The answer to `listen`: the streams we are subscribed to."""

    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """The upstream reports an error and will close."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message of no interest: another stream, or `data` that is null, which does occur."""


Message = Authorization | Listening | Refusal | Ignored | OrderUpdate


def read_frame(payload: bytes, alias: str, received_ns: int) -> Message:
    """Read one frame. Raises UnreadableOrder."""
    decode = msgspec.json.decode if payload[:1] == b"{" else msgspec.msgpack.decode
    try:
        message = decode(payload)
    except DECODE_ERRORS:
        raise UnreadableOrder("neither JSON nor MessagePack") from None
    if not isinstance(message, dict):
        raise UnreadableOrder("not an object")
    if message.get("action") == "error":
        return Refusal()
    stream, data = message.get("stream"), message.get("data")
    if data is None:
        return Ignored()
    if not isinstance(data, dict):
        raise UnreadableOrder("data is not an object")
    if stream == "authorization":
        return Authorization(data.get("status") == "authorized")
    if stream == "listening":
        streams = data.get("streams")
        return Listening(tuple(str(name) for name in streams) if isinstance(streams, list) else ())
    return read_update(data, alias, received_ns) if stream == TRADE_UPDATES else Ignored()


def read_update(data: Mapping[str, Any], alias: str, received_ns: int) -> OrderUpdate:
    """Read a trade update. Raises UnreadableOrder."""
    order = data.get("order")
    if not isinstance(order, dict):
        raise UnreadableOrder("order is missing")
    at = data.get("timestamp") or data.get("at") or order.get("updated_at")
    return _event(
        _text(data, "event"),
        order,
        alias,
        _time_ns(at),
        received_ns,
        price=_decimal(data, "price"),
        execution_id=_optional(data, "execution_id") or "",
        execution_qty=_decimal(data, "qty"),
        position_qty=_decimal(data, "position_qty"),
        original=_write_original(data),
    )


def read_order(order: Mapping[str, Any], alias: str, received_ns: int) -> OrderUpdate:
    """Read an order entity of REST. Raises UnreadableOrder."""
    if not isinstance(order, dict):
        raise UnreadableOrder("not an order")
    at_ns = _time_ns(order.get("updated_at") or order.get("created_at"))
    return _event(RECONCILED, order, alias, at_ns, received_ns, original=_write_original({"order": order}))


def _event(
    event: str,
    order: Mapping[str, Any],
    alias: str,
    exchange_ns: int,
    received_ns: int,
    *,
    price: str | None = None,
    execution_id: str = "",
    execution_qty: str | None = None,
    position_qty: str | None = None,
    original: str = "",
) -> OrderUpdate:
    return OrderUpdate(
        alias=alias,
        event=event,
        order_id=_text(order, "id"),
        client_order_id=_text(order, "client_order_id"),
        symbol=_optional(order, "symbol") or "",
        side=_optional(order, "side") or "",
        qty=_decimal(order, "qty"),
        filled_qty=_decimal(order, "filled_qty"),
        price=price,
        exchange_ns=exchange_ns,
        received_ns=received_ns,
        status=_text(order, "status"),
        execution_id=execution_id,
        execution_qty=execution_qty,
        position_qty=position_qty,
        filled_avg_price=_decimal(order, "filled_avg_price"),
        replaced_by=_optional(order, "replaced_by") or "",
        original=original,
    )


def _write_original(data: object) -> str:
    """What was sent, as JSON without what names the account; empty when it is too long or cannot be written so."""
    try:
        written = msgspec.json.encode(_without_account(data))
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):  # MessagePack has more than JSON
        return ""
    return written.decode() if len(written) <= MOST_ORIGINAL_BYTES else ""


def _without_account(value: object) -> object:
    if isinstance(value, dict):
        return {name: _without_account(inner) for name, inner in value.items() if not _names_account(name)}
    return [_without_account(inner) for inner in value] if isinstance(value, list) else value


def _names_account(name: object) -> bool:
    return isinstance(name, str) and any(word in name.lower() for word in ACCOUNT)


def _optional(fields: Mapping[str, Any], name: str) -> str | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > MOST_TEXT:
        raise UnreadableOrder(f"{name} is not text")
    return value


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = _optional(fields, name)
    if not value:
        raise UnreadableOrder(f"{name} is missing")
    return value


def _decimal(fields: Mapping[str, Any], name: str) -> str | None:
    """A decimal as text; the upstream sends strings, and numbers in older messages."""
    value = fields.get(name)
    if value is None:
        return None
    text = value if isinstance(value, str) else repr(value) if isinstance(value, int | float) else ""
    try:
        finite = len(text) <= MOST_TEXT and not isinstance(value, bool) and Decimal(text).is_finite()
    except InvalidOperation:
        finite = False
    if not finite:
        raise UnreadableOrder(f"{name} is not a decimal")
    return text


def _time_ns(value: object) -> int:
    if not isinstance(value, str):
        raise UnreadableOrder("timestamp missing")
    try:
        return parse_json_time_ns(msgspec.Raw(value.encode()))
    except ValueError:
        return _offset_time_ns(value)


def _offset_time_ns(value: str) -> int:
    """A time with a UTC offset, as in older messages."""
    sign = -1 if value[-6:-5] == "+" else 1
    try:
        hours, minutes = int(value[-5:-3]), int(value[-2:])
        return (
            parse_json_time_ns(msgspec.Raw(f"{value[:-6]}Z".encode())) + sign * (hours * 60 + minutes) * 60_000_000_000
        )
    except ValueError:
        raise UnreadableOrder("not a timestamp") from None

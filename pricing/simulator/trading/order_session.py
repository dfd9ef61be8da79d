"""The server's side of one order stream: auth, listen, and what may be sent to it. Pure.

Source: Alpaca's "Websocket streaming" of the trading API: `auth` with key and secret, or `authenticate` as its own
client sends it; `listening` acknowledges the list of streams, which replaces the former one; an error ends the
connection.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import ClassVar

import msgpack

from quotebus.pricing.simulator.encoding import BINARY_OPCODE, TEXT_OPCODE, is_unicode
from quotebus.pricing.simulator.faults import Faults, ScopedFaults
from quotebus.pricing.simulator.session import Acknowledged, Authenticated, Close, Effect, Rules, Send, Slots
from quotebus.pricing.simulator.subscriptions import Subscriptions

FEED = "orders"
STREAMS = ("trade_updates",)
ORDERS_PATHS = ("/stream", "/stream/")


class OrderEncoding:
    """One object per frame: JSON in text frames or in binary ones (as Alpaca's paper trading sends), or MessagePack."""

    def __init__(self, opcode: int, is_msgpack: bool) -> None:
        self.opcode = opcode
        self._is_msgpack = is_msgpack

    def message(self, message: Mapping[str, object]) -> bytes:
        """A message as one frame's payload."""
        if self._is_msgpack:
            packed: bytes = msgpack.packb(message)
            return packed
        return json.dumps(message, separators=(",", ":")).encode()


ENCODINGS: Mapping[str, OrderEncoding] = {
    "msgpack": OrderEncoding(BINARY_OPCODE, True),
    "binary": OrderEncoding(BINARY_OPCODE, False),
    "text": OrderEncoding(TEXT_OPCODE, False),
}


def choose_order_encoding(content_type: str, frames: str) -> OrderEncoding:
    """The encoding that a Content-Type asks for; JSON is sent in `frames`, `binary` or `text`."""
    asked = content_type.partition(";")[0].strip().lower()
    return ENCODINGS["msgpack" if asked == "application/msgpack" else frames]


class OrderSession:
    """The protocol of one order stream, as `Session` is for market data."""

    feed = FEED
    _no_symbols: ClassVar[Subscriptions] = Subscriptions(0)

    def __init__(self, rules: Rules, slots: Slots, faults: Faults, encoding: OrderEncoding, now_ns: int) -> None:
        self.encoding = encoding
        self.stream_faults = ScopedFaults(faults, "stream_")
        self.authenticated = False
        self.listening = False
        self.subscriptions = self._no_symbols
        self.deadline_ns: int | None = now_ns + rules.auth_timeout_ns
        self._rules = rules
        self._slots = slots
        self._faults = faults
        self._key = ""

    def open(self, header_key: str | None, header_secret: str | None, now_ns: int) -> list[Effect]:  # noqa: ARG002
        """There is no greeting; keys in the upgrade request authenticate at once."""
        return [] if header_key is None else self._authenticate("authenticate", header_key, header_secret)

    def receive(self, message: object, now_ns: int) -> list[Effect]:  # noqa: ARG002
        """Answer one decoded message."""
        if not isinstance(message, dict):
            return _error("invalid message")
        action, data = message.get("action"), message.get("data")
        if action == "auth":
            return self._authenticate("auth", message.get("key"), message.get("secret"))
        if action == "authenticate":
            given = data if isinstance(data, dict) else {}
            return self._authenticate("authenticate", given.get("key_id"), given.get("secret_key"))
        if action != "listen":
            known = isinstance(action, str) and is_unicode(action)
            return _error(f"unknown action: {str(action)[:32]}" if known else "unknown action")
        if not self.authenticated:
            return [Send(_authorization("unauthorized", "listen"))]
        return self._listen(data.get("streams") if isinstance(data, dict) else None)

    def _authenticate(self, action: str, key: object, secret: object) -> list[Effect]:
        if self.authenticated:
            return [Send(_authorization("authorized", action))]
        if self._faults.take("stream_drop_auth"):
            self.deadline_ns = None
            return []
        right = isinstance(key, str) and key and self._rules.key in ("", key) and self._rules.secret in ("", secret)
        if self._faults.take("stream_auth_fail") or not right:
            return [Send(_authorization("unauthorized", action))]
        self._key = str(key)
        if not self._slots.take(self._key, FEED):
            return _error("connection limit exceeded")
        self.authenticated = True
        self.deadline_ns = None
        return [Send(_authorization("authorized", action)), Authenticated()]

    def _listen(self, streams: object) -> list[Effect]:
        if not isinstance(streams, list):
            return _error("invalid streams")
        known = [stream for stream in STREAMS if stream in streams]
        self.listening = bool(known)
        if self._faults.take("stream_drop_ack"):
            return [Acknowledged()]
        return [Send({"stream": "listening", "data": {"streams": known}}), Acknowledged()]

    def expire(self, now_ns: int) -> list[Effect]:
        """End the connection if there was no auth in time."""
        if self.deadline_ns is None or now_ns < self.deadline_ns:
            return []
        self.deadline_ns = None
        return _error("authentication timeout")

    def send_error(self, code: int, now_ns: int) -> list[Effect]:  # noqa: ARG002
        """An unprompted error."""
        return _error(f"error {code}")

    def close(self) -> None:
        """Give back the slot. Call it once, when the connection has ended."""
        if self.authenticated:
            self.authenticated = False
            self._slots.release(self._key, FEED)


def _authorization(status: str, action: str) -> dict[str, object]:
    return {"stream": "authorization", "data": {"status": status, "action": action}}


def _error(text: str) -> list[Effect]:
    return [Send({"action": "error", "data": {"error_message": text}}), Close(text)]

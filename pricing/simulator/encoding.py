"""Messages to bytes and back, in Alpaca's two encodings. Pure.

Every frame is an array; a control frame has one element. In MessagePack `t` is the timestamp extension type (-1), in
JSON RFC 3339 with nanoseconds. `quote` is the fast path for generated quotes; everything else goes through `record`.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Protocol, TypeGuard

import msgpack

from quotebus.bus.errors import QuotebusError
from quotebus.pricing.simulator.records import Marked, Misshapen, Quote, Record, Sent

NS_PER_S = 1_000_000_000
TEXT_OPCODE = 1
BINARY_OPCODE = 2


class UndecodableRequest(QuotebusError):
    """A client's message is neither JSON nor MessagePack."""


class Encoding(Protocol):
    """One of the two encodings; `opcode` is the WebSocket opcode of its frames."""

    opcode: int

    def quote(self, quote: Quote) -> bytes:
        """A generated quote: finite prices, whole sizes below 65,536."""

    def record(self, record: Record) -> bytes:
        """Any quote, trade or status, values verbatim."""

    def misshapen(self, pairs: Sequence[tuple[str, object]]) -> bytes:
        """A record with exactly these fields, even repeated ones."""

    def payload(self, records: Sequence[bytes]) -> bytes:
        """Encoded records as one frame's payload."""

    def message(self, message: Mapping[str, object]) -> bytes:
        """A control message as one frame's payload."""


class JsonEncoding:
    """JSON in text frames: the default."""

    opcode = TEXT_OPCODE

    def quote(self, quote: Quote) -> bytes:
        symbol, bid_exchange, bid, bid_size, ask_exchange, ask, ask_size, tape, t_ns = quote
        return (
            f'{{"T":"q","S":"{symbol}","bx":"{bid_exchange}","bp":{bid!r},"bs":{bid_size},"ax":"{ask_exchange}",'
            f'"ap":{ask!r},"as":{ask_size},"c":["R"],"t":"{rfc3339(t_ns)}","z":"{tape}"}}'
        ).encode()

    def record(self, record: Record) -> bytes:
        return _compact({**record.fields(), "t": rfc3339(record.t_ns)})

    def misshapen(self, pairs: Sequence[tuple[str, object]]) -> bytes:
        parts = (
            _compact(key) + b":" + _compact(rfc3339(value) if _is_time(value, key) else value) for key, value in pairs
        )
        return b"{" + b",".join(parts) + b"}"

    def payload(self, records: Sequence[bytes]) -> bytes:
        return b"[" + b",".join(records) + b"]"

    def message(self, message: Mapping[str, object]) -> bytes:
        return _compact([message])


class MsgpackEncoding:
    """MessagePack in binary frames, for `Content-Type: application/msgpack`."""

    opcode = BINARY_OPCODE

    def quote(self, quote: Quote) -> bytes:
        symbol, bid_exchange, bid, bid_size, ask_exchange, ask, ask_size, tape, t_ns = quote
        seconds, nanoseconds = divmod(t_ns, NS_PER_S)
        return _quote_start(symbol) + _QUOTE_REST(
            b"\xa2bx\xa1", bid_exchange.encode(), b"\xa2bp\xcb", bid, b"\xa2bs\xcd", bid_size,
            b"\xa2ax\xa1", ask_exchange.encode(), b"\xa2ap\xcb", ask, b"\xa2as\xcd", ask_size,
            b"\xa1c\x91\xa1R\xa1t\xd7\xff", nanoseconds << 34 | seconds, b"\xa1z\xa1", tape.encode(),
        )  # fmt: skip

    def record(self, record: Record) -> bytes:
        return _packb({**record.fields(), "t": msgpack.Timestamp.from_unix_nano(record.t_ns)})

    def misshapen(self, pairs: Sequence[tuple[str, object]]) -> bytes:
        header: bytes = msgpack.Packer().pack_map_header(len(pairs))
        times = ((k, msgpack.Timestamp.from_unix_nano(v) if _is_time(v, k) else v) for k, v in pairs)
        return header + b"".join(_packb(key) + _packb(value) for key, value in times)

    def payload(self, records: Sequence[bytes]) -> bytes:
        return _array_header(len(records)) + b"".join(records)

    def message(self, message: Mapping[str, object]) -> bytes:
        return _packb([message])


_QUOTE_REST = struct.Struct(">4s1s4sd4sH 4s1s4sd4sH 9sQ3s1s").pack


@lru_cache(maxsize=32_768)
def _quote_start(symbol: str) -> bytes:
    return b"\x8b\xa1T\xa1q\xa1S" + _packb(symbol)


@lru_cache(maxsize=1024)
def _array_header(length: int) -> bytes:
    header: bytes = msgpack.Packer().pack_array_header(length)
    return header


def _is_time(value: object, key: str) -> TypeGuard[int]:
    return key == "t" and isinstance(value, int) and not isinstance(value, bool)


def encode(encoding: Encoding, record: Sent) -> bytes:
    """Encode any record, right or wrong, in the general way."""
    if isinstance(record, Misshapen):
        return encoding.misshapen(record.pairs)
    return encoding.record(record.record if isinstance(record, Marked) else record)


def _packb(value: object) -> bytes:
    packed: bytes = msgpack.packb(value)
    return packed


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@lru_cache(maxsize=64)
def _whole_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def rfc3339(utc_ns: int) -> str:
    """UTC nanoseconds as RFC 3339 with nine digits."""
    seconds, nanoseconds = divmod(utc_ns, NS_PER_S)
    return f"{_whole_second(seconds)}.{nanoseconds:09d}Z"


def is_unicode(text: str) -> bool:
    """Whether UTF-8 can hold this text: JSON may have brought a lone surrogate, which MessagePack cannot encode."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


JSON = JsonEncoding()
MSGPACK = MsgpackEncoding()


def choose_encoding(content_type: str) -> Encoding:
    """The encoding that the Content-Type of an upgrade request asks for."""
    return MSGPACK if content_type.partition(";")[0].strip().lower() == "application/msgpack" else JSON


def decode(data: bytes) -> object:
    """Decode a client's message, JSON or MessagePack in either kind of frame. UndecodableRequest if it is neither.

    An object in JSON begins with `{`, which in MessagePack is the number 123: no request is both.
    """
    try:
        if data.lstrip()[:1] in (b"{", b"["):
            return json.loads(data)
        value: object = msgpack.unpackb(data, timestamp=0)
    except (ValueError, TypeError, RecursionError, OverflowError):
        raise UndecodableRequest from None
    return value

"""Records and control messages as the venue writes them, in its two encodings. Pure.

Every frame is an array. In MessagePack a time is the timestamp extension, in JSON RFC 3339 with nanoseconds. A side
without a price is 0, as the venue sends it. What many clients get is encoded once.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Protocol

import msgpack
import msgspec

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.codec import DECODE_ERRORS
from quotebus.bus.events import Quote, Trade

MAX_REQUEST_BYTES = 1 << 20
RECORDS_PER_FRAME = 500
_to_json = msgspec.json.Encoder().encode


class Format(Protocol):
    """How encoded records and messages become frames."""

    is_text: bool
    records_per_frame: int
    """At most."""

    def frame(self, records: Sequence[bytes]) -> bytes:
        """Encoded records as one frame."""

    def message(self, message: Mapping[str, object]) -> bytes:
        """A control message as one frame."""


class TickFormat(Format, Protocol):
    """One of the two encodings of market data."""

    def quote(self, quote: Quote) -> bytes:
        """One quote, without the frame around it."""

    def trade(self, trade: Trade) -> bytes:
        """One trade, without the frame around it."""


class JsonFormat:
    """JSON in text frames: the default."""

    is_text = True
    records_per_frame = RECORDS_PER_FRAME

    def quote(self, quote: Quote) -> bytes:
        return _to_json(quote_fields(quote, format_time(quote.exchange_ns)))

    def trade(self, trade: Trade) -> bytes:
        return _to_json(trade_fields(trade, format_time(trade.exchange_ns)))

    def frame(self, records: Sequence[bytes]) -> bytes:
        return b"[" + b",".join(records) + b"]"

    def message(self, message: Mapping[str, object]) -> bytes:
        return _to_json([message])


class MsgpackFormat:
    """MessagePack in binary frames."""

    is_text = False
    records_per_frame = RECORDS_PER_FRAME

    def __init__(self) -> None:
        self._pack = msgpack.Packer().pack
        self._array_header = msgpack.Packer().pack_array_header

    def quote(self, quote: Quote) -> bytes:
        return self._bytes(quote_fields(quote, msgpack.Timestamp.from_unix_nano(quote.exchange_ns)))

    def trade(self, trade: Trade) -> bytes:
        return self._bytes(trade_fields(trade, msgpack.Timestamp.from_unix_nano(trade.exchange_ns)))

    def frame(self, records: Sequence[bytes]) -> bytes:
        header: bytes = self._array_header(len(records))
        return header + b"".join(records)

    def message(self, message: Mapping[str, object]) -> bytes:
        return self._bytes([message])

    def _bytes(self, value: object) -> bytes:
        packed: bytes = self._pack(value)
        return packed


JSON: TickFormat = JsonFormat()
MSGPACK: TickFormat = MsgpackFormat()


def choose_format(content_type: str) -> TickFormat:
    """The encoding that the Content-Type of an upgrade request asks for."""
    return MSGPACK if asks_for_msgpack(content_type) else JSON


def asks_for_msgpack(content_type: str) -> bool:
    """Whether the Content-Type of an upgrade request does."""
    return content_type.partition(";")[0].strip().lower() == "application/msgpack"


def decode_request(data: str | bytes) -> object:
    """A client's message, JSON or MessagePack in either kind of frame; None when it is neither."""
    raw = data.encode() if isinstance(data, str) else data
    try:
        if raw.lstrip()[:1] in (b"{", b"["):  # in MessagePack these would be numbers
            return msgspec.json.decode(raw)
        return msgspec.msgpack.decode(raw)
    except DECODE_ERRORS:
        return None


def quote_fields(quote: Quote, time_sent: object) -> dict[str, object]:
    """A quote by the venue's names; `time_sent` is its exchange time as the encoding writes it."""
    return {
        "T": "q", "S": quote.symbol,
        "bx": quote.bid_exchange, "bp": quote.bid_price or 0, "bs": _size(quote.bid_size),
        "ax": quote.ask_exchange, "ap": quote.ask_price or 0, "as": _size(quote.ask_size),
        "c": quote.conditions, "t": time_sent, "z": quote.tape,
    }  # fmt: skip


def trade_fields(trade: Trade, time_sent: object) -> dict[str, object]:
    """A trade by the venue's names."""
    return {
        "T": "t", "S": trade.symbol, "i": trade.trade_id, "x": trade.exchange, "p": trade.price,
        "s": _size(trade.size), "c": trade.conditions, "t": time_sent, "z": trade.tape,
    }  # fmt: skip


def _size(size: float | None) -> float | int:
    """Whole sizes as integers, which is how the venue writes them."""
    return 0 if size is None else int(size) if size.is_integer() else size


@lru_cache(maxsize=64)
def _whole_second(utc_s: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(utc_s))


def format_time(utc_ns: int) -> str:
    """UTC nanoseconds as RFC 3339 with nine digits."""
    utc_s, nanoseconds = divmod(utc_ns, NS_PER_S)
    return f"{_whole_second(utc_s)}.{nanoseconds:09d}Z"

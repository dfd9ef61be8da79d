"""What the bare pipeline reads from the line and hands on."""

from __future__ import annotations

from msgspec import Raw, Struct, field


class UpstreamRecord(Struct, gc=False):
    """A quote in Alpaca's protocol, as far as it is used; `t` is MessagePack's timestamp of 8 bytes, unread."""

    S: str
    t: Raw
    bp: float
    bs: float
    ap: float
    as_: float = field(name="as")


class BareQuote(Struct, array_like=True, gc=False):
    """A quote as it crosses; times are UTC nanoseconds."""

    symbol: str
    bid_price: float
    bid_size: float
    ask_price: float
    ask_size: float
    exchange_ns: int
    received_ns: int

"""The venue's REST data: paths to ask, and answers as typed rows. Pure.

Source: Alpaca's Market Data API, `/v2/stocks/{quotes,trades}/latest` and `/v2/stocks/snapshots`. Members of a snapshot
may be missing; a symbol that the venue does not know is missing altogether. An answer shows that a symbol ticks or is
traded, never that it is halted: there is no such field.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

import msgspec

from quotebus.pricing.messages import parse_json_time_ns
from quotebus.pricing.rest_connection import RestFailed

MOST_SYMBOLS = 100


class Latest(StrEnum):
    """What to ask for."""

    QUOTES = "quotes/latest"
    TRADES = "trades/latest"
    SNAPSHOTS = "snapshots"


@dataclass(frozen=True, slots=True)
class VenueQuote:
    """A latest quote. Prices in dollars; 0 is an absent side. `exchange_ns`: UTC, the exchange's."""

    exchange_ns: int
    bid_price: float
    bid_size: float
    ask_price: float
    ask_size: float


@dataclass(frozen=True, slots=True)
class VenueTrade:
    """A latest trade, with its sale conditions, exchange and tape as the venue gives them."""

    exchange_ns: int
    price: float
    size: float
    exchange: str
    conditions: tuple[str, ...]
    tape: str


@dataclass(frozen=True, slots=True)
class VenueRow:
    """What the venue says of one symbol; None is what it does not say."""

    quote: VenueQuote | None = None
    trade: VenueTrade | None = None


class _Quote(msgspec.Struct):
    t: str
    bp: float = 0.0
    bs: float = 0.0
    ap: float = 0.0
    as_: float = msgspec.field(default=0.0, name="as")


class _Trade(msgspec.Struct):
    t: str
    p: float
    s: float = 0.0
    x: str | None = None
    c: list[str] | None = None
    z: str | None = None


class _Snapshot(msgspec.Struct):
    latest_quote: _Quote | None = msgspec.field(default=None, name="latestQuote")
    latest_trade: _Trade | None = msgspec.field(default=None, name="latestTrade")


def make_path(what: Latest, symbols: tuple[str, ...], feed: str) -> str:
    """The path and query of one request about at most 100 symbols."""
    return f"/v2/stocks/{what}?{urlencode({'symbols': ','.join(symbols[:MOST_SYMBOLS]), 'feed': feed})}"


def read_rows(what: Latest, answer: object) -> dict[str, VenueRow]:
    """The rows of an answer by symbol. Raises RestFailed when it is of another shape."""
    try:
        if what is Latest.SNAPSHOTS:
            found = msgspec.convert(answer, dict[str, _Snapshot | None])
            return {
                symbol: VenueRow(_quote(snapshot.latest_quote), _trade(snapshot.latest_trade))
                for symbol, snapshot in found.items()
                if snapshot is not None
            }
        if what is Latest.QUOTES:
            quotes = msgspec.convert(_member(answer, "quotes"), dict[str, _Quote])
            return {symbol: VenueRow(quote=_quote(quote)) for symbol, quote in quotes.items()}
        trades = msgspec.convert(_member(answer, "trades"), dict[str, _Trade])
        return {symbol: VenueRow(trade=_trade(trade)) for symbol, trade in trades.items()}
    except (msgspec.ValidationError, ValueError):
        raise RestFailed(f"not an answer about {what}") from None


def _member(answer: object, name: str) -> Any:
    return answer.get(name) if isinstance(answer, dict) else None


def _quote(raw: _Quote | None) -> VenueQuote | None:
    if raw is None:
        return None
    return VenueQuote(parse_json_time_ns(msgspec.Raw(raw.t.encode())), raw.bp, raw.bs, raw.ap, raw.as_)


def _trade(raw: _Trade | None) -> VenueTrade | None:
    if raw is None:
        return None
    at_ns = parse_json_time_ns(msgspec.Raw(raw.t.encode()))
    return VenueTrade(at_ns, raw.p, raw.s, raw.x or "", tuple(raw.c or ()), raw.z or "")

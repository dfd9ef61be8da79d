"""Alpaca's market-data REST API: the latest quotes and trades, and snapshots of both, from the market as it is. Pure.

What it shows does not depend on what the streams do: where a fault makes them mute, the market goes on here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl

from quotebus.pricing.simulator.encoding import rfc3339
from quotebus.pricing.simulator.records import Quote, Trade
from quotebus.pricing.simulator.symbols import ACCEPTED

NS_PER_S = 1_000_000_000
MINUTE_NS = 60 * NS_PER_S
PER_MINUTE = 200
"""As the free plan allows."""
FEEDS = ("delayed_sip", "iex", "otc", "sip", "boats", "overnight")
PATH = re.compile(r"/v2/stocks/(quotes/latest|trades/latest|snapshots)")


class DataReply(NamedTuple):
    """Status, JSON value and headers of one answer."""

    status: int
    value: object
    headers: Mapping[str, str]


class DataApi:
    """Answers about any symbols; `quote` and `trade` give the newest of one, None for a symbol that never ticks."""

    def __init__(self, quote: Callable[[str, int], Quote | None], trade: Callable[[str, int], Trade | None]) -> None:
        self._quote = quote
        self._trade = trade
        self._minute = 0
        self._used = 0

    def answer(self, path: str, query: str, utc_ns: int) -> DataReply:
        """The answer to GET `path`, which must match PATH."""
        left = self._count(utc_ns)
        headers = {
            "X-RateLimit-Limit": str(PER_MINUTE),
            "X-RateLimit-Remaining": str(max(0, left)),
            "X-RateLimit-Reset": str((self._minute + 1) * 60),
        }
        if left < 0:
            return DataReply(429, {"message": "too many requests."}, headers)
        given = dict(parse_qsl(query))
        symbols = [symbol for symbol in given.get("symbols", "").upper().split(",") if symbol]
        wrong = [symbol for symbol in symbols if not ACCEPTED.match(symbol) or symbol == "*"]
        feed = given.get("feed", FEEDS[0])
        problem = (
            "symbols is required"
            if not symbols
            else f"invalid symbol: {wrong[0][:32]}"
            if wrong
            else f"invalid feed: {feed[:32]}"
            if feed not in FEEDS
            else ""
        )
        if problem:
            return DataReply(400, {"message": problem}, headers)
        match = PATH.fullmatch(path)
        assert match is not None
        return DataReply(200, self._read(match[1], list(dict.fromkeys(symbols)), utc_ns), headers)

    def _count(self, utc_ns: int) -> int:
        """Count a request; how many are left in this minute, negative when it is one too many."""
        if self._minute != utc_ns // MINUTE_NS:
            self._minute, self._used = utc_ns // MINUTE_NS, 0
        self._used += 1
        return PER_MINUTE - self._used

    def _read(self, what: str, symbols: list[str], utc_ns: int) -> object:
        """Symbols that the market does not have are left out, as are the members of a snapshot that there are not."""
        found = {s: (self._quote(s, utc_ns), self._trade(s, utc_ns)) for s in symbols}
        if what == "quotes/latest":
            return {"quotes": {s: _without_symbol(quote) for s, (quote, _) in found.items() if quote is not None}}
        if what == "trades/latest":
            return {"trades": {s: _without_symbol(trade) for s, (_, trade) in found.items() if trade is not None}}
        return {
            s: {name: _without_symbol(record) for name, record in
                (("latestTrade", trade), ("latestQuote", quote)) if record is not None}
            for s, (quote, trade) in found.items()
            if quote is not None
        }  # fmt: skip


def _without_symbol(record: Quote | Trade) -> dict[str, object]:
    fields = record.fields()
    return {**{name: value for name, value in fields.items() if name not in ("T", "S")}, "t": rfc3339(record.t_ns)}

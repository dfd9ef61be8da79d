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
from quotebus.pricing.simulator.trading.rest_limit import RestLimit

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
        self._limit = RestLimit()

    def answer(self, path: str, query: str, utc_ns: int) -> DataReply:
        """The answer to GET `path`, which must match PATH."""
        is_allowed, headers = self._limit.count("", PER_MINUTE, utc_ns)
        if not is_allowed:
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

"""Market data by REST: the market as it is, also where streams are mute, documented errors, Alpaca's own client."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.pricing.simulator.broadcast import Broadcast
from quotebus.pricing.simulator.records import Quote, Trade
from quotebus.pricing.simulator.trading.data_api import PATH, PER_MINUTE, DataApi

Open = Callable[..., Any]
NOW_NS = 1_767_623_400 * NS_PER_S
SNAPSHOTS = "/v2/stocks/snapshots"


def made(**markets: Quote) -> DataApi:
    trade = Trade("A", 7, "V", 10.5, 3, "C", NOW_NS - 1)
    return DataApi(lambda symbol, _: markets.get(symbol), lambda symbol, _: trade if symbol == "A" else None)


QUOTE = Quote("A", "V", 10.0, 100, "Q", 10.01, 200, "C", NOW_NS + 5)


def test_quotes_trades_and_snapshots_are_shaped_as_documented() -> None:
    api = made(A=QUOTE, B=QUOTE)
    quote = {"bx": "V", "bp": 10.0, "bs": 100, "ax": "Q", "ap": 10.01, "as": 200, "c": ["R"], "z": "C",
             "t": "2026-01-05T14:30:00.000000005Z"}  # fmt: skip
    trade = {"i": 7, "x": "V", "p": 10.5, "s": 3, "c": ["@"], "z": "C", "t": "2026-01-05T14:29:59.999999999Z"}
    assert api.answer("/v2/stocks/quotes/latest", "symbols=a,X&feed=iex", NOW_NS).value == {"quotes": {"A": quote}}
    assert api.answer("/v2/stocks/trades/latest", "symbols=A,B", NOW_NS).value == {"trades": {"A": trade}}
    reply = api.answer(SNAPSHOTS, "symbols=A,B,X,A&feed=sip", NOW_NS)
    assert reply.value == {"A": {"latestTrade": trade, "latestQuote": quote}, "B": {"latestQuote": quote}}
    assert reply.status == 200
    assert PATH.fullmatch("/v2/stocks/bars") is None


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "symbols is required"),
        ("symbols=,", "symbols is required"),
        ("symbols=A,$$", "invalid symbol: $$"),
        ("symbols=*", "invalid symbol: *"),
        ("symbols=A&feed=test", "invalid feed: test"),
    ],
)
def test_what_is_wrong_is_said(query: str, message: str) -> None:
    reply = made().answer(SNAPSHOTS, query, NOW_NS)
    assert (reply.status, reply.value) == (400, {"message": message})


def test_a_minute_has_200_requests_and_says_how_many_are_left() -> None:
    api = made()
    for left in reversed(range(PER_MINUTE)):
        reply = api.answer(SNAPSHOTS, "symbols=A", NOW_NS)
        assert (reply.status, reply.headers["X-RateLimit-Remaining"]) == (200, str(left))
    reply = api.answer(SNAPSHOTS, "symbols=A", NOW_NS)
    assert (reply.status, reply.value) == (429, {"message": "too many requests."})
    assert int(reply.headers["X-RateLimit-Reset"]) * NS_PER_S > NOW_NS
    assert api.answer(SNAPSHOTS, "symbols=A", NOW_NS + 60 * NS_PER_S).status == 200


class Everything:
    """A receiver of some symbols that keeps nothing."""

    feed = "iex"
    has_room = True

    def __init__(self, *symbols: str) -> None:
        from quotebus.pricing.simulator.encoding import JSON

        self.encoding = JSON
        self._symbols = symbols
        self.quotes: list[Any] = []

    def symbols(self, channel: str) -> tuple[str, ...]:
        return self._symbols if channel == "quotes" else ()

    def take(self, record: Any, data: bytes) -> None:
        self.quotes.append(record)


def test_a_market_that_is_shown_is_as_shown_and_one_that_is_mute_goes_on_unseen() -> None:
    broadcast, receiver = Broadcast(1, 10.0), Everything("A", "B")
    broadcast.rebuild([receiver], ["A", "B"], 0)
    for step in range(40):
        broadcast.run(step * NS_PER_S // 10, lambda: NOW_NS)
    shown = {quote.symbol: quote for quote in receiver.quotes}
    later_ns = NOW_NS + 10 * NS_PER_S
    assert broadcast.latest_quote("A", later_ns) == shown["A"]
    broadcast.mute(False, frozenset({"A"}), frozenset({"B"}))
    assert broadcast.latest_quote("A", later_ns) == shown["A"], "it does not tick at all"
    unseen = broadcast.latest_quote("B", later_ns)
    assert unseen is not None
    assert unseen.t_ns == later_ns
    assert broadcast.latest_quote("B", later_ns + NS_PER_S // 20) == unseen, "not before it is due"
    broadcast.mute(True, frozenset())
    assert broadcast.latest_quote("A", later_ns) != shown["A"]
    assert broadcast.latest_quote("ZZTOP", later_ns) is None
    broadcast.set_rate(1e-6, 0)
    unseen = broadcast.latest_quote("A", later_ns)
    assert broadcast.latest_quote("A", later_ns + 3_600 * NS_PER_S) == unseen, "a market that stands still"
    assert broadcast.latest_trade("A", later_ns) is not None


def ask(program: Any, path: str, **headers: str) -> tuple[int, Any, Any]:
    keys = headers or {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
    request = urllib.request.Request(program.rest + path, headers=keys)
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, json.loads(response.read()), response.headers
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), error.headers


def test_the_program_serves_it_with_keys_and_limits(simulator: Any) -> None:
    status, value, headers = ask(simulator, f"{SNAPSHOTS}?symbols=SPY,ZZTOP&feed=iex")
    assert status == 200
    assert set(value) == {"SPY"}
    assert set(value["SPY"]) == {"latestTrade", "latestQuote"}
    assert headers["X-RateLimit-Limit"] == "200"
    assert ask(simulator, SNAPSHOTS)[:2] == (400, {"message": "symbols is required"})
    assert ask(simulator, f"{SNAPSHOTS}?symbols=SPY", **{"APCA-API-KEY-ID": "key"})[0] == 401
    simulator.control.faults(rest_status=[500, 1])
    assert ask(simulator, f"{SNAPSHOTS}?symbols=SPY")[0] == 500


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_alpacas_own_client_reads_it(simulator: Any) -> None:
    from alpaca.data.historical import StockHistoricalDataClient
    from alpaca.data.requests import StockLatestQuoteRequest, StockLatestTradeRequest, StockSnapshotRequest

    client = StockHistoricalDataClient("key", "secret", url_override=simulator.rest)
    names = ["SPY", "QQQ"]
    quotes = client.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=names))
    assert {symbol: quote.bid_price < quote.ask_price for symbol, quote in quotes.items()} == dict.fromkeys(names, True)
    trades = client.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols=names))
    assert all(trade.price > 0 for trade in trades.values())
    snapshots = client.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=names))
    assert {symbol: one.latest_quote.symbol for symbol, one in snapshots.items()} == {name: name for name in names}

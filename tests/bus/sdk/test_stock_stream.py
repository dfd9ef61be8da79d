"""`quotebus.alpaca.StockDataStream`: alpaca-py's interface, models, handlers, stop and run, over the bus."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgpack
import pytest
from alpaca.data.enums import DataFeed
from alpaca.data.live import StockDataStream as Theirs
from alpaca.data.models import Quote as AlpacaQuote
from alpaca.data.models import Trade as AlpacaTrade
from alpaca.trading.stream import TradingStream as TheirTradingStream

from quotebus import BusClient
from quotebus.alpaca import FlaggedQuote, StockDataStream, TradingStream
from quotebus.bus.errors import NotOnTheBus
from quotebus.bus.events import AckRow, Flag, Quote, SymbolsRequested, Trade
from quotebus.bus.sdk.price_policy import list_reasons
from quotebus.bus.sdk.stream_life import StreamLife
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.client_sockets import merge_ticks
from quotebus.bus.verdict import HaltKnowledge, Unusable, Verdict
from tests.support.aio import run, soon
from tests.support.bus import FakeNode, fake_node, running_broker
from tests.support.programs import eventually
from tests.support.samples import HEALTH, QUOTE, TRADE, like


@asynccontextmanager
async def serving(stream: StreamLife[Any]) -> AsyncIterator[None]:
    """The stream runs in this loop, and is stopped at the end."""
    task = asyncio.create_task(stream._run_forever())
    try:
        await soon(lambda: stream._running or task.done())
        yield
    finally:
        await stream.stop_ws()
        await task


def with_node(work: Callable[[BusSettings, FakeNode], Any]) -> None:
    async def main() -> None:
        with running_broker() as settings, fake_node(settings) as node:
            await work(settings, node)

    run(main())


def asked(node: FakeNode) -> tuple[str, ...]:
    return node.requests[-1].symbols if node.requests else ()


@pytest.mark.parametrize(("ours", "theirs"), [(StockDataStream, Theirs), (TradingStream, TheirTradingStream)])
def test_every_method_takes_what_alpaca_pys_takes(ours: type, theirs: type) -> None:
    for name, method in inspect.getmembers(theirs, inspect.isfunction):
        if name.startswith("_") and name not in ("__init__", "_run_forever"):
            continue
        wanted = list(inspect.signature(method).parameters.values())
        found = list(inspect.signature(getattr(ours, name)).parameters.values())
        extra = [each for each in found[len(wanted) :] if each.kind is not each.KEYWORD_ONLY]
        assert ([each.name for each in found[: len(wanted)]], extra) == ([each.name for each in wanted], []), name
        assert inspect.iscoroutinefunction(getattr(ours, name)) == inspect.iscoroutinefunction(method), name


def test_models_are_alpaca_pys_own() -> None:
    async def work(settings: BusSettings, node: FakeNode) -> None:
        got: list[Any] = []

        async def on_tick(tick: Any) -> None:
            got.append(tick)

        stream = StockDataStream("key", "secret", settings=settings)
        stream.subscribe_quotes(on_tick, "spy")
        stream.subscribe_trades(on_tick, "SPY")
        async with serving(stream):
            await soon(lambda: asked(node) == ("SPY",) and "trades" in node.requests[-1].channels)
            node.publish(QUOTE, like(QUOTE, bid_price=None, bid_size=None), TRADE)
            await soon(lambda: len(got) == 3)
        sent = {
            "T": "q", "S": "SPY", "bx": "V", "bp": 687.25, "bs": 3, "ax": "V", "ap": 687.27, "as": 2, "c": ["R"],
            "t": msgpack.Timestamp.from_unix_nano(QUOTE.exchange_ns), "z": "B",
        }  # fmt: skip
        assert got[0] == Theirs("key", "secret")._cast(sent), "the model that alpaca-py makes of the venue's message"
        assert (type(got[0]), type(got[2])) == (AlpacaQuote, AlpacaTrade)
        assert (got[0].ask_price, got[0].timestamp.timestamp()) == (QUOTE.ask_price, QUOTE.exchange_ns // 1000 / 1e6)
        assert got[1].bid_price == 0, "an absent side is 0, as from the venue"
        assert (got[2].price, got[2].id, got[2].conditions) == (TRADE.price, TRADE.trade_id, list(TRADE.conditions))

    with_node(work)


def test_quotes_and_trades_come_together_in_the_order_they_were_published() -> None:
    late, early = like(QUOTE, published_ns=3), like(QUOTE, published_ns=1, symbol="AAPL")
    trade = like(TRADE, published_ns=2)
    assert merge_ticks([late, early], [trade]) == [early, trade, late]
    with running_broker() as settings, fake_node(settings) as node, BusClient(settings, name="ticks") as client:
        ticks = client.ticks(timeout_s=10)
        client.request(["SPY"], channels=["quotes", "trades"])
        eventually(lambda: "trades" in node.requests[-1].channels if node.requests else False)
        node.publish(TRADE, QUOTE, TRADE)
        got = [type(tick) for tick, _ in zip(ticks, range(3), strict=False)]
    assert got == [Trade, Quote, Trade]


def test_raw_data_is_in_the_venues_form() -> None:
    async def work(settings: BusSettings, node: FakeNode) -> None:
        got: list[dict[str, Any]] = []

        async def on_tick(tick: dict[str, Any]) -> None:
            got.append(tick)

        stream = StockDataStream("key", "secret", raw_data=True, settings=settings)
        stream.subscribe_quotes(on_tick, "SPY")
        async with serving(stream):
            await soon(lambda: asked(node) == ("SPY",))
            node.publish(QUOTE)
            await soon(lambda: got)
        assert got[0]["t"].to_unix_nano() == QUOTE.exchange_ns
        assert (got[0]["T"], got[0]["S"], got[0]["ap"], got[0]["c"]) == ("q", "SPY", QUOTE.ask_price, ["R"])

    with_node(work)


def test_subscriptions_change_while_it_runs_from_a_handler_and_from_a_thread(caplog: Any) -> None:
    caplog.set_level(logging.INFO, "quotebus.bus.sdk")

    async def work(settings: BusSettings, node: FakeNode) -> None:
        got: list[str] = []
        stream = StockDataStream("key", "secret", settings=settings)

        async def on_star(quote: Any) -> None:
            got.append(f"* {quote.symbol}")

        async def on_quote(quote: Any) -> None:
            got.append(quote.symbol)
            stream.subscribe_quotes(on_star, "*")  # where alpaca-py would wait for itself
            stream.subscribe_trades(on_star, "AAPL")

        stream.subscribe_quotes(on_quote, "SPY")
        async with serving(stream):
            await soon(lambda: asked(node) == ("SPY",))
            node.publish(QUOTE)
            await soon(lambda: asked(node) == ("AAPL", "SPY"), why="* asks for nothing")
            node.publish(like(QUOTE, symbol="AAPL"))
            await soon(lambda: got == ["SPY", "* AAPL"], why="what this stream names for anything")
            thread = threading.Thread(target=stream.unsubscribe_quotes, args=("SPY",))
            thread.start()
            await soon(lambda: asked(node) == ("AAPL",))
            thread.join()
            stream.unsubscribe_trades("AAPL")
            await soon(lambda: asked(node) == ())
        assert not stream._running
        with pytest.raises(KeyError):
            stream.unsubscribe_quotes("SPY")

    with_node(work)
    assert "every symbol that this stream names" in caplog.text
    assert "subscribed to trades: ['AAPL'], quotes: ['*', 'SPY']" in caplog.text


def test_a_handler_that_raises_ends_nothing_and_one_that_runs_is_the_last(caplog: Any) -> None:
    async def work(settings: BusSettings, node: FakeNode) -> None:
        begun, ended = [], []
        may_end = asyncio.Event()
        stream = StockDataStream("key", "secret", settings=settings)

        async def on_quote(quote: Any) -> None:
            begun.append(quote)
            if len(begun) == 1:
                raise ZeroDivisionError("the bot's own")
            await may_end.wait()
            ended.append(quote)

        stream.subscribe_quotes(on_quote, "SPY")
        task = asyncio.create_task(stream._run_forever())
        await soon(lambda: asked(node) == ("SPY",))
        node.tick("SPY", 4)
        await soon(lambda: len(begun) == 2, why="handlers are called one after the other")
        stream.stop()  # in the loop's own thread, where alpaca-py would wait for itself
        await asyncio.sleep(0)
        assert not task.done()
        may_end.set()
        await task
        assert (len(begun), len(ended)) == (2, 1), "what waits is not delivered after a stop"
        await soon(lambda: asked(node) == (), why="nothing is asked for any more")

    with_node(work)
    assert "the bot's own" in caplog.text


def test_run_and_stop_from_another_thread_twice() -> None:
    ended: list[str] = []

    async def work(settings: BusSettings, node: FakeNode) -> None:
        got: list[Any] = []

        async def on_quote(quote: Any) -> None:
            got.append(quote)

        stream = StockDataStream("key", "secret", settings=settings)
        stream.stop()  # nothing runs
        for turn in range(2):
            thread = threading.Thread(target=stream.run)
            thread.start()
            stream.subscribe_quotes(on_quote, "SPY")
            await soon(lambda: asked(node) == ("SPY",))
            got.clear()
            node.tick("SPY")
            await soon(lambda: got)
            if turn:
                stream.stop()
            else:
                await stream.close()  # on another loop than the stream's, as programs do
            await asyncio.to_thread(thread.join, 20)
            assert not thread.is_alive()
            assert {quote.symbol for quote in got} == {"SPY"}
            await soon(lambda: asked(node) == ())
            ended.append("with a subscription")
        idle = StockDataStream(settings=settings)
        waiting = threading.Thread(target=idle.run)
        waiting.start()
        await soon(lambda: idle._loop and idle._loop.is_running())
        idle.stop()
        await asyncio.to_thread(waiting.join, 20)
        assert not waiting.is_alive()
        ended.append("idle")

    with_node(work)
    assert ended == ["with a subscription", "with a subscription", "idle"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("pass", [(0, None), (687, None)]),
        ("drop", [(687, None)]),
        ("flag", [(0, ("one_sided",)), (687, ())]),
    ],
)
@pytest.mark.parametrize("raw_data", [False, True])
def test_what_becomes_of_a_price_that_may_not_be_used(policy: str, expected: list[Any], raw_data: bool) -> None:
    async def work(settings: BusSettings, node: FakeNode) -> None:
        got: list[Any] = []
        seen: list[int] = []
        stream = StockDataStream(policy=policy, raw_data=raw_data, settings=settings)

        async def on_quote(quote: Any) -> None:
            bid, reasons = (quote["bp"], quote.get("reasons")) if raw_data else (quote.bid_price, None)
            got.append((int(bid), reasons if raw_data else getattr(quote, "reasons", None)))

        stream.subscribe_quotes(on_quote, "SPY")
        async with serving(stream):
            await soon(lambda: asked(node) == ("SPY",))
            while not got or got[-1][1]:  # until health and answer are there
                seen.append(len(got) + stream.dropped)
                node.tick("SPY")
                await soon(lambda: len(got) + stream.dropped > seen[-1])
            got.clear()
            node.publish(like(QUOTE, bid_price=None, bid_size=None, flags=1))
            before = stream.dropped
            await soon(lambda: got or stream.dropped > before)
            node.tick("SPY")
            await soon(lambda: got and got[-1][0])
        assert got == expected

    with_node(work)


def test_the_reasons_against_one_quote() -> None:
    newest = like(QUOTE, seq=8)
    fine = Verdict("SPY", (), newest, None, None, HaltKnowledge.TRADING, 0)
    assert list_reasons(newest, fine) == ()
    assert list_reasons(QUOTE, fine) == ("superseded",), "the newest may be used, this one no more"
    assert list_reasons(newest, replace(fine, reasons=(Unusable.HALTED,))) == ("halted",)
    assert list_reasons(like(newest, flags=int(Flag.CROSSED)), fine) == ("crossed",)
    assert not FlaggedQuote("SPY", {"t": 0, "bp": 1, "bs": 1, "ap": 2, "as": 1}, ("halted",)).usable


def test_a_feed_that_the_node_does_not_have_and_symbols_that_cannot_be_had(caplog: Any) -> None:
    async def work(settings: BusSettings, node: FakeNode) -> None:
        async def on_quote(_: Any) -> None: ...

        sip = StockDataStream("key", "secret", feed=DataFeed.SIP, settings=settings)
        sip.subscribe_quotes(on_quote, "SPY")
        await sip._run_forever()
        test = StockDataStream(
            "key", "secret", url_override="wss://stream.data.alpaca.markets/v2/test", settings=settings
        )
        test.subscribe_quotes(on_quote, "FAKEPACA")
        await test._run_forever()

        def rows(request: SymbolsRequested) -> dict[str, object]:
            return {"results": tuple(AckRow(each, "refused", "no_such_symbol", None, 0) for each in request.symbols)}

        node.answers = rows
        typo = StockDataStream("key", "secret", url_override="ws://127.0.0.1:1/whatever", settings=settings)
        typo.subscribe_quotes(on_quote, "SPYY")
        async with serving(typo):
            await soon(lambda: "SPYY has no price: no_such_symbol" in caplog.text)

    with_node(work)
    assert f"the node has {HEALTH.feed}, not sip" in caplog.text
    assert f"the node has {HEALTH.feed}, not test" in caplog.text


def test_what_the_bus_does_not_carry_is_said_at_once() -> None:
    stream = StockDataStream("key", "secret")

    async def handler(_: Any) -> None: ...

    for method in ("subscribe_bars", "subscribe_updated_bars", "subscribe_daily_bars", "subscribe_trading_statuses"):
        with pytest.raises(NotOnTheBus, match=r"quotes and trades, no .*: read them by REST"):
            getattr(stream, method)(handler, "SPY")
    for method in ("register_trade_corrections", "register_trade_cancels"):
        with pytest.raises(NotImplementedError):
            getattr(stream, method)(handler)
    stream.unsubscribe_bars("SPY")
    with pytest.raises(ValueError, match="handler must be a coroutine function"):
        stream.subscribe_quotes(print, "SPY")
    for wrong in ({"feed": DataFeed.OTC}, {"data_timeout": 0}, {"policy": "maybe"}):
        with pytest.raises(ValueError):
            StockDataStream("key", "secret", **wrong)


def test_other_venues_are_told_in_one_line() -> None:
    for name, why in (
        ("CryptoDataStream", "crypto is no venue of the bus yet"),
        ("OptionDataStream", "options are no venue of the bus yet"),
        ("NewsDataStream", "the bus carries no news"),
    ):
        with pytest.raises(ImportError, match=f"quotebus.alpaca has no {name}: {why}"):
            exec(f"from quotebus.alpaca import {name}")
    with pytest.raises(ImportError, match="cannot import name 'StockStream'"):
        exec("from quotebus.alpaca import StockStream")

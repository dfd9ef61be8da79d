"""Handlers, windows, frames and time of both clients, against a real broker."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from quotebus import AsyncBusClient, BusClient, BusSettings, Quote, Trade
from tests.support import aio
from tests.support.bus import ask, fake_node, running_broker
from tests.support.programs import eventually
from tests.support.samples import TRADE, like


@pytest.fixture
def settings() -> Iterator[BusSettings]:
    with running_broker() as settings:
        yield settings


def test_a_handler_that_raises_is_told_and_costs_nobody_a_tick(
    settings: BusSettings, caplog: pytest.LogCaptureFixture
) -> None:
    good: list[int] = []
    trades: list[int] = []
    bad: list[int] = []

    def close_after_the_last() -> None:
        """Quotes and trades come in no order between them."""
        if (len(good), len(bad), len(trades)) == (5, 10, 3):
            client.close()

    def broken(quote: Quote) -> None:
        bad.append(quote.seq)
        close_after_the_last()
        raise KeyError(quote.symbol)

    def keep_quote(quote: Quote) -> None:
        good.append(quote.seq)
        close_after_the_last()

    def keep_trade(trade: Trade) -> None:
        trades.append(trade.trade_id)
        close_after_the_last()

    with fake_node(settings) as node, BusClient(settings, name="handlers") as client:
        client.on("quotes", broken, conflate=False)
        client.on("quotes", keep_quote, symbols="spy", conflate=False)
        client.on("trades", keep_trade)
        ask(client, ["SPY", "QQQ"], channels=["quotes", "trades"])
        node.tick("SPY", 5)
        node.tick("QQQ", 5)
        eventually(lambda: client.counters["feed_depth"] == 15)
        node.publish(*(like(TRADE, trade_id=number) for number in range(3)))
        client.run(for_s=60)
        assert sorted(good) == [1, 2, 3, 4, 5]
        assert len(bad) == 10
        assert trades == [0, 1, 2]
        assert client.counters["handler_errors"] == 10
    [told] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "client handlers: handler" in told.getMessage()
    assert "broken raised on a Quote of" in told.getMessage()
    assert told.exc_info is not None
    assert told.exc_info[0] is KeyError


def test_run_ends_in_time_once_at_a_time_and_with_the_client(settings: BusSettings) -> None:
    with fake_node(settings), BusClient(settings, name="runs") as client:
        client.run(for_s=0.05)
        assert client.sleep(0.01)
        assert client.sleep(0)
        running = threading.Thread(target=client.run)
        running.start()
        eventually(lambda: client._handlers.running)
        with pytest.raises(RuntimeError, match="running already"):
            client.run(for_s=1)
        threading.Timer(0.05, client.close).start()
        assert not client.sleep(30), "closed meanwhile"
        running.join(10)
        assert not running.is_alive()


@pytest.mark.parametrize("wrong", [-1, float("nan"), float("inf")])
def test_durations_are_seconds(settings: BusSettings, wrong: float) -> None:
    with BusClient(settings, name="times") as client:
        with pytest.raises(ValueError, match="for_s must be 0 or more seconds"):
            client.run(for_s=wrong)
        with pytest.raises(ValueError, match="duration_s must be 0 or more seconds"):
            client.sleep(wrong)


def test_what_cannot_be_a_handler_is_refused(settings: BusSettings) -> None:
    async def coroutine(quote: Quote) -> None:
        """Never called."""

    with BusClient(settings, name="refuses") as client:
        with pytest.raises(ValueError, match="not one of quotes, trades, orders: 'quote'"):
            client.on("quote", print)
        with pytest.raises(ValueError, match="not a function"):
            client.on("quotes", 5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="a handler of AsyncBusClient only"):
            client.on("quotes", coroutine)
        with pytest.raises(ValueError, match="not a handler"):
            client.off(print)


def test_off_ends_a_handler_also_from_within(settings: BusSettings) -> None:
    seen: list[int] = []

    def once(quote: Quote) -> None:
        seen.append(quote.seq)
        client.off(once)

    with fake_node(settings) as node, BusClient(settings, name="off") as client:
        client.on("quotes", once, conflate=False)
        ask(client, ["SPY"])
        node.tick("SPY", 5)
        eventually(lambda: client.counters["feed_depth"] >= 5)
        client.run(for_s=0.05)
        assert seen == [1]
        assert client.counters["feed_depth"] == 0, "what waited for it is gone"


def test_windows_and_frames_of_a_live_client(settings: BusSettings) -> None:
    with fake_node(settings) as node, BusClient(settings, name="data") as client:
        ask(client, ["SPY", "QQQ"])
        assert client.window("spy", 3) == client.window("AAPL") == []
        node.tick("SPY", 5)
        eventually(lambda: client.usable("SPY"))
        eventually(lambda: len(client.window("SPY", 3)) == 3)
        assert [quote.seq for quote in client.window("SPY", 3)] == [3, 4, 5]
        board = client.frame()
        assert list(board.index) == ["SPY", "QQQ"]
        assert list(board["usable"]) == [True, False]
        assert board["reasons"]["QQQ"] == "no_quote"
        assert len(client.frame(client.window("SPY", 2))) == 2
        client.discard("SPY")
        assert client.window("SPY") == []
        assert abs(client.now - datetime.now(UTC)) < timedelta(seconds=2)
    assert client.frame().empty, "what only reads still answers after close: nothing is asked for"


def test_handlers_of_an_event_loop_may_be_coroutines(settings: BusSettings) -> None:
    async def main() -> None:
        seen: list[Any] = []

        async def awaited(quote: Quote) -> None:
            await asyncio.sleep(0)
            seen.append(quote.seq)

        with fake_node(settings) as node:
            async with AsyncBusClient(settings, name="loop") as client:
                client.on("quotes", awaited, conflate=False)
                client.on("quotes", lambda quote: 1 / 0, conflate=False)
                await aio.ask(client, ["SPY"])
                running = asyncio.create_task(client.run())
                node.tick("SPY", 5)
                await aio.soon(lambda: seen == [1, 2, 3, 4, 5])
                await aio.soon(lambda: client.counters["handler_errors"] == 5)
                assert await client.sleep(0.01)
                asyncio.get_running_loop().call_later(0.05, lambda: asyncio.ensure_future(client.close()))
                assert not await client.sleep(30)
                await running

    aio.run(main())

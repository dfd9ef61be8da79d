"""A program written for alpaca-py over a recording: what it gets live, each time the same."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from alpaca.data.enums import DataFeed

from quotebus import ReplayClient
from quotebus.alpaca import FlaggedQuote, StockDataStream
from quotebus.bus.events import Quote
from tests.support.market import day, write
from tests.support.world import World


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(day().entries, tmp_path_factory.mktemp("day") / "day.mcap")


def play(recording: Path, **arguments: Any) -> list[Any]:
    stream, heard = StockDataStream("key", "secret", recording=recording, **arguments), []

    async def hear(item: Any) -> None:
        heard.append(item)

    stream.subscribe_quotes(hear, "SPY", "QQQ")
    stream.subscribe_trades(hear, "SPY")
    stream.run()
    return heard


def test_run_plays_the_recording_to_its_end_each_time_the_same(recording: Path) -> None:
    first, second = (play(recording, raw_data=True) for _ in range(2))
    assert first == second
    assert {item["T"] for item in first} == {"q", "t"}


def test_quotes_are_flagged_as_a_client_of_the_recording_judges_them(recording: Path) -> None:
    flagged = [item for item in play(recording, policy="flag") if isinstance(item, FlaggedQuote)]
    with ReplayClient(recording) as bus:
        feed = bus.ticks()
        bus.request(["SPY", "QQQ"], channels=["quotes", "trades"])
        judged = [
            (quote.symbol, quote.ask_price or 0.0, tuple(map(str, bus.assess(quote.symbol).reasons)))
            for quote in feed
            if isinstance(quote, Quote)
        ]
    assert [(quote.symbol, quote.ask_price, quote.reasons) for quote in flagged] == judged
    assert {quote.usable for quote in flagged} == {True, False}


def test_of_another_feed_than_the_recorded_one_nothing_is_delivered(
    recording: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    assert play(recording, feed=DataFeed.SIP) == []
    assert "insufficient subscription: the node has iex, not sip" in caplog.text


def test_a_handler_gets_over_the_recording_what_it_got_live(world: World, tmp_path: Path) -> None:
    world.broker()
    world.exchange("--rate", "300")
    world.node()
    recorder = world.start("quotebus", "record", "-o", str(tmp_path / "day.mcap"))
    recorder.line("recording")
    live = StockDataStream("key", "secret", True, settings=world.settings())
    heard: list[dict[str, Any]] = []

    async def hear(quote: dict[str, Any]) -> None:
        heard.append(quote)
        if len(heard) == 200:
            live.stop()

    live.subscribe_quotes(hear, "SPY", "QQQ")
    live.run()
    recorder.stop()
    replayed = [item for item in play(tmp_path / "day.mcap", raw_data=True) if item["T"] == "q"]
    assert replayed[: len(heard)] == heard

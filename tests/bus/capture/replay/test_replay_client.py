"""The same strategy over a recording, without a bus: the same each time, judged as it was live."""

from __future__ import annotations

import asyncio
import inspect
import logging
from pathlib import Path
from typing import Any

import pytest

from quotebus import AsyncBusClient, AsyncReplayClient, BusClient, ReplayClient, TradeIntent
from quotebus.bus import codec
from quotebus.bus.capture import NotACapture
from quotebus.bus.capture.replay.inprocess import InProcessBus
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Quote
from tests.support import aio
from tests.support.market import Market, day, write
from tests.support.samples import INTENT, TRADE, UTC_NS, like


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(day().entries, tmp_path_factory.mktemp("day") / "day.mcap")


def judge(bus: BusClient) -> list[tuple[str, int, str]]:
    """A strategy that only looks: each quote, and what may be said of its symbol then."""
    feed = bus.quotes(conflate=False)
    bus.request(["SPY", "QQQ"])
    return [(quote.symbol, quote.seq, str(bus.assess(quote.symbol).reasons)) for quote in feed]


def test_it_has_every_name_of_a_client_and_two_of_its_own() -> None:
    for ours, theirs in ((ReplayClient, BusClient), (AsyncReplayClient, AsyncBusClient)):
        names = {name for name in dir(ours) if name[0] != "_"}
        assert names - {name for name in dir(theirs) if name[0] != "_"} == {"published", "damages"}
        assert issubclass(ours, theirs)
        changed = [name for name in names & set(vars(ours)) if inspect.isfunction(getattr(ours, name))]
        assert not changed, "what a strategy calls is the very same function"


def test_prices_are_judged_as_a_consumer_in_the_stream_judges_them(recording: Path) -> None:
    with ReplayClient(recording) as bus:
        judged = judge(bus)
    other = InProcessBus(day().entries)
    consumer = other.consumer("judge", ["SPY", "QQQ"])
    expected = [
        (event.symbol, event.seq, str(consumer.book.assess(event.symbol, consumer.stream_ns).reasons))
        for event in other.play()
        if isinstance(event, Quote) and event.symbol in ("SPY", "QQQ")
    ]
    assert judged == expected
    assert {reasons for symbol, _, reasons in judged if symbol == "SPY"} >= {"none", "not_live, halted"}


def test_the_same_program_does_the_same_each_time_also_when_it_is_slow(recording: Path) -> None:
    runs = []
    for _ in range(2):
        with ReplayClient(recording, name="momentum") as bus:
            events = judge(bus)
            for symbol, _, _ in events[:3]:
                assert bus.publish(like(INTENT, client="momentum", symbol=symbol))
            runs.append((events, [codec.encode(event) for event in bus.published], bus.counters, bus.now))
    assert runs[0] == runs[1]
    assert len(runs[0][1]) == 3


def test_waiting_moves_the_recording_on_and_nothing_else_does(recording: Path) -> None:
    with ReplayClient(recording) as bus:
        feed = bus.quotes(conflate=False)
        assert bus.status("SPY") is None
        before = bus.now
        assert not bus.usable("SPY")
        assert bus.now == before
        results = bus.request(["SPY", "QQQ", "NONE"], wait_s=0.2)
        assert {symbol: result.usable for symbol, result in results.items()} == {
            "SPY": True,
            "QQQ": True,
            "NONE": False,
        }
        assert 0.2 <= (bus.now - before).total_seconds() < 0.21
        assert bus.is_connected
        assert len(feed) > 10
        with pytest.raises(ValueError, match="executes nothing"):
            bus.execute("SPY", "buy", 1)


def test_time_passes_through_a_hole_of_the_recording_as_it_did_live(tmp_path: Path) -> None:
    market = Market()
    market.health()
    market.quote("SPY")
    market.status("SPY", "live")
    market.wait_ms(9_500)
    market.health()
    market.wait_ms(2_000)
    market.health()
    with ReplayClient(write(market.entries, tmp_path / "hole.mcap")) as bus:
        assert bus.request("SPY", wait_s=1)["SPY"].usable
        begin = bus.now
        reasons = []
        while bus.sleep(1):
            reasons.append(str(bus.assess("SPY").reasons))
            assert (bus.now - begin).total_seconds() == len(reasons)
        assert reasons[:9] == ["none"] * 3 + ["health_silent"] * 6
        assert reasons[9:] == ["none", "none"]


def test_symbols_asked_for_late_have_what_stands_then(recording: Path) -> None:
    with ReplayClient(recording) as bus:
        bus.request("SPY", wait_s=1)
        bus.sleep(1)
        assert bus.add("QQQ")["QQQ"].state == "live"
        assert bus.usable("QQQ")
        bus.discard("SPY")
        assert bus.symbols == ("QQQ",)


def test_a_part_of_the_day(recording: Path) -> None:
    from_ns, to_ns = UTC_NS + NS_PER_S, UTC_NS + 2 * NS_PER_S
    with ReplayClient(recording, from_ns=from_ns, to_ns=to_ns) as bus:
        assert bus.request(["SPY"])["SPY"].state == "live"
        first = bus.last_quote("SPY")
        assert first is not None
        assert first.received_ns < from_ns, "what stood when the part begins"
        received = [quote.received_ns for quote in bus.quotes(conflate=False)]
    assert received
    assert all(from_ns - NS_PER_S // 100 < each < to_ns for each in received)


def test_handlers_run_to_the_end_of_the_recording(recording: Path, caplog: pytest.LogCaptureFixture) -> None:
    calls: list[Any] = []

    def broken(quote: Quote) -> None:
        raise ZeroDivisionError

    with ReplayClient(recording) as bus:
        bus.on("quotes", calls.append, conflate=False)
        bus.on("quotes", broken, symbols=["SPY"])
        bus.on("trades", calls.append)
        bus.request(["SPY", "QQQ"], channels=["quotes", "trades"])
        bus.run(for_s=1)
        seen = len(calls)
        bus.run()
        assert 0 < seen < len(calls)
        assert {type(each).__name__ for each in calls} == {"Quote", "Trade"}
        assert [each.published_ns for each in calls] == sorted(each.published_ns for each in calls)
        assert bus.counters["handler_errors"] > 10
        assert not bus.sleep(1)
        bus.run()
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1


def test_loops_within_loops_and_timeouts_are_of_the_recording(recording: Path) -> None:
    with ReplayClient(recording) as bus:
        bus.request(["SPY", "AAPL"], channels=["quotes", "trades"])
        quotes = bus.quotes(timeout_s=1)
        trade = next(iter(bus.trades()))
        assert trade.symbol == TRADE.symbol
        assert len(list(quotes)) > 2, "it ends where both symbols are silent for a second"
        assert bus.sleep(0.01)


@pytest.mark.parametrize("name", ["quotes", "trades", "orders", "ticks"])
def test_every_iterator_plays_the_recording_and_ends_with_it(recording: Path, name: str) -> None:
    async def awaited() -> int:
        async with AsyncReplayClient(recording) as bus:
            feed = getattr(bus, name)()
            await bus.request(["SPY", "QQQ"], channels=["quotes", "trades"])
            return len([tick async for tick in feed])

    with ReplayClient(recording) as bus:
        feed = getattr(bus, name)()
        bus.request(["SPY", "QQQ"], channels=["quotes", "trades"])
        found = len(list(feed))
    assert (found > 0) == (name != "orders")
    assert aio.run(awaited()) == found


def test_a_damaged_recording_is_played_as_far_as_it_goes_and_told(
    recording: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(recording.read_bytes()[: recording.stat().st_size * 2 // 3])
    with ReplayClient(cut) as bus:
        assert 0 < len(judge(bus)) < 700
        [damage] = bus.damages
    assert str(damage) in caplog.text


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ReplayClient(tmp_path / "none.mcap")
    (tmp_path / "text.mcap").write_text("not a capture")
    with pytest.raises(NotACapture):
        ReplayClient(tmp_path / "text.mcap")
    with ReplayClient(write([], tmp_path / "empty.mcap")) as bus:
        assert bus.request("SPY", wait_s=5)["SPY"].state == "pending"
        assert list(bus.quotes()) == []
        assert not bus.sleep(1)
    with pytest.raises(RuntimeError, match="is closed"):
        bus.request("SPY")


def test_a_strategy_may_close_within_its_loop(recording: Path) -> None:
    with ReplayClient(recording) as bus:
        bus.request("SPY")
        for number, _ in enumerate(bus.quotes()):
            if number == 2:
                bus.close()
        assert number == 2
        assert not bus.usable("SPY")


def test_asyncio_has_the_same_and_tasks_take_turns_alike(recording: Path) -> None:
    async def main() -> list[Any]:
        seen: list[Any] = []
        async with AsyncReplayClient(recording) as bus:
            feed = bus.quotes(conflate=False)
            await bus.request(["SPY", "QQQ"], channels=["quotes", "trades"])

            async def follow_trades() -> None:
                async for trade in bus.trades():
                    word = "trade"
                    seen.append((trade.symbol, trade.seq, word))

            async def follow_quotes() -> None:
                async for quote in feed:
                    judged = str(bus.assess(quote.symbol).reasons)
                    seen.append((quote.symbol, quote.seq, judged))

            await asyncio.gather(follow_quotes(), follow_trades())
            assert not await bus.sleep(1)
            await bus.run()
            assert bus.publish(like(INTENT, client="replay"))
            assert isinstance(bus.published[0], TradeIntent)
            assert bus.damages == []
        return seen

    first, second = aio.run(main()), aio.run(main())
    assert first == second
    with ReplayClient(recording) as bus:
        quotes = judge(bus)
    assert [each[:2] for each in first if each[2] != "trade"] == [each[:2] for each in quotes]

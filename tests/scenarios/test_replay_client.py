"""A strategy over the recording of a live run comes to what it came to live, byte for byte."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from quotebus import BusClient, ReplayClient
from tests.support.world import World


def decide(bus: BusClient, quotes: int) -> bytes:
    """Buys above the mean of the last 20 mids of a symbol, sells below it; never on a price that may not be used."""
    feed = bus.quotes(conflate=False, timeout_s=20)
    lines = [
        f"{symbol} {result.state} {result.usable}" for symbol, result in bus.request(["SPY", "QQQ"], wait_s=20).items()
    ]
    mids: dict[str, deque[float]] = {"SPY": deque(maxlen=20), "QQQ": deque(maxlen=20)}
    for quote in feed:
        recent, mid = mids[quote.symbol], quote.mid
        if mid is not None and bus.usable(quote.symbol):
            recent.append(mid)
            mean = sum(recent) / len(recent)
            wish = "buy" if mid > mean else "sell" if mid < mean else "wait"
            lines.append(f"{quote.time.isoformat()} {quote.symbol} {mid} {mean:.6f} {wish} {bus.is_connected}")
        else:
            lines.append(f"{quote.time.isoformat()} {quote.symbol} not usable: {bus.assess(quote.symbol).reasons}")
        if len(lines) == quotes:
            break
    return "\n".join(lines).encode()


def test_live_and_over_its_recording(world: World, tmp_path: Path) -> None:
    world.broker()
    world.exchange("--rate", "1000")
    world.node()
    recorder = world.start("quotebus", "record", "-o", str(tmp_path / "day.mcap"))
    recorder.line("recording")
    live = decide(world.client("momentum"), 300)
    recorder.stop()
    replayed = []
    for _ in range(2):
        with ReplayClient(tmp_path / "day.mcap", name="momentum") as bus:
            replayed.append(decide(bus, 300))
    assert live.count(b"buy") > 30
    assert live.count(b"sell") > 30
    assert replayed == [live, live]

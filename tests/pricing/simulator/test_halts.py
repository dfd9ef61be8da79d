"""The exchange's own account of its halts, and that nothing is traded in them."""

from __future__ import annotations

from quotebus.pricing.simulator.broadcast import Broadcast
from quotebus.pricing.simulator.halts import HaltHistory
from quotebus.pricing.simulator.records import TradingStatus


def status(code: str, symbol: str = "SPY") -> TradingStatus:
    return TradingStatus(symbol, code, "", "", "", "C", 0)


def test_halts_are_kept_with_their_times() -> None:
    history = HaltHistory()
    told = [history.on_status(status(code), at) for at, code in enumerate("HPQTTH2Z3")]
    assert told == ["halt", "", "", "resume", "", "halt", "", "", "resume"]
    assert history.listing() == [
        {"symbol": "SPY", "began_ns": 0, "ended_ns": 3},
        {"symbol": "SPY", "began_ns": 5, "ended_ns": 8},
    ]
    history.on_status(status("2", "QQQ"), 9)
    assert set(history.halted) == {"QQQ"}
    assert history.listing()[-1] == {"symbol": "QQQ", "began_ns": 9, "ended_ns": None}


def test_the_latest_trade_of_a_halted_symbol_is_from_before_the_halt() -> None:
    broadcast, hour_ns = Broadcast(7, 1_000.0), 3_600 * 10**9
    before = broadcast.latest_trade("SPY", hour_ns)
    broadcast.halted = {"SPY"}
    assert broadcast.latest_trade("SPY", 2 * hour_ns) == before
    broadcast.halted = ()
    assert any(broadcast.latest_trade("SPY", number * hour_ns) != before for number in range(3, 60))

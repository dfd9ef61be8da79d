"""The generated days: nothing honest is flagged, everything planted is judged right, gaps are soon usable."""

from __future__ import annotations

from pathlib import Path

from quotebus.bus.clock import NS_PER_S
from quotebus.pricing.level import STOOD_NS
from tests.pricing.level_days import (
    T0,
    Print,
    find_jumps,
    is_false,
    judge_all,
    judge_by_last_mid,
    read_quotes,
    read_trades,
    sweep,
)


def test_a_day_of_each_symbol_is_judged_right() -> None:
    count, planted, wrong, usable_s = sweep(1, first_seed=40)
    assert count > 300_000
    assert min(planted[kind] for kind in ("stub", "spike", "two spikes", "missing", "crossed", "behind", "gap")) > 5
    assert not wrong
    assert max(usable_s) <= STOOD_NS / NS_PER_S


def test_the_count_of_false_flags_counts() -> None:
    prints = [Print(T0 + n * NS_PER_S, 100.0, 100.02) for n in range(100)]
    prints[50] = Print(T0 + 50 * NS_PER_S, 150.0, 150.02)
    by_last_mid = judge_by_last_mid("XXX", prints)
    assert find_jumps(by_last_mid) == [50, 51]
    assert [is_false(by_last_mid, number) for number in (50, 51)] == [False, True]
    assert find_jumps(judge_all("XXX", prints)) == [50]


def test_recorded_files_are_read(tmp_path: Path) -> None:
    quotes, trades = tmp_path / "quotes.csv", tmp_path / "trades.csv"
    quotes.write_text("utc_ns,bid,bid_size,ask,ask_size\n5,100.0,1,100.1,2\n")
    trades.write_text("utc_ns,price\n6,100.05\n")
    assert read_quotes(quotes) == [Print(5, 100.0, 100.1)]
    assert read_trades(trades) == [(6, 100.05)]

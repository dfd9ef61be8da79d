"""When symbols tick, in simulated time."""

from __future__ import annotations

import random
from collections import Counter
from itertools import pairwise

from quotebus.pricing.simulator.schedule import QUIET_INTERVAL_NS, Schedule

MS = 1_000_000
SECOND = 1_000 * MS


def run(schedule: Schedule, begin_ns: int, end_ns: int) -> list[tuple[int, str]]:
    found = []
    while (due_ns := schedule.next_ns()) is not None and due_ns < end_ns:
        now_ns = max(due_ns, begin_ns)
        found += [(now_ns, symbol) for symbol in schedule.due(now_ns, 100)]
    return found


def made(rate: float, symbols: dict[str, float], quiet: tuple[str, ...] = ()) -> Schedule:
    schedule = Schedule(rate, random.Random(1))
    schedule.set_symbols(symbols, quiet)
    schedule.add_first([*symbols, *quiet], SECOND)
    return schedule


def test_nothing_is_due_without_symbols() -> None:
    schedule = made(20, {})
    assert schedule.next_ns() is None
    assert schedule.due(SECOND, 10) == []


def test_the_rate_is_kept_and_weights_count() -> None:
    found = run(made(100, {"A": 9.0, "B": 1.0}), SECOND, 11 * SECOND)
    assert 995 <= len(found) <= 1005
    counts = Counter(symbol for _, symbol in found)
    assert counts["A"] > 6 * counts["B"] > 0


def test_all_new_symbols_tick_within_a_second_evenly() -> None:
    names = {f"S{n}": 1.0 for n in range(200)}
    found = run(made(20, names), SECOND, 2 * SECOND)
    first_times = [at for at, _ in found[:200]]
    assert {symbol for _, symbol in found[:200]} == set(names)
    assert max(b - a for a, b in pairwise(first_times)) <= 5 * MS
    assert 200 <= len(found) <= 205


def test_quiet_symbols_tick_once_and_then_each_minute() -> None:
    found = run(made(1, {}, ("QUIET1",)), SECOND, SECOND + 3 * QUIET_INTERVAL_NS + SECOND)
    assert [symbol for _, symbol in found] == ["QUIET1"] * 4


def test_what_is_far_behind_is_skipped() -> None:
    schedule = made(100, {"A": 1.0})
    assert len(schedule.due(100 * SECOND, 1000)) <= 27


def test_flat_out() -> None:
    schedule = made(0, {"A": 1.0, "B": 1.0}, ("QUIET1",))
    assert schedule.next_ns() == 0
    symbols = schedule.due(SECOND, 50)
    assert len(symbols) == 50
    assert set(symbols[:3]) == {"A", "B", "QUIET1"}
    assert "QUIET1" not in symbols[3:]


def test_dropped_symbols_are_forgotten_and_the_rate_can_change() -> None:
    schedule = made(1, {"A": 1.0, "B": 1.0})
    schedule.set_symbols({"B": 1.0}, ())
    schedule.set_rate(1000, 2 * SECOND)
    found = run(schedule, 2 * SECOND, 3 * SECOND)
    assert {symbol for _, symbol in found} == {"B"}
    assert 990 <= len(found) <= 1010

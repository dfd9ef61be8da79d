"""Slow lines: how much, when."""

from __future__ import annotations

import pytest

from quotebus.pricing.simulator.bandwidth import choose_limit


def sent_within(seconds: float, slicer_ms: float | None, bytes_per_s: float | None, late_ns: int = 0) -> int:
    line = choose_limit(slicer_ms, bytes_per_s)
    assert line is not None
    now_ns = begin_ns = 1_000_000_000_000
    total = 0
    while now_ns < begin_ns + seconds * 1e9:
        room = line.room(now_ns)
        if room:
            total += room
            line.use(room, now_ns)
        now_ns = max(now_ns, line.next_ns) + late_ns
    return total


def test_full_speed() -> None:
    assert choose_limit(None, None) is None


def test_one_byte_in_so_many_milliseconds() -> None:
    assert sent_within(1, 10, None) == 100
    assert sent_within(1, 10, None, late_ns=1_000_000) == 91


@pytest.mark.parametrize("bytes_per_s", [1, 60, 16_000, 10_000_000])
def test_bytes_a_second_also_when_woken_late(bytes_per_s: int) -> None:
    assert sent_within(2, None, bytes_per_s) == pytest.approx(2 * bytes_per_s, rel=0.1)
    assert sent_within(2, None, bytes_per_s, late_ns=1_000_000) == pytest.approx(2 * bytes_per_s, rel=0.1)


def test_the_slower_of_two() -> None:
    assert sent_within(1, 1, 50) == 50
    assert sent_within(1, 100, 1_000_000) == 10


def test_how_long_it_takes() -> None:
    slow = choose_limit(10, None)
    assert slow is not None
    assert slow.duration_ns(100) == 1_000_000_000
    assert slow.duration_ns(1 << 40) == 60_000_000_000

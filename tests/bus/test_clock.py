"""Deadlines and wire times come from one clock that never steps."""

from __future__ import annotations

import time

import pytest

from quotebus.bus import clock


def test_wire_time_does_not_follow_a_step_of_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    before = clock.utc_ns()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    after = clock.utc_ns()
    assert 0 <= after - before < 10 * clock.NS_PER_S


def test_wire_time_is_utc_and_the_boot_clock_carries_it() -> None:
    assert abs(clock.utc_ns() - time.time_ns()) < 3600 * clock.NS_PER_S
    boot = clock.now_ns()
    assert clock.to_utc_ns(boot + 5) - clock.to_utc_ns(boot) == 5
    assert abs(clock.to_utc_ns(clock.now_ns()) - clock.utc_ns()) < clock.NS_PER_S


def test_seconds_are_whole_nanoseconds() -> None:
    assert clock.seconds(1.5) == 1_500_000_000
    assert isinstance(clock.seconds(0.1), int)

"""The lag of a line: backlogs show, differing or stepping clocks and late records do not."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.pricing.lag import LagMeter

T0 = 1_770_000_000 * NS_PER_S


class Line:
    """A record every 10 ms; `behind_ns` of backlog, `skew_ns` of the exchange's clock."""

    def __init__(self, skew_ns: int = 0) -> None:
        self.meter = LagMeter()
        self.now_ns = T0
        self.skew_ns = skew_ns
        self.behind_ns = 0
        self.worst_ns = 0

    def run(self, seconds: float, *, backlog_per_s: float = 0.0) -> int:
        for _ in range(int(seconds * 100)):
            self.now_ns += 10 * NS_PER_MS
            self.behind_ns = max(0, self.behind_ns + int(backlog_per_s * 10 * NS_PER_MS))
            self.meter.observe(self.now_ns - self.behind_ns + self.skew_ns, self.now_ns)
            self.worst_ns = max(self.worst_ns, self.meter.lag_ns or 0)
        assert self.meter.lag_ns is not None
        return self.meter.lag_ns

    def ping(self) -> None:
        self.now_ns += NS_PER_S
        self.meter.on_pong(self.now_ns - NS_PER_MS, self.now_ns)


@pytest.mark.parametrize("skew_s", [0, -300, 300, -900])
def test_a_constant_difference_is_no_lag(skew_s: int) -> None:
    line = Line(skew_s * NS_PER_S)
    assert line.run(5) == 0
    assert line.worst_ns == 0


@pytest.mark.parametrize("per_s", [0.2, 0.9, 1.0])
def test_a_growing_backlog_shows_and_its_end_too(per_s: float) -> None:
    line = Line()
    line.run(2)
    assert line.run(10, backlog_per_s=per_s) == pytest.approx(10 * per_s * NS_PER_S, rel=0.05)
    assert line.run(20, backlog_per_s=-2) == 0


@pytest.mark.parametrize("step_s", [-300, -2, -1, 1, 300])
def test_a_step_of_the_exchanges_clock_is_no_lag(step_s: int) -> None:
    line = Line()
    line.run(2)
    line.skew_ns += step_s * NS_PER_S
    assert line.run(5) < NS_PER_S // 5
    line.skew_ns -= step_s * NS_PER_S
    assert line.run(5) < NS_PER_S // 5
    assert line.worst_ns < NS_PER_S // 5


def test_a_step_during_an_hour_of_quiet_with_pongs_is_no_lag() -> None:
    line = Line()
    line.run(2)
    for _ in range(3_600):
        line.ping()
    line.skew_ns = -300 * NS_PER_S
    assert line.run(5) == 0


def test_what_came_after_a_stall_is_late_and_then_in_time_again() -> None:
    line = Line()
    line.run(2)
    line.now_ns += 3 * NS_PER_S
    line.behind_ns = 3 * NS_PER_S
    line.run(0.3, backlog_per_s=1)
    assert line.worst_ns >= 3 * NS_PER_S
    line.behind_ns = 0
    assert line.run(1) == 0


def test_late_records_of_one_symbol_among_others_say_nothing_of_the_line() -> None:
    line = Line()
    for number in range(1_000):
        line.run(0.01)
        if number % 3:
            line.meter.observe(line.now_ns - 40 * NS_PER_S, line.now_ns)
    assert line.worst_ns == 0


def test_a_pong_ends_a_lag_that_nothing_else_would_end() -> None:
    line = Line()
    line.run(2)
    assert line.run(5, backlog_per_s=1) > 4 * NS_PER_S
    line.ping()
    assert line.meter.lag_ns == NS_PER_MS


def test_half_a_message_for_long_is_a_lag() -> None:
    line = Line()
    line.run(1)
    line.meter.on_stuck(7 * NS_PER_S)
    assert line.meter.lag_ns == 7 * NS_PER_S
    assert line.run(1) == 0

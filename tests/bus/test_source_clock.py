"""How old a message is: one false stamp decides nothing, and a backlog never looks fresh."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.source_clock import AHEAD_NS, NEAR_NS, SourceClock

OURS = 5_000 * NS_PER_S
"""What our clock shows when the source's shows 0."""
HOUR_NS = 3600 * NS_PER_S
FALSE = (HOUR_NS, -HOUR_NS, 2**63 - 1, -(2**63), 2**64 - 1, -OURS)


def hear(clock: SourceClock, at_ns: int, *, delay_ns: int = NS_PER_MS) -> None:
    clock.observe(at_ns, OURS + at_ns + delay_ns)


def trip(
    clock: SourceClock, at_ns: int, *, up_ns: int = NS_PER_MS, down_ns: int = NS_PER_MS, stamp_ns: int = 0
) -> bool:
    return clock.on_round_trip(OURS + at_ns, at_ns + up_ns + stamp_ns, OURS + at_ns + up_ns + down_ns)


def test_the_smallest_delay_counts() -> None:
    clock = SourceClock()
    for delay_ns in (50, 20, 90):
        hear(clock, 0, delay_ns=delay_ns)
    assert clock.offset_ns == OURS + 20


@pytest.mark.parametrize("false_ns", FALSE)
@pytest.mark.parametrize("first", [True, False])
def test_without_a_round_trip_one_false_stamp_is_forgotten_in_six_seconds(false_ns: int, first: bool) -> None:
    clock = SourceClock()
    if not first:
        for second in range(5):
            hear(clock, second * NS_PER_S)
    clock.observe(5 * NS_PER_S + false_ns, OURS + 5 * NS_PER_S)
    for tenth in range(51, 110):
        hear(clock, tenth * NS_PER_S // 10)
    assert abs(clock.offset_ns - OURS) <= NEAR_NS


@pytest.mark.parametrize("false_ns", FALSE)
def test_with_a_round_trip_a_false_stamp_moves_nothing(false_ns: int) -> None:
    clock = SourceClock()
    hear(clock, 0)
    assert trip(clock, 0)
    for _ in range(3):
        clock.observe(NS_PER_S + false_ns, OURS + NS_PER_S)
        assert abs(clock.offset_ns - OURS) <= NEAR_NS
    assert clock.is_ahead(NS_PER_S + AHEAD_NS + 2 * NS_PER_MS, OURS + NS_PER_S)
    assert not clock.is_ahead(NS_PER_S, OURS + NS_PER_S)


@pytest.mark.parametrize("false_ns", FALSE)
@pytest.mark.parametrize("honest", [0, 1, 4])
def test_a_false_answer_is_outvoted_by_the_next_two(false_ns: int, honest: int) -> None:
    clock = SourceClock()
    for second in range(honest):
        assert trip(clock, second * NS_PER_S)
    assert trip(clock, 5 * NS_PER_S, stamp_ns=false_ns) is (honest == 0)
    if honest:
        assert abs(clock.offset_ns - OURS) <= NEAR_NS
    trip(clock, 10 * NS_PER_S)
    trip(clock, 11 * NS_PER_S)
    assert abs(clock.offset_ns - OURS) <= NEAR_NS


def test_a_steady_backlog_does_not_look_fresh() -> None:
    clock = SourceClock()
    for second in range(100):
        hear(clock, second * NS_PER_S, delay_ns=10 * NS_PER_S)
        if second % 5 == 0:
            assert trip(clock, second * NS_PER_S, down_ns=10 * NS_PER_S)
    assert clock.offset_ns <= OURS + NEAR_NS


def test_a_backlog_after_prompt_messages_does_not_look_fresh_without_a_round_trip() -> None:
    clock = SourceClock()
    for tenth in range(10):
        hear(clock, tenth * NS_PER_S // 10)
    for second in range(1, 200):
        hear(clock, second * NS_PER_S, delay_ns=30 * NS_PER_S)
    assert clock.offset_ns == OURS + NS_PER_MS


def test_an_answer_that_took_long_bounds_from_below_only() -> None:
    clock = SourceClock()
    hear(clock, 0)
    assert trip(clock, 0, down_ns=8 * NS_PER_S)
    assert clock.offset_ns == OURS + NS_PER_MS

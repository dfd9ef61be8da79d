"""The time of a replay: one false stamp does not move it, three that agree do."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.stream_clock import StreamClock

NOW = 1_767_623_400 * NS_PER_S


def after(*published_ns: int) -> int:
    clock = StreamClock()
    for stamp_ns in published_ns:
        expected_ns = clock.peek(stamp_ns)
        clock.observe(stamp_ns)
        assert clock.now_ns == expected_ns
    return clock.now_ns


def test_the_newest_stamp_is_the_time() -> None:
    assert after(NOW, NOW + 2, NOW + 1) == NOW + 2


@pytest.mark.parametrize("false_ns", [NOW + 3600 * NS_PER_S, NOW - 3600 * NS_PER_S, 2**63 - 1, -(2**63), 2**64 - 1])
def test_one_false_stamp_does_not_move_it(false_ns: int) -> None:
    assert after(NOW, false_ns, NOW + 1) == NOW + 1
    assert after(NOW, false_ns, NOW + 1, false_ns, NOW + 2, false_ns) == NOW + 2
    assert after(false_ns, NOW, NOW + 1, NOW + 2) == NOW + 2, "not even the first"


def test_a_hole_in_the_stream_is_passed_with_the_third_message_after_it() -> None:
    later = NOW + 3600 * NS_PER_S
    assert after(NOW, later, later + 1) == NOW
    assert after(NOW, later, later + 1, later + 2) == later + 2

"""Pauses grow, old restarts are forgotten, and too many are refused."""

from __future__ import annotations

from quotebus.bus.cli.restarts import FIRST_PAUSE_NS, MOST, WITHIN_S, Restarts
from quotebus.bus.clock import NS_PER_S


def test_pauses_double_and_the_sixth_death_within_a_minute_is_the_last() -> None:
    restarts = Restarts()
    pauses = []
    for second in range(MOST):
        due_ns = restarts.plan(second * NS_PER_S)
        assert due_ns is not None
        pauses.append(due_ns - second * NS_PER_S)
    assert pauses == [FIRST_PAUSE_NS * factor for factor in (1, 2, 4, 8, 16)]
    assert restarts.plan(WITHIN_S * NS_PER_S - 1) is None
    assert restarts.count == MOST


def test_a_restart_is_forgotten_after_a_minute() -> None:
    restarts = Restarts()
    for second in range(MOST):
        restarts.plan(second * NS_PER_S)
    now_ns = WITHIN_S * NS_PER_S
    assert restarts.plan(now_ns) == now_ns + FIRST_PAUSE_NS * 16, "one was forgotten, four were not"
    later_ns = now_ns + 2 * WITHIN_S * NS_PER_S
    assert restarts.plan(later_ns) == later_ns + FIRST_PAUSE_NS

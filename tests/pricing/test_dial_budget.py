"""The bucket of attempts, and the probes beside it."""

from __future__ import annotations

import random

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.pricing.dial_budget import BURST, REFILL_NS, WINDOW_NS, DialBudget, HostBucket

T0 = 1_000 * NS_PER_S


def test_eight_at_once_then_one_every_3600_ms() -> None:
    budget, now_ns = DialBudget(), T0
    dials = []
    for _ in range(12):
        now_ns = budget.next_ns(now_ns)
        budget.spend(now_ns)
        dials.append((now_ns - T0) / NS_PER_S)
    assert dials == [0] * 8 + [3.6, 7.2, 10.8, 14.4]


def test_it_fills_again_and_never_beyond_eight() -> None:
    budget = DialBudget()
    for _ in range(BURST):
        budget.spend(T0)
    assert budget.next_ns(T0) == T0 + REFILL_NS
    later_ns = T0 + 100 * REFILL_NS
    for _ in range(BURST):
        assert budget.next_ns(later_ns) == later_ns
        budget.spend(later_ns)
    assert budget.next_ns(later_ns) == later_ns + REFILL_NS


def test_an_hour_of_trying_is_bounded() -> None:
    budget, now_ns, dials = DialBudget(), T0, 0
    while (now_ns := budget.next_ns(now_ns)) < T0 + 3_600 * NS_PER_S:
        budget.spend(now_ns)
        dials += 1
    assert dials == 8 + 999


def test_two_probes_a_minute() -> None:
    budget = DialBudget()
    granted = [at_s for at_s in range(0, 180, 5) if budget.take_probe(T0 + at_s * NS_PER_S)]
    assert granted == [0, 5, 60, 65, 120, 125]


@pytest.mark.parametrize("limit", [1, 2, 3, 10, 100])
def test_no_ten_minutes_hold_more_than_a_venue_allows(limit: int) -> None:
    bucket, rng, now_ns, full_ns = HostBucket(limit), random.Random(limit), T0, 0
    dials: list[int] = []
    while now_ns < T0 + 20 * WINDOW_NS:
        wait_ns, full_ns = bucket.take(full_ns, now_ns)
        if wait_ns:
            now_ns += wait_ns if rng.random() < 0.9 else rng.randrange(3 * WINDOW_NS)
        else:
            dials.append(now_ns)
    for number, at_ns in enumerate(dials):
        assert sum(at_ns - WINDOW_NS < earlier_ns <= at_ns for earlier_ns in dials[: number + 1]) <= limit
    assert len(dials) > limit


def test_of_a_hundred_half_come_at_once_and_one_every_12_s() -> None:
    bucket, full_ns = HostBucket(100), 0
    for _ in range(50):
        wait_ns, full_ns = bucket.take(full_ns, T0)
        assert wait_ns == 0
    assert bucket.take(full_ns, T0) == (12 * NS_PER_S, full_ns)
    assert bucket.take(full_ns, T0 + 12 * NS_PER_S)[0] == 0


def test_a_clock_that_was_set_back_costs_no_more_than_an_empty_bucket() -> None:
    bucket = HostBucket(10)
    wait_ns, full_ns = bucket.take(T0 + 10**18, T0)
    assert wait_ns == bucket.refill_ns
    assert bucket.take(full_ns, T0 + wait_ns)[0] == 0

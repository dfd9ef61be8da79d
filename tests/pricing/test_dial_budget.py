"""The bucket of attempts, and the probes beside it."""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_S
from quotebus.pricing.dial_budget import BURST, REFILL_NS, DialBudget

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

"""How many requests may be made, and what a venue that says to wait is given."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.pricing.request_budget import RequestBudget, read_wait_ns

T0 = 1_770_000_000 * NS_PER_S


def test_a_burst_and_then_so_many_a_minute() -> None:
    budget = RequestBudget(5, 60)
    assert [budget.take(T0) for _ in range(6)] == [True] * 5 + [False]
    assert sum(budget.take(T0 + second * NS_PER_S) for second in range(1, 601)) == pytest.approx(600, abs=5)


def test_nothing_while_the_venue_says_to_wait_and_never_for_more_than_an_hour() -> None:
    budget = RequestBudget(5, 60)
    budget.hold(30 * NS_PER_S, T0)
    budget.hold(10 * NS_PER_S, T0)
    assert not budget.take(T0 + 29 * NS_PER_S)
    assert budget.take(T0 + 30 * NS_PER_S)
    budget.hold(10**9 * NS_PER_S, T0)
    assert budget.take(T0 + 3_600 * NS_PER_S)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "7", "x-ratelimit-reset": "1770000050"}, 7),
        ({"x-ratelimit-reset": "1770000050"}, 50),
        ({"x-ratelimit-reset": "1769999999"}, 1),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30),
        ({"retry-after": "9" * 400, "x-ratelimit-reset": "-1"}, 30),
        ({}, 30),
    ],
)
def test_how_long_a_429_asks_to_wait(headers: dict[str, str], wait_s: int) -> None:
    assert read_wait_ns(headers, T0) == wait_s * NS_PER_S

"""A day of a forger and of restarts here; `make hearsay` has thirty."""

from __future__ import annotations

import pytest

from tests.pricing.hearsay_days import BOUND_NS, Days


@pytest.mark.long
@pytest.mark.parametrize("seed", [1])
def test_no_false_halt_outlives_its_disproof_and_no_true_one_is_lost(seed: int) -> None:
    found = Days(seed).run(1)
    assert found.forged > 10_000
    assert found.believed > 0, "the forger does reach the rule"
    assert found.longest_false_ns <= BOUND_NS
    assert found.lost == []

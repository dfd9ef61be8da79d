"""A part of `make quietdays`: one bursty day, one with a halt, and how soon a mute feed is proven."""

from __future__ import annotations

import pytest

from tests.pricing.mute_days import DAYS, DETECTED_S, HOUR_S, MOST_SUSPICIONS, live

KINDS = {day.name: day for day in DAYS}


@pytest.mark.parametrize("name", ["Hawkes 0.9", "market-wide halt"])
def test_three_hours_of_a_quiet_day_bring_no_redial(name: str) -> None:
    outcome = live(KINDS[name], 1, known=True, from_s=9 * HOUR_S, until_s=12 * HOUR_S)
    assert outcome.proofs == 0
    assert outcome.suspicions <= MOST_SUSPICIONS


def test_a_feed_of_5_quotes_a_second_is_proven_mute_within_15_s() -> None:
    for seed in range(2):
        outcome = live(
            KINDS["independent ticks"], seed, from_s=10 * HOUR_S, mute_at_s=10.2 * HOUR_S + seed, until_s=10.3 * HOUR_S
        )
        assert outcome.detected_s is not None
        assert outcome.detected_s < DETECTED_S

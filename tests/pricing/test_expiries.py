"""The next expiry of many leases, against a look at each of them."""

from __future__ import annotations

import random

import pytest

from quotebus.pricing.expiries import Expiries


@pytest.mark.parametrize("seed", range(30))
def test_it_is_the_earliest_whatever_is_renewed_shortened_and_ended(seed: int) -> None:
    rng = random.Random(seed)
    times: dict[str, int] = {}
    expiries = Expiries(times.get)
    for _ in range(500):
        name = rng.choice("abcdefgh")
        if rng.random() < 0.2:
            times.pop(name, None)
        else:
            times[name] = rng.randrange(100)
            expiries.note(name, times[name])
        if rng.random() < 0.5:
            first = expiries.next()
            assert (None if first is None else first[0]) == min(times.values(), default=None)
            assert first is None or times[first[1]] == first[0]
    expiries.clear()
    assert expiries.next() is None


def test_renewals_pile_nothing_up() -> None:
    times = dict.fromkeys("abc", 10)
    expiries = Expiries(times.get)
    for turn in range(1_000):
        for name in times:
            times[name] = 10 + turn - (turn % 7 == 0) * 5  # a shorter one now and then
            expiries.note(name, times[name])
        assert expiries.next() is not None
    assert len(expiries._heap) < 20

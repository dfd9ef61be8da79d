"""A clock that was set is believed after three looks, and never for one."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.pricing.wall_clock import APART_NS, LOOK_EVERY_NS, WallClock


def look(clock: WallClock, *offsets_ns: int) -> list[bool]:
    return [clock.look(offset_ns, number * LOOK_EVERY_NS) for number, offset_ns in enumerate(offsets_ns)]


def test_it_looks_every_ten_seconds() -> None:
    clock = WallClock()
    assert LOOK_EVERY_NS == 10 * NS_PER_S
    assert clock.is_due(5)
    clock.look(0, 5)
    assert not clock.is_due(4 + LOOK_EVERY_NS)
    assert clock.is_due(5 + LOOK_EVERY_NS)


@pytest.mark.parametrize("sign", [1, -1])
def test_three_looks_that_agree_are_believed(sign: int) -> None:
    step = sign * 3_600 * NS_PER_S
    assert look(WallClock(), 0, step, step + 1, step) == [False, False, False, True]
    assert look(WallClock(), step, step, step) == [False, False, True], "also from the start on"


def test_what_does_not_stay_is_not_believed() -> None:
    far = 10 * NS_PER_S
    assert not any(look(WallClock(), far, far, 0, far, far, 0))
    assert not any(look(WallClock(), far, -far, far, 3 * far, -far)), "a clock that is set to and fro"
    assert look(WallClock(), -far, far, far, far) == [False, False, False, True]


def test_a_quarter_second_is_no_matter() -> None:
    assert APART_NS == 250 * NS_PER_MS
    assert not any(look(WallClock(), *[APART_NS] * 10))
    assert look(WallClock(), *[APART_NS + 1] * 3)[-1]
    drift = [number * 20 * NS_PER_MS for number in range(20)]
    assert any(look(WallClock(), *drift)), "a drift is believed in the end"

"""Every symbol is usable again soon after a kill -9: the short form of `make returns`."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import NS_PER_S
from tests.perf.returns import BOUNDS_S, KILLS, measure, parse, running
from tests.support.stopwatch import Stopwatch

SLACK = 2
"""A machine that runs the whole suite at once is slower than the one the bounds are for."""


@pytest.mark.long
@pytest.mark.parametrize("kill", KILLS)
def test_a_thousand_symbols_return_within_the_bound(kill: str, stopwatch: Stopwatch) -> None:
    with running(kill, parse([kill, "--symbols", "1000", "--clients", "2", "--rate", "200"])) as rig:
        figures = measure(rig, kill)
        state = rig.world.control.state()
    killed_ns, last_ns = int(figures["killed_ns"]), int(figures["killed_ns"] + figures["last"] * NS_PER_S)
    assert stopwatch.seconds(killed_ns, last_ns) <= SLACK * BOUNDS_S[kill], figures
    assert state["max_simultaneous"] == 1, "one socket at a time"
    assert state["upgraded_total"] == (1 if kill == "broker" else 2)

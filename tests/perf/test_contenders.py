"""The pipelines that are measured work: nothing is lost, and every figure is there."""

from __future__ import annotations

import pytest

from tests.perf.contenders import CONTENDERS, Load, Measured, measure
from tests.perf.processors import CROWDED
from tests.perf.rounds import choose_quiet


@pytest.mark.parametrize("name", CONTENDERS)
def test_each_contender_brings_every_quote(name: str) -> None:
    measured = measure(name, Load(1_000, 1, 2_000.0))
    assert (measured.lost, len(measured.taken_ms)) == (0, 1_000)
    assert min(measured.taken_ms) > 0
    assert set(measured.cpu_us) == ({"reader"} if name == "alpaca-py" else {"node", "broker", "reader"})
    assert all(figure > 0 for figure in measured.cpu_us.values())


def test_rounds_that_others_disturb_count_only_where_too_few_are_left() -> None:
    def taken(others: float) -> Measured:
        return Measured(1.0, 0, [], {}, others)

    quiet, crowded = taken(CROWDED / 2), taken(CROWDED)
    assert choose_quiet([quiet, crowded]) == [quiet]
    assert choose_quiet([quiet, crowded, crowded]) == [quiet, crowded, crowded]

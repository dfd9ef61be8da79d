"""Of the defects planted around orders those that a few lives show; `make search` finds all of them."""

from __future__ import annotations

import pytest

from tests.execution_adapter.mutants import MUTANTS
from tests.execution_adapter.planted import PLANTED, Planted, caught_in_a_life

SOON = 8


@pytest.mark.parametrize(
    "planted", [each for each in PLANTED if each.shows_soon], ids=lambda planted: str(planted.name)
)
def test_lives_find_the_defect_when_it_is_put_in(planted: Planted) -> None:
    assert caught_in_a_life(planted, SOON) is not None


def test_every_kind_of_fault_has_a_planted_one() -> None:
    assert {each.row for each in PLANTED} >= {"C1", "C2", "C3", "C4", "C5", "C6", "C7", "C9", "C10"}
    assert len(PLANTED) + len(MUTANTS) >= 40

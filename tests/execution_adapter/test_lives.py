"""A few lives under each trouble; `make lives` has as many as are wanted, and tells what happened in them."""

from __future__ import annotations

import pytest

from tests.execution_adapter.lives import SIZES, live
from tests.execution_adapter.troubles import TROUBLES, Trouble
from tests.execution_adapter.unkind_troubles import UNKIND


@pytest.mark.parametrize("trouble", [*TROUBLES, *UNKIND], ids=lambda trouble: trouble.name)
def test_exit_status_is_the_brokers_books(trouble: Trouble) -> None:
    for seed, size in enumerate(SIZES):
        life = live(seed, trouble, size)  # raises Wrong at whatever the judge finds
        assert set(life.statuses) <= {0, 3, 4}
        assert len(life.intents) == size
        left = {name for name in life.desk.open() if name not in life.others}
        assert not left or life.statuses[-1] == 4, left

"""A few lives under each trouble; `make lives` has as many as are wanted, and tells what happened in them."""

from __future__ import annotations

import pytest

from tests.execution_adapter.lives import SIZES, live
from tests.execution_adapter.troubles import TROUBLES, Trouble
from tests.execution_adapter.unkind_troubles import UNKIND


@pytest.mark.parametrize("trouble", [*TROUBLES, *UNKIND], ids=lambda trouble: trouble.name)
def test_exit_status_is_the_brokers_books(trouble: Trouble) -> None:
    for seed, size in enumerate(SIZES):
        live(seed, trouble, size)

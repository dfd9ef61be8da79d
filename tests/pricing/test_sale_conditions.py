"""Which prints may set the last price."""

from __future__ import annotations

import pytest

from quotebus.pricing.sale_conditions import sets_last


@pytest.mark.parametrize(
    ("conditions", "tape", "sets"),
    [
        ([], "", True),
        (["@"], "C", True),
        ([" "], "A", True),
        (["@", "F"], "C", True),
        (["@", "T"], "C", True),
        (["5"], "B", True),
        (["@", "F", "T", "I"], "C", False),
        (["@", "Z"], "C", False),
        (["B"], "C", True),
        (["B"], "A", False),
        (["B"], "", False),
        (["?"], "C", False),
        ([""], "C", False),
    ],
)
def test_the_strictest_condition_decides(conditions: list[str], tape: str, sets: bool) -> None:
    assert sets_last(conditions, tape) == sets


@pytest.mark.parametrize("code", list("IULZGP4WHCNRV7MQ98"))
def test_what_may_not_set_the_last_price_never_moves_a_level(code: str) -> None:
    assert not any(sets_last(["@", code], tape) or sets_last([code], tape) for tape in "ABCON")

"""Which prints may set the last price."""

from __future__ import annotations

import pytest

from quotebus.pricing.sale_conditions import Proof, find_proof, sets_last


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


@pytest.mark.parametrize(
    ("conditions", "tape", "proof"),
    [
        (["@"], "C", Proof.REGULAR),
        ([" "], "A", Proof.REGULAR),
        ([" ", "F"], "B", Proof.REGULAR),
        (["E"], "B", Proof.REGULAR),
        (["O"], "C", Proof.REGULAR),
        (["@", "5"], "C", Proof.REOPENING),
        (["5"], "A", Proof.REOPENING),
        (["E"], "C", Proof.NONE),
        ([], "C", Proof.NONE),
        (["@"], "N", Proof.NONE),
        (["@"], "", Proof.NONE),
        (["@", "T"], "C", Proof.NONE),
        (["5", "Z"], "C", Proof.NONE),
    ],
)
def test_what_a_print_proves_of_trading(conditions: list[str], tape: str, proof: Proof) -> None:
    assert find_proof(conditions, tape, "Q") is proof
    assert find_proof(conditions, tape, "D") is Proof.NONE, "reported from outside the exchanges, perhaps late"


@pytest.mark.parametrize("code", list("IUTLZGP4BWHCNRV7MQ986XKYSAD1?"))
def test_a_print_that_is_late_averaged_contingent_or_an_auction_proves_nothing(code: str) -> None:
    assert {find_proof(["@", code], tape, "Q") for tape in "ABCO"} == {Proof.NONE}


def test_extended_hours_trades_prove_trading_in_extended_hours_only() -> None:
    assert find_proof(["@", "T"], "C", "Q", extended_hours=True) is Proof.REGULAR
    assert find_proof(["@", "U"], "C", "Q", extended_hours=True) is Proof.NONE

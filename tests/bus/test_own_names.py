"""A program with a key or a user bears its name, whatever it was called."""

from __future__ import annotations

import pytest

from quotebus.bus.own_names import MAX_NAME, is_own_name, make_own, name_program


@pytest.mark.parametrize(
    ("own", "name", "is_own"),
    [
        ("strat", "strat", True),
        ("strat", "strat-1", True),
        ("strat", "strat-a-b", True),
        ("strat", "strat2", False),
        ("strat", "stra", False),
        ("strat", "", False),
        ("", "-x", False),
        ("", "", False),
        ("a-b", "a-b-c", False),  # it would be a's
        ("a b", "a b-c", False),
    ],
)
def test_whose_name_it_is(own: str, name: str, is_own: bool) -> None:
    assert is_own_name(own, name) is is_own


def test_a_name_is_kept_where_it_may_be_and_else_has_the_own_one_in_front() -> None:
    assert make_own("", "desk") == "desk"
    assert make_own("strat", "strat") == "strat"
    assert make_own("strat", "strat-1") == "strat-1"
    assert make_own("strat", "desk") == "strat-desk"
    assert make_own("strat", "strategy") == "strat-strategy"


@pytest.mark.parametrize(
    ("own", "name", "program"),
    [
        ("strat", "strat", "strat"),
        ("strat", "strat-1", "strat-1"),
        ("strat", "strat-desk-vm-7", "strat-desk"),
        ("execution", "execution-worker-vm-7-0a0b0c", "execution-worker"),
        ("worker", "worker-execution-worker-vm-7-0a0b0c", "worker-execution"),
    ],
)
def test_programs_that_share_a_user_are_told_apart(own: str, name: str, program: str) -> None:
    assert name_program(own, name) == program


@pytest.mark.parametrize("own", ["s", "o" * 40])
@pytest.mark.parametrize("length", [1, 23, 24, 63, 64])
def test_a_name_is_never_too_long_and_keeps_the_end_that_tells_it_from_others(own: str, length: int) -> None:
    name = "x" * (length - 1) + "7"
    made = make_own(own, name)
    assert len(made) <= MAX_NAME
    assert made.endswith("7")
    assert is_own_name(own, made)

"""A program with a key or a user bears its name, whatever it was called."""

from __future__ import annotations

import pytest

from quotebus.bus import codec, topics
from quotebus.bus.own_names import MAX_NAME, find_name_reader, is_own_name, make_own, name_in, name_program
from tests.support.samples import REPORT, REQUESTED, like


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


def test_where_a_message_says_who_speaks() -> None:
    assert [name_in(topic) for topic in ("intent.strat-1", "decision.a", "recorder.day")] == ["strat-1", "a", "day"]
    assert name_in("intent.") == "", "a name that nobody has"
    assert name_in("quote.SPY") is None
    for event, name in ((like(REQUESTED, client="strat-1"), "strat-1"), (like(REPORT, worker="w-2"), "w-2")):
        topic, _, payload = codec.encode(event).partition(b"\0")
        read = find_name_reader(topic.decode())
        assert read is not None
        assert read(payload) == name
    assert find_name_reader("quote.SPY") is None
    assert find_name_reader(topics.REQUESTED + ".x") is None

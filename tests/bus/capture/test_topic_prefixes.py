"""Topic prefixes: which of them can find something."""

from __future__ import annotations

import pytest

from quotebus.bus.capture.format.captured import GAP_TOPIC
from quotebus.bus.capture.topic_prefixes import parse_prefixes


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([], ()),
        ([""], ()),
        (["quote.SPY, health", "decision.worker-1"], ("quote.SPY", "health", "decision.worker-1")),
        (["s", "symbols.", "symbols.requested"], ("s", "symbols.", "symbols.requested")),
        ([GAP_TOPIC], (GAP_TOPIC,)),
    ],
)
def test_they_are_taken_apart_at_commas(given: list[str], found: tuple[str, ...]) -> None:
    assert parse_prefixes(given) == found


@pytest.mark.parametrize("wrong", ["quotes.", "SPY", "quote,x", "symbols.requested2", "*", "health.\u00e9"])
def test_one_with_which_no_topic_begins_is_named(wrong: str) -> None:
    with pytest.raises(ValueError, match="no topic begins with"):
        parse_prefixes([wrong])

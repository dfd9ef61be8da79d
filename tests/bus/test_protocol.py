"""What both sides of the bus must agree on, and that nobody keeps a copy."""

from __future__ import annotations

from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import Cause
from quotebus.bus.protocol import (
    HEALTH_EVERY_NS,
    HEALTH_SILENCE_NS,
    OWN_HEALTH_SILENCE_NS,
    REFUSAL_COUNTERS,
    UNDECODABLE_COUNTERS,
    count_undecodable,
)


def test_a_node_stops_its_lease_clock_before_its_clients_take_it_for_silent() -> None:
    assert 2 * HEALTH_EVERY_NS < OWN_HEALTH_SILENCE_NS < HEALTH_SILENCE_NS


def test_every_undecodable_message_is_counted_as_one_and_by_kind() -> None:
    counters = dict.fromkeys(UNDECODABLE_COUNTERS, 0)
    firsts = [count_undecodable(counters, UndecodableMessage(kind, "")) for kind in ("topic", "malformed", "version")]
    assert firsts == [False, False, True]
    assert not count_undecodable(counters, UndecodableMessage("version", "version 3"))
    assert counters == {"undecodable": 4, "undecodable_topic": 1, "undecodable_malformed": 1, "unknown_version": 2}


def test_a_refusal_has_a_counter_named_for_its_cause() -> None:
    assert REFUSAL_COUNTERS[Cause.RATE_LIMITED] == "requests_rate_limited"
    assert len(REFUSAL_COUNTERS) == 4

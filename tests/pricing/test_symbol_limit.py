"""The symbol limit: kept, learned, and tried anew after a release, one symbol first and then twice as many."""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_S
from quotebus.pricing.demand import Wish
from quotebus.pricing.symbol_limit import PATIENCE_NS, PROBE_EVERY_NS, Admission

Q, QT = frozenset({"quotes"}), frozenset({"quotes", "trades"})
T0 = 1_000 * NS_PER_S


def wishes(*symbols: str, channels: frozenset[str] = Q, priority: int = 0) -> dict[str, Wish]:
    return {symbol: Wish(channels, priority, order) for order, symbol in enumerate(symbols)}


def test_no_limit_admits_all() -> None:
    admitted = Admission(None).admit(wishes(*"ABC"))
    assert (list(admitted.wishes), admitted.spare) == (["A", "B", "C"], None)


def test_the_smaller_of_configured_and_learned_counts_in_pairs() -> None:
    admission = Admission(5)
    assert admission.admit(wishes(*"ABC", channels=QT)).wishes.keys() == {"A", "B"}
    assert admission.admit(wishes("A", channels=QT)).spare == 3
    admission.refused(3, T0)
    assert admission.limit == 3
    assert admission.admit(wishes(*"ABC", channels=QT)).wishes.keys() == {"A"}
    admission.refused(30, T0)
    assert admission.limit == 2, "what was within the limit was refused: it is lower still"


def test_a_release_lets_one_more_be_tried_and_success_twice_as_many() -> None:
    admission = Admission(None)
    admission.refused(2, T0)
    everybody = wishes(*"ABCDEFGH")
    assert not admission.admit(everybody).tried
    assert not admission.probe(T0), "nobody let go"
    admission.released()
    assert admission.probe(T0)
    assert admission.admit(everybody).tried == {"C"}
    assert admission.taken(3)
    assert admission.admit(everybody).tried == {"D", "E"}
    assert admission.taken(5)
    assert admission.admit(everybody).tried == {"F", "G", "H"}
    assert admission.taken(8)
    assert not admission.admit(everybody).tried
    assert admission.limit == 8


def test_a_refused_try_ends_it_until_the_next_release_and_not_too_soon() -> None:
    admission = Admission(None)
    admission.refused(2, T0)
    everybody = wishes(*"ABCD")
    admission.admit(everybody)
    admission.released()
    assert admission.probe(T0)
    admission.admit(everybody)
    admission.refused(2, T0)
    assert not admission.admit(everybody).tried
    assert not admission.probe(T0 + PATIENCE_NS - 1), "nobody let go since"
    admission.released()
    assert not admission.probe(T0 + PROBE_EVERY_NS - 1)
    assert admission.probe(T0 + PROBE_EVERY_NS)
    admission.admit(everybody)
    admission.refused(2, T0 + PROBE_EVERY_NS)
    assert admission.probe(T0 + PROBE_EVERY_NS + PATIENCE_NS), "or a minute has passed"


def test_what_is_configured_is_never_exceeded_by_a_try() -> None:
    admission = Admission(3)
    admission.refused(2, T0)
    everybody = wishes(*"ABCDE")
    admission.admit(everybody)
    admission.released()
    assert admission.probe(T0)
    assert admission.admit(everybody).tried == {"C"}
    assert admission.taken(3)
    assert not admission.admit(everybody).tried


def test_nothing_is_tried_when_all_have_room_or_no_limit_was_learned() -> None:
    admission = Admission(2)
    admission.admit(wishes(*"ABC"))
    admission.released()
    assert not admission.probe(T0), "the configured limit is what the plan allows"
    admission.refused(2, T0)
    admission.released()
    admission.admit(wishes("A"))
    assert not admission.probe(T0)


def test_a_new_connection_from_rest_forgets_what_was_learned() -> None:
    admission = Admission(None)
    admission.refused(1, T0)
    admission.forget()
    assert admission.limit is None

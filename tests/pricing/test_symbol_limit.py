"""The symbol limit: kept, learned, and tried anew after a release, one symbol first and then twice as many."""

from __future__ import annotations

from quotebus.bus.clock import NS_PER_S
from quotebus.pricing.demand import SymbolDemand
from quotebus.pricing.symbol_limit import PATIENCE_NS, PROBE_EVERY_NS, SymbolLimit

Q, QT = frozenset({"quotes"}), frozenset({"quotes", "trades"})
T0 = 1_000 * NS_PER_S


def wanted(*symbols: str, channels: frozenset[str] = Q, priority: int = 0) -> dict[str, SymbolDemand]:
    return {symbol: SymbolDemand(channels, priority, order) for order, symbol in enumerate(symbols)}


def test_no_limit_admits_all() -> None:
    admitted = SymbolLimit(None).admit(wanted(*"ABC"))
    assert (list(admitted.wanted), admitted.spare) == (["A", "B", "C"], None)


def test_the_smaller_of_configured_and_learned_counts_in_pairs() -> None:
    symbol_limit = SymbolLimit(5)
    assert symbol_limit.admit(wanted(*"ABC", channels=QT)).wanted.keys() == {"A", "B"}
    assert symbol_limit.admit(wanted("A", channels=QT)).spare == 3
    symbol_limit.on_refusal(3, T0)
    assert symbol_limit.limit == 3
    assert symbol_limit.admit(wanted(*"ABC", channels=QT)).wanted.keys() == {"A"}
    symbol_limit.on_refusal(30, T0)
    assert symbol_limit.limit == 2, "what was within the limit was refused: it is lower still"


def test_a_release_lets_one_more_be_tried_and_success_twice_as_many() -> None:
    symbol_limit = SymbolLimit(None)
    symbol_limit.on_refusal(2, T0)
    everybody = wanted(*"ABCDEFGH")
    assert not symbol_limit.admit(everybody).tried
    assert not symbol_limit.probe(T0), "nobody let go"
    symbol_limit.on_release()
    assert symbol_limit.probe(T0)
    assert symbol_limit.admit(everybody).tried == {"C"}
    assert symbol_limit.on_acknowledged(3)
    assert symbol_limit.admit(everybody).tried == {"D", "E"}
    assert symbol_limit.on_acknowledged(5)
    assert symbol_limit.admit(everybody).tried == {"F", "G", "H"}
    assert symbol_limit.on_acknowledged(8)
    assert not symbol_limit.admit(everybody).tried
    assert symbol_limit.limit == 8


def test_a_refused_try_ends_it_until_the_next_release_and_not_too_soon() -> None:
    symbol_limit = SymbolLimit(None)
    symbol_limit.on_refusal(2, T0)
    everybody = wanted(*"ABCD")
    symbol_limit.admit(everybody)
    symbol_limit.on_release()
    assert symbol_limit.probe(T0)
    symbol_limit.admit(everybody)
    symbol_limit.on_refusal(2, T0)
    assert not symbol_limit.admit(everybody).tried
    assert not symbol_limit.probe(T0 + PATIENCE_NS - 1), "nobody let go since"
    symbol_limit.on_release()
    assert not symbol_limit.probe(T0 + PROBE_EVERY_NS - 1)
    assert symbol_limit.probe(T0 + PROBE_EVERY_NS)
    symbol_limit.admit(everybody)
    symbol_limit.on_refusal(2, T0 + PROBE_EVERY_NS)
    assert symbol_limit.probe(T0 + PROBE_EVERY_NS + PATIENCE_NS), "or a minute has passed"


def test_what_is_configured_is_never_exceeded_by_a_try() -> None:
    symbol_limit = SymbolLimit(3)
    symbol_limit.on_refusal(2, T0)
    everybody = wanted(*"ABCDE")
    symbol_limit.admit(everybody)
    symbol_limit.on_release()
    assert symbol_limit.probe(T0)
    assert symbol_limit.admit(everybody).tried == {"C"}
    assert symbol_limit.on_acknowledged(3)
    assert not symbol_limit.admit(everybody).tried


def test_nothing_is_tried_when_all_have_room_or_no_limit_was_learned() -> None:
    symbol_limit = SymbolLimit(2)
    symbol_limit.admit(wanted(*"ABC"))
    symbol_limit.on_release()
    assert not symbol_limit.probe(T0), "the configured limit is what the plan allows"
    symbol_limit.on_refusal(2, T0)
    symbol_limit.on_release()
    symbol_limit.admit(wanted("A"))
    assert not symbol_limit.probe(T0)


def test_a_new_connection_from_rest_forgets_what_was_learned() -> None:
    symbol_limit = SymbolLimit(None)
    symbol_limit.on_refusal(1, T0)
    symbol_limit.forget()
    assert symbol_limit.limit is None

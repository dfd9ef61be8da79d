"""Leases and their union against a model that recomputes everything, and who wins under the symbol limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.events import Cause, SymbolsRequested
from quotebus.bus.protocol import MAX_NODE_SYMBOLS, MAX_SYMBOLS
from quotebus.bus.sequence import LATE, SequenceTracker
from quotebus.pricing.demand import (
    CONFLICT_NS,
    MAX_CLIENTS,
    MAX_REQUESTS_PER_S,
    Demand,
    LeaseClock,
    SymbolDemand,
    admit,
)
from tests.support.pricing import request
from tests.support.samples import QUICK

SYMBOLS = ("A", "B", "C", "D")


@dataclass
class Model:
    """Leases as a plain table; the union is recomputed from nothing each time it is looked at."""

    leases: dict[str, tuple[SymbolsRequested, int]] = field(default_factory=dict)
    numbers: dict[str, SequenceTracker] = field(default_factory=dict)
    terms: dict[str, tuple[set[str], int, int]] = field(default_factory=dict)

    def apply(self, wish: SymbolsRequested, now_ns: int) -> bool:
        held = self.leases.get(wish.client)
        if held is None:
            self.numbers[wish.client] = SequenceTracker()
        if self.numbers[wish.client].observe(wish.source, b"", wish.seq, wish.published_ns) == LATE:
            return False
        channels, priority, ttl_ms = set(wish.channels), wish.priority, max(wish.ttl_ms, 1_000)
        if held and held[0].symbols and wish.symbols:  # what takes away counts when it is asked for twice
            former, had = held[0], self.terms[wish.client]
            if set(former.channels) != channels:
                channels |= had[0]
            if former.priority != priority:
                priority = had[1]
            if max(former.ttl_ms, 1_000) != ttl_ms:
                ttl_ms = had[2]
        self.terms[wish.client] = (channels, priority, ttl_ms)
        self.leases[wish.client] = (wish, now_ns + ttl_ms * NS_PER_MS)
        return True

    def expire(self, now_ns: int) -> None:
        self.leases = {client: lease for client, lease in self.leases.items() if lease[1] > now_ns}

    def union(self) -> dict[str, tuple[set[str], int]]:
        union: dict[str, tuple[set[str], int]] = {}
        for client, (wish, _) in self.leases.items():
            for symbol in wish.symbols:
                channels, priority = union.get(symbol, (set(), -128))
                union[symbol] = (channels | self.terms[client][0], max(priority, self.terms[client][1]))
        return union


steps = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.lists(st.sampled_from(SYMBOLS), max_size=6),
        st.sampled_from([("quotes",), ("trades",), ("quotes", "trades")]),
        st.integers(-128, 127),
        st.sampled_from([1, 1_000, 1_500, 5_000]),
        st.integers(-3, 1),
        st.integers(0, 2_000),
    ),
    max_size=40,
)


@QUICK
@given(steps)
def test_union_is_that_of_all_leases_whatever_is_asked_repeated_and_forgotten(steps: list[tuple]) -> None:  # type: ignore[type-arg]
    demand, model, now_ns, seq = Demand(), Model(), 0, 1
    for client, symbols, channels, priority, ttl_ms, back, wait_ms in steps:
        now_ns += wait_ms * NS_PER_MS
        demand.expire(now_ns)
        model.expire(now_ns)
        seq += 1
        wish = request(
            client, tuple(symbols), seq=max(1, seq + 3 * back), channels=channels, priority=priority, ttl_ms=ttl_ms
        )
        before = model.union()
        answer = demand.apply(wish, now_ns)
        assert answer.cause is Cause.DEMAND
        assert answer.applied == model.apply(wish, now_ns)
        if model.union() != before:
            assert answer.changed
        assert {symbol: (set(w.channels), w.priority) for symbol, w in demand.wanted.items()} == model.union()
        for symbol in SYMBOLS:
            holders = [claim.client for claim in demand.claims(symbol, now_ns)]
            assert sorted(holders) == sorted(c for c, (wish, _) in model.leases.items() if symbol in wish.symbols)
        if model.leases:
            assert demand.next_expiry_ns() == min(end for _, end in model.leases.values())


def test_a_repeat_renews_and_changes_nothing() -> None:
    demand = Demand()
    assert demand.apply(request(seq=1, ttl_ms=2_000), 0).changed
    answer = demand.apply(request(seq=2, ttl_ms=2_000), NS_PER_S)
    assert (answer.applied, answer.changed, answer.first, answer.added) == (True, False, False, frozenset())
    assert not demand.expire(2 * NS_PER_S)
    assert demand.expire(3 * NS_PER_S)
    assert demand.wanted == {}


def test_a_replayed_request_is_answered_and_neither_applied_nor_a_renewal() -> None:
    demand = Demand()
    demand.apply(request(symbols=("A",), seq=5, ttl_ms=2_000), 0)
    answer = demand.apply(request(symbols=("B",), seq=5, ttl_ms=60_000), NS_PER_S)
    assert (answer.cause, answer.applied, answer.lease_ms) == (Cause.DEMAND, False, 2_000)
    assert set(demand.wanted) == {"A"}
    assert demand.expire(2 * NS_PER_S)


def many(prefix: str, count: int) -> tuple[str, ...]:
    return tuple(f"{prefix}{number}" for number in range(count))


def test_a_node_holds_so_many_symbols_over_all_clients_and_names_those_beyond() -> None:
    demand = Demand()
    demand.apply(request("a", many("A", 6_000)), 0)
    answer = demand.apply(request("b", ("A1", *many("B", 6_000), "A2")), 0)
    assert (answer.cause, answer.applied) == (Cause.DEMAND, True)
    assert answer.beyond == {f"B{number}" for number in range(4_000, 6_000)}, "what others hold takes no room"
    assert len(demand.wanted) == MAX_NODE_SYMBOLS
    assert set(demand.leases["b"].symbols) == {"A1", "A2", *many("B", 4_000)}
    demand.apply(request("a", many("A", 10), seq=2), 0)
    renewed = demand.apply(request("b", ("A1", *many("B", 6_000), "A2"), seq=2), 0)
    assert renewed.beyond == frozenset(), "a release makes room at the next renewal"
    assert renewed.added == {f"B{number}" for number in range(4_000, 6_000)}


def test_a_client_that_changes_everything_it_holds_at_the_bound_is_served_at_once() -> None:
    demand = Demand()
    demand.apply(request("a", many("A", MAX_NODE_SYMBOLS)), 0)
    answer = demand.apply(request("a", many("B", MAX_NODE_SYMBOLS), seq=2), 0)
    assert answer.beyond == frozenset()
    assert set(demand.wanted) == set(many("B", MAX_NODE_SYMBOLS))
    assert demand.apply(request("b", ("C", "B1")), 0).beyond == {"C"}


def test_thirty_clients_of_ten_thousand_symbols_each_fill_a_node_once() -> None:
    demand = Demand()
    for number in range(30):
        demand.apply(request(f"c{number}", many(f"S{number}-", 10_000)), 0)
    assert len(demand.wanted) == MAX_NODE_SYMBOLS


def test_an_old_request_does_not_undo_a_release() -> None:
    demand = Demand()
    demand.apply(request(symbols=("A",), seq=1), 0)
    released = demand.apply(request(symbols=(), seq=2), 1)
    assert (released.applied, released.lease_ms) == (True, 0)
    late = demand.apply(request(symbols=("A",), seq=1), 2)
    assert (late.applied, late.lease_ms) == (False, 0)
    assert demand.wanted == {}
    assert demand.apply(request(symbols=("A",), seq=3), 3).applied


def test_a_released_name_may_be_taken_by_anybody_at_once() -> None:
    demand = Demand()
    demand.apply(request(source="one", seq=1, published_ns=100), 0)
    demand.apply(request(source="one", symbols=(), seq=2, published_ns=200), 0)
    assert demand.apply(request(source="two", seq=1, published_ns=50), 0).applied


def test_ones_release_never_takes_a_symbol_from_another() -> None:
    demand = Demand()
    demand.apply(request("a", ("A", "B"), priority=9, channels=("trades",)), 0)
    demand.apply(request("b", ("B",), priority=-1), 0)
    demand.apply(request("a", (), seq=2), 0)
    assert demand.wanted == {"B": SymbolDemand(frozenset({"quotes"}), -1, 2)}


def ask(demand: Demand, source: str, seq: int, at_ms: int, symbol: str = "A") -> Cause:
    wish = request(source=source, symbols=(symbol,), seq=seq, published_ns=1_000_000 + at_ms, ttl_ms=15_000)
    return demand.apply(wish, at_ms * NS_PER_MS).cause


def test_a_second_program_under_a_name_is_refused_while_the_first_answers() -> None:
    demand = Demand()
    assert ask(demand, "first", 1, 0) is Cause.DEMAND
    for at_ms in range(500, 20_000, 500):
        assert ask(demand, "second", at_ms, at_ms, "B") is Cause.CLIENT_CONFLICT
        if at_ms % 1_500 == 0:
            assert ask(demand, "first", at_ms, at_ms + 100) is Cause.DEMAND
        assert set(demand.wanted) == {"A"}
    assert demand.leases["a"].source == "first"


def test_a_restarted_program_gets_its_name_back_when_its_former_life_does_not_answer() -> None:
    demand = Demand()
    ask(demand, "killed", 1, 0)
    causes = {at_ms: ask(demand, "restarted", at_ms, at_ms, "B") for at_ms in range(100, 2_200, 500)}
    assert list(causes.values()) == [Cause.CLIENT_CONFLICT] * 4 + [Cause.DEMAND]
    assert set(demand.wanted) == {"B"}
    assert CONFLICT_NS == 2 * NS_PER_S
    assert ask(demand, "killed", 2, 2_200) is Cause.CLIENT_CONFLICT, "it was only asleep, and is the newcomer now"
    assert set(demand.wanted) == {"B"}


def test_the_name_is_free_when_the_lease_has_ended() -> None:
    demand = Demand()
    demand.apply(request(source="first", published_ns=1, ttl_ms=1_000), 0)
    assert demand.apply(request(source="second", published_ns=2), 999 * NS_PER_MS).cause is Cause.CLIENT_CONFLICT
    demand.expire(NS_PER_S)
    taken = demand.apply(request(source="second", published_ns=2), NS_PER_S)
    assert (taken.cause, taken.applied, taken.first) == (Cause.DEMAND, True, True)


def test_two_challengers_that_take_turns_get_nothing_before_the_lease_ends() -> None:
    demand = Demand()
    ask(demand, "first", 1, 0)
    for at_ms in range(500, 15_000, 500):
        assert ask(demand, ("second", "third")[at_ms // 500 % 2], at_ms, at_ms) is Cause.CLIENT_CONFLICT


def test_the_release_of_one_that_was_refused_takes_nothing_from_the_holder() -> None:
    demand = Demand()
    ask(demand, "first", 1, 0)
    for seq, at_ms in enumerate(range(100, 5_000, 500), 1):
        wish = request(source="second", symbols=(), seq=seq, published_ns=2_000_000 + at_ms)
        answer = demand.apply(wish, at_ms * NS_PER_MS)
        assert (answer.cause, answer.applied, answer.lease_ms) == (Cause.DEMAND, False, 0)
    assert set(demand.wanted) == {"A"}
    assert ask(demand, "second", 99, 5_000) is Cause.CLIENT_CONFLICT


def test_an_old_message_of_the_holder_is_no_sign_of_life() -> None:
    demand = Demand()
    ask(demand, "killed", 4, 0)
    ask(demand, "killed", 5, 0)
    ask(demand, "restarted", 1, 100)
    for seq in (5, 4):
        wish = request(source="killed", symbols=("A",), seq=seq, published_ns=1_000_000)
        assert not demand.apply(wish, NS_PER_S).applied
    assert ask(demand, "restarted", 2, 2_100) is Cause.DEMAND
    assert demand.late == 2


@pytest.mark.parametrize(
    ("asked_ms", "granted_ms"),
    [(-5, 1_000), (0, 1_000), (999, 1_000), (15_000, 15_000), (120_001, 120_000), (2**63 - 1, 120_000)],
)
def test_ttl_is_clamped(asked_ms: int, granted_ms: int) -> None:
    demand = Demand()
    assert demand.apply(request(ttl_ms=asked_ms), 7).lease_ms == granted_ms
    assert not demand.expire(7 + granted_ms * NS_PER_MS - 1)
    assert demand.expire(7 + granted_ms * NS_PER_MS)


@pytest.mark.parametrize("channels", [(), ("bars",), ("quotes", "bars"), ("QUOTES",)])
def test_unknown_or_no_channels_are_a_bad_request(channels: tuple[str, ...]) -> None:
    demand = Demand()
    assert demand.apply(request(channels=channels), 0).cause is Cause.BAD_REQUEST
    assert demand.wanted == {}


@pytest.mark.parametrize("client", ["", "a b", "ä", "x" * 65, "a\n"])
def test_client_names_that_cannot_be_a_topic_are_a_bad_request(client: str) -> None:
    assert Demand().apply(request(client), 0).cause is Cause.BAD_REQUEST


def test_bad_symbols_are_refused_by_name_and_the_others_go_on() -> None:
    demand = Demand()
    bad = ["*", "spy", "", "A" * 33, "A B", "Ä", "/A"]
    answer = demand.apply(request(symbols=("SPY", *bad, "BTC/USD", "BRK.B")), 0)
    assert answer.refused == bad
    assert set(demand.wanted) == {"SPY", "BTC/USD", "BRK.B"}


def test_duplicates_count_once() -> None:
    demand = Demand()
    answer = demand.apply(request(symbols=("A", "A", "B", "A")), 0)
    assert answer.added == {"A", "B"}
    assert demand.leases["a"].symbols == ("A", "B")
    demand.apply(request(symbols=("B", "B"), seq=2), 0)
    assert set(demand.wanted) == {"B"}


def test_ten_thousand_symbols_and_not_one_more() -> None:
    demand = Demand()
    many = tuple(f"S{number}" for number in range(MAX_SYMBOLS + 1))
    assert demand.apply(request(symbols=many), 0).cause is Cause.TOO_MANY
    assert demand.wanted == {}
    assert demand.apply(request(symbols=many[:-1]), 0).cause is Cause.DEMAND
    assert len(demand.wanted) == MAX_SYMBOLS
    assert demand.apply(request(symbols=many, seq=2), 0).cause is Cause.TOO_MANY
    assert len(demand.wanted) == MAX_SYMBOLS


def test_clients_are_bounded_and_known_ones_are_still_served() -> None:
    demand = Demand()
    for number in range(MAX_CLIENTS):
        demand.apply(request(f"c{number}", (f"S{number}",)), 0)
    assert demand.apply(request("late"), 0).cause is Cause.TOO_MANY
    assert demand.apply(request("c1", seq=2), 0).cause is Cause.DEMAND


def test_one_client_that_asks_without_end_is_slowed_down_and_nobody_else() -> None:
    demand = Demand()
    causes = [demand.apply(request(seq=seq), 0).cause for seq in range(1, MAX_REQUESTS_PER_S + 10)]
    assert causes.count(Cause.RATE_LIMITED) == 9
    assert demand.apply(request("b"), 0).cause is Cause.DEMAND
    assert demand.apply(request(seq=99), NS_PER_S).cause is Cause.DEMAND


def test_claims_tell_priority_and_time_left_of_a_hundred_at_most() -> None:
    demand = Demand()
    demand.apply(request("first", priority=3, ttl_ms=2_000), 0)
    [claim] = demand.claims("SPY", NS_PER_S)
    assert (claim.client, claim.priority, claim.lease_left_ms) == ("first", 3, 1_000)
    for number in range(150):
        demand.apply(request(f"c{number}"), 0)
    assert len(demand.claims("SPY", 0)) == 100


# the lease clock


def test_lease_clock_stands_still_while_own_health_is_not_heard() -> None:
    clock = LeaseClock()
    assert [clock.tick(at * NS_PER_S) for at in (5, 6)] == [0, 0]
    clock.note_own_health(6 * NS_PER_S)
    assert clock.tick(8 * NS_PER_S) == 2 * NS_PER_S
    for at in range(9, 100):
        assert clock.tick(at * NS_PER_S) == 2 * NS_PER_S
    clock.note_own_health(100 * NS_PER_S)
    assert clock.tick(100 * NS_PER_S) == 3 * NS_PER_S, "only the time since the last look"


def test_a_node_that_was_stopped_does_not_count_that_time() -> None:
    clock = LeaseClock()
    clock.note_own_health(0)
    clock.tick(0)
    assert clock.tick(60 * NS_PER_S) == 0


# the symbol limit

wanted = st.dictionaries(
    st.text("ABCDEFGH", min_size=1, max_size=2),
    st.tuples(st.sampled_from([{"quotes"}, {"trades"}, {"quotes", "trades"}]), st.integers(-2, 2)),
    max_size=12,
).map(lambda d: {s: SymbolDemand(frozenset(c), p, order) for order, (s, (c, p)) in enumerate(d.items())})


@QUICK
@given(wanted, st.integers(0, 15))
def test_the_limit_is_kept_and_nobody_loses_to_a_lower_rank(wanted: dict[str, SymbolDemand], limit: int) -> None:
    admitted = admit(wanted, limit)
    used = sum(len(wish.channels) for wish in admitted.values())
    assert used <= limit
    assert all(wanted[symbol] is wish for symbol, wish in admitted.items())

    def rank(wish: SymbolDemand) -> tuple[int, int]:
        return (-wish.priority, wish.order)

    for symbol, loser in wanted.items():
        if symbol not in admitted:
            better = sum(len(w.channels) for w in admitted.values() if rank(w) < rank(loser))
            assert better + len(loser.channels) > limit, f"{symbol} would have fitted beside those before it"


def test_newcomer_loses_a_tie_and_wins_with_priority() -> None:
    demand = Demand()
    demand.apply(request("a", ("A", "B")), 0)
    demand.apply(request("b", ("C",)), 0)
    assert set(admit(demand.wanted, 2)) == {"A", "B"}
    demand.apply(request("b", ("C",), seq=2, priority=1), 0)
    assert set(admit(demand.wanted, 2)) == {"A", "B"}, "one request may be false"
    demand.apply(request("b", ("C",), seq=3, priority=1), 0)
    assert set(admit(demand.wanted, 2)) == {"A", "C"}
    demand.apply(request("a", ("B", "A"), seq=2), 0)
    assert set(admit(demand.wanted, 2)) == {"A", "C"}, "asking in another order is no way to the front"


@pytest.mark.parametrize(
    "false",
    [
        {"channels": ("trades",)},
        {"channels": ("quotes", "trades")},
        {"priority": -128},
        {"priority": 127},
        {"ttl_ms": 1_000},
        {"channels": ("trades",), "priority": -128, "ttl_ms": 1_000},
    ],
)
def test_one_false_request_takes_nothing_from_its_client_or_from_others(false: dict[str, Any]) -> None:
    demand = Demand()
    demand.apply(request("a", ("A",)), 0)
    demand.apply(request("b", ("B",)), 0)
    for seq, wish in enumerate(({}, false, {}, {}, false, {}, {}, {}), start=2):
        demand.apply(request("a", ("A",), seq=seq, **wish), seq * NS_PER_S)
        assert "quotes" in demand.wanted["A"].channels
        assert demand.wanted["A"].priority == 0
        assert set(admit(demand.wanted, 2)) >= {"A"}
    assert demand.leases["a"].expires_ns == demand.leases["a"].asked_ns + 15 * NS_PER_S
    assert demand.wanted["A"] == SymbolDemand(frozenset({"quotes"}), 0, 1), "and all is as it was"


def test_what_two_requests_in_a_row_say_counts() -> None:
    demand = Demand()
    demand.apply(request("a", ("A",), channels=("quotes", "trades"), priority=3), 0)
    demand.apply(request("a", ("A",), seq=2, channels=("quotes",), priority=-1), 0)
    assert demand.wanted["A"] == SymbolDemand(frozenset({"quotes", "trades"}), 3, 1)
    assert demand.apply(request("a", ("A",), seq=3, channels=("quotes",), priority=-1), 0).changed
    assert demand.wanted["A"] == SymbolDemand(frozenset({"quotes"}), -1, 1)
    demand.apply(request("a", ("A",), seq=4, channels=("quotes", "trades"), priority=-1), 0)
    assert demand.wanted["A"] == SymbolDemand(frozenset({"quotes", "trades"}), -1, 1), "more counts at once"


def test_no_limit_admits_all() -> None:
    demand = Demand()
    demand.apply(request(symbols=tuple(f"S{n}" for n in range(500)), channels=("quotes", "trades")), 0)
    assert admit(demand.wanted, None) is demand.wanted

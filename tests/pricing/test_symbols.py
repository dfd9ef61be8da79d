"""One way to change a symbol's state, and statuses re-sent so that a lost one heals in time."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.errors import IllegalTransition
from quotebus.bus.events import Cause, SymbolState
from quotebus.bus.protocol import MAX_NODE_SYMBOLS, MAX_STATUSES_PER_S
from quotebus.pricing.symbols import MOVES, PROMPT_PER_S, SymbolEntry, SymbolTable
from tests.support.pricing import T0, s

State = SymbolState


def table() -> tuple[SymbolTable, list[tuple[str, State]]]:
    sent: list[tuple[str, State]] = []

    def changed(entry: SymbolEntry) -> None:
        sent.append((entry.symbol, entry.state))

    return SymbolTable(changed), sent


@pytest.mark.parametrize("start", State)
@pytest.mark.parametrize("end", State)
def test_every_move_is_in_the_table_or_raises(start: State, end: State) -> None:
    symbols, sent = table()
    symbols.entries["A"] = SymbolEntry("A", start, Cause.DEMAND, T0)
    if end in MOVES[start]:
        assert symbols.move("A", end, Cause.HALT, T0 + 1)
        assert sent == [("A", end)]
        assert ("A" in symbols.entries) == (end is not State.RELEASED)
    else:
        with pytest.raises(IllegalTransition, match=r"symbol A: .* is illegal in state"):
            symbols.move("A", end, Cause.HALT, T0 + 1)
        assert sent == []


def test_whatever_a_symbol_is_it_can_be_released_and_be_shed() -> None:
    for state in set(State) - {State.RELEASED}:
        assert State.RELEASED in MOVES[state]
        assert state is State.EVICTED or State.EVICTED in MOVES[state]
        assert state is State.RELEASED or State.PENDING in MOVES[state]


def test_a_move_to_where_it_is_says_nothing_and_a_new_cause_keeps_the_time_of_entry() -> None:
    symbols, sent = table()
    symbols.add("A", T0)
    assert not symbols.move("A", State.PENDING, Cause.DEMAND, s(1))
    assert symbols.move("A", State.PENDING, Cause.NO_QUOTE_YET, s(2))
    assert symbols.entries["A"].since_ns == T0
    assert symbols.move("A", State.LIVE, Cause.DEMAND, s(3))
    assert symbols.entries["A"].since_ns == s(3)
    assert not symbols.move("B", State.LIVE, Cause.DEMAND, s(3)), "nobody wants B"
    assert sent == [("A", State.PENDING), ("A", State.LIVE)]


def test_a_symbol_may_be_refused_twice_for_two_channels_and_two_causes() -> None:
    symbols, _ = table()
    symbols.add("A", T0)
    assert symbols.move("A", State.REFUSED, Cause.NOT_ENTITLED, T0)
    assert symbols.move("A", State.REFUSED, Cause.NOT_IN_ACK, T0)


def test_adding_again_does_not_start_anew() -> None:
    symbols, _ = table()
    symbols.add("A", T0)
    symbols.move("A", State.LIVE, Cause.DEMAND, T0)
    symbols.add("A", s(1))
    assert symbols.state("A") is State.LIVE


@pytest.mark.parametrize("count", [1, 2, 7, 100, 1_000, 5_000])
def test_each_status_is_sent_again_within_ten_seconds_and_evenly(count: int) -> None:
    symbols, sent = table()
    for number in range(count):
        symbols.add(f"S{number}", T0)
    last = dict.fromkeys(symbols.entries, T0)
    now_ns, step_ns = T0, NS_PER_S // 4
    symbols.rotate(now_ns)
    while now_ns < s(40):
        now_ns += step_ns
        symbols.rotate(now_ns)
        assert len(sent) <= count * step_ns / (9 * NS_PER_S) + 1, "no bursts"
        for symbol, _ in sent:
            assert now_ns - last[symbol] <= 10 * NS_PER_S
            last[symbol] = now_ns
        sent.clear()
    assert min(last.values()) > s(30)


def test_a_symbol_added_in_the_middle_of_a_round_waits_no_longer_than_others() -> None:
    symbols, sent = table()
    last: dict[str, int] = {}
    for step in range(300):
        now_ns = T0 + step * NS_PER_S // 10
        if step in (0, 2):
            for number in range(100):
                symbols.add(f"{step}-{number}", now_ns)
        symbols.rotate(now_ns)
        last |= {symbol: now_ns for symbol, _ in sent}
        sent.clear()
        for symbol, entry in symbols.entries.items():
            assert now_ns - max(last.get(symbol, 0), entry.since_ns) <= 10 * NS_PER_S, symbol


def test_rotation_survives_symbols_that_come_and_go() -> None:
    symbols, sent = table()
    for number in range(50):
        symbols.add(f"S{number}", T0)
    for step in range(400):
        now_ns = T0 + step * NS_PER_S // 10
        symbols.add(f"N{step}", now_ns)
        if step >= 20:
            symbols.move(f"N{step - 20}", State.RELEASED, Cause.NO_DEMAND, now_ns)
        symbols.rotate(now_ns)
    assert {symbol for symbol, state in sent if state is State.PENDING} >= {f"S{number}" for number in range(50)}


def test_halted_symbols_are_sent_every_second_and_1200_at_most() -> None:
    symbols, sent = table()
    for number in range(1_500):
        symbols.add(f"S{number}", T0)
        symbols.move(f"S{number}", State.HALTED, Cause.HALT, T0)
    sent.clear()
    symbols.rotate(T0)
    assert len(sent) == 1_200
    symbols.rotate(s(0.5))
    burst = len(sent)
    symbols.rotate(s(1))
    assert len(sent) - burst >= 1_200
    assert burst - 1_200 <= 1_500 / 18 + 1


@pytest.mark.parametrize("halted", [0, 300, 2_000, 9_900, 10_000])
def test_no_more_than_a_thousand_statuses_are_repeated_a_second(halted: int) -> None:
    symbols, sent = table()
    for number in range(MAX_NODE_SYMBOLS):
        symbols.add(f"S{number}", T0)
        if number < halted:
            symbols.move(f"S{number}", State.HALTED, Cause.HALT, T0)
    sent.clear()
    last = dict.fromkeys(symbols.entries, T0)
    seconds, step_ns = 40, NS_PER_S // 20
    now_ns = T0
    symbols.rotate(now_ns)
    assert len(sent) <= MAX_STATUSES_PER_S
    sent.clear()
    for _ in range(seconds):
        for _ in range(20):
            now_ns += step_ns
            symbols.rotate(now_ns)
        assert len(sent) <= MAX_STATUSES_PER_S + 1
        for symbol, _ in sent:
            last[symbol] = now_ns
        sent.clear()
        longest_s = 10 if halted in (0, 10_000) else 21
        assert now_ns - min(last.values()) <= longest_s * NS_PER_S, "each has its turn"
    symbols.rotate(s(3_600))
    assert len(sent) <= 2 * MAX_STATUSES_PER_S, "a long pause is not made up for"


def test_a_long_sleep_is_not_made_up_for_by_more_than_one_round() -> None:
    symbols, sent = table()
    for number in range(10):
        symbols.add(f"S{number}", T0)
    symbols.rotate(T0)
    symbols.rotate(s(3_600))
    assert len(sent) <= 10


def test_live_counts_quiet_and_not_halted() -> None:
    symbols, _ = table()
    ways = {"A": [State.LIVE], "B": [State.LIVE, State.QUIET], "C": [State.HALTED], "D": [State.STALE], "E": []}
    for symbol, states in ways.items():
        symbols.add(symbol, T0)
        symbols.add(symbol, T0)
        for state in states:
            symbols.move(symbol, state, Cause.DEMAND, T0)
    assert symbols.count_live() == 2
    symbols.move("B", State.RELEASED, Cause.NO_DEMAND, T0)
    symbols.move("A", State.STALE, Cause.BAD_DATA, T0)
    symbols.move("E", State.LIVE, Cause.DEMAND, T0)
    assert symbols.count_live() == 1
    symbols.clear()
    assert symbols.count_live() == 0


def test_what_thousands_of_pending_symbols_wait_for_is_told_in_turn_and_before_all_else() -> None:
    symbols, sent = table()
    count = 2_000
    for number in range(count):
        symbols.add(f"S{number}", T0)
    symbols.rotate(T0)
    for number in range(count // 2, count):
        symbols.move(f"S{number}", State.PENDING, Cause.NO_QUOTE_YET, T0)
    assert len(sent) == PROMPT_PER_S
    symbols.rotate(s(1))
    assert PROMPT_PER_S < len(sent) <= PROMPT_PER_S + MAX_STATUSES_PER_S
    assert all(int(symbol[1:]) >= count // 2 for symbol, _ in sent)
    before = len(sent)
    for number in range(count):
        symbols.move(f"S{number}", State.LIVE, Cause.DEMAND, s(1))
    assert len(sent) == before + count, "a state is told at once"


def test_few_symbols_tell_at_once_what_they_wait_for() -> None:
    symbols, sent = table()
    symbols.add("A", T0)
    symbols.move("A", State.PENDING, Cause.NO_QUOTE_YET, T0)
    assert sent == [("A", State.PENDING)]

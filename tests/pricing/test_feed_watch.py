"""From a suspicion to proof and a redial, or back: questions, answers, races, and how often."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.errors import IllegalTransition
from quotebus.bus.events import Cause, SymbolState
from quotebus.pricing.feed_watch import MOVES, FeedState, FeedWatch, RedialPace
from quotebus.pricing.shared_state import SharedState
from quotebus.pricing.symbols import SymbolTable

T0 = 1_770_000_000 * NS_PER_S
LOOK_NS = NS_PER_S // 4
EXCHANGE0 = 1_800_000_000 * NS_PER_S
"""The exchange's clock has nothing to do with ours."""


class Rig:
    """Two symbols that tick four times a second, until they do not."""

    def __init__(self) -> None:
        self.now_ns = T0
        self.shared = SharedState()
        self.counters = {"quotes": 0}
        self.shared.counters = self.counters
        self.table = SymbolTable(lambda _: None)
        self.asked: list[tuple[tuple[str, ...], int]] = []
        self.watch = FeedWatch(self.shared, self.table, lambda symbols, number: self.asked.append((symbols, number)))
        for symbol in ("A", "B"):
            self.shared.want(symbol)
            self.table.add(symbol, T0)
        self.watch.begin(T0)

    def tick(self) -> None:
        for symbol in ("A", "B"):
            slot = self.shared.slots[symbol]
            slot.quote_seq += 1
            slot.exchange_ns = EXCHANGE0 + self.now_ns - T0
            self.counters["quotes"] += 1
            if self.table.state(symbol) is SymbolState.PENDING:
                self.table.move(symbol, SymbolState.LIVE, Cause.DEMAND, self.now_ns)

    def run(self, seconds: float, *, ticking: bool = False) -> None:
        for _ in range(int(seconds * NS_PER_S / LOOK_NS)):
            self.now_ns += LOOK_NS
            if ticking:
                self.tick()
            self.watch.on_time(self.now_ns)

    def answer(self, newer_s: float | None, *, number: int | None = None) -> None:
        newest = None
        if newer_s is not None:
            newest = {"A": self.shared.slots["A"].exchange_ns + int(newer_s * NS_PER_S), "UNKNOWN": EXCHANGE0 * 2}
        self.watch.on_venue(self.asked[-1][1] if number is None else number, newest, self.now_ns)


@pytest.fixture
def rig() -> Rig:
    """Suspicious, with a question open."""
    rig = Rig()
    rig.run(60, ticking=True)
    rig.run(6)
    assert rig.watch.state is FeedState.ASKING
    return rig


def test_a_suspicion_asks_once_about_the_symbols_that_tick(rig: Rig) -> None:
    rig.run(2)
    assert [set(symbols) for symbols, _ in rig.asked] == [{"A", "B"}]
    assert rig.watch.is_silent
    assert not rig.watch.is_mute
    assert rig.watch.suspicions == 1


def test_a_quote_two_seconds_newer_that_does_not_come_is_proof(rig: Rig) -> None:
    rig.answer(2.0)
    assert rig.watch.state is FeedState.NEWER
    rig.run(1.75)
    assert not rig.watch.is_mute, "it may be on its way"
    rig.run(0.5)
    assert rig.watch.is_mute
    assert rig.watch.is_silent
    assert rig.watch.proofs == 1


def test_a_quote_less_than_two_seconds_newer_proves_nothing(rig: Rig) -> None:
    rig.answer(1.99)
    assert rig.watch.state is FeedState.WAITING
    rig.run(600)
    assert rig.watch.proofs == 0


def test_a_newer_quote_that_comes_after_all_proves_nothing(rig: Rig) -> None:
    rig.answer(5.0)
    rig.run(1)
    rig.tick()
    rig.run(0.25)
    assert rig.watch.state is FeedState.TICKING
    rig.run(4)
    assert rig.watch.proofs == 0


def test_a_tick_ends_a_proof(rig: Rig) -> None:
    rig.answer(5.0)
    rig.run(3)
    assert rig.watch.is_mute
    rig.tick()
    rig.run(0.25)
    assert rig.watch.state is FeedState.TICKING


def test_while_silent_the_venue_is_asked_again_ever_less_often_and_at_least_each_minute(rig: Rig) -> None:
    began_ns, times = rig.now_ns, []
    for _ in range(8):
        rig.answer(0.0)
        asked = len(rig.asked)
        while len(rig.asked) == asked:
            rig.run(0.25)
        times.append(round((rig.now_ns - began_ns) / NS_PER_S))
    assert [later - former for former, later in zip([0, *times], times, strict=False)] == [
        5,
        10,
        20,
        40,
        60,
        60,
        60,
        60,
    ]
    assert rig.watch.suspicions == 1


@pytest.mark.parametrize("answers", [True, False])
def test_without_an_answer_it_stays_silent_and_is_asked_again(rig: Rig, answers: bool) -> None:
    if answers:
        rig.answer(None)
        assert rig.watch.state is FeedState.WAITING
    rig.run(12)
    assert len(rig.asked) == 2
    assert rig.watch.is_silent


def test_an_answer_to_a_question_of_before_counts_for_nothing(rig: Rig) -> None:
    rig.tick()
    rig.run(0.25)
    rig.answer(100.0)
    assert rig.watch.state is FeedState.TICKING
    rig.run(60, ticking=True)
    while len(rig.asked) < 2:
        rig.run(0.25)
    rig.answer(100.0, number=rig.asked[0][1])
    assert rig.watch.state is FeedState.ASKING


def test_halted_and_resumed_symbols_are_not_waited_for(rig: Rig) -> None:
    quiet = Rig()
    quiet.run(60, ticking=True)
    for symbol in ("A", "B"):
        quiet.table.move(symbol, SymbolState.HALTED, Cause.HALT, quiet.now_ns)
    quiet.run(900)
    for symbol in ("A", "B"):
        quiet.table.move(symbol, SymbolState.PENDING, Cause.RESUME, quiet.now_ns)
    quiet.run(300)
    assert not quiet.asked
    for symbol in ("A", "B"):
        rig.table.move(symbol, SymbolState.HALTED, Cause.HALT, rig.now_ns)
    rig.answer(0.0)
    rig.run(300)
    assert len(rig.asked) == 1, "halted since it was asked: nothing more to ask"


def bursty() -> Rig:
    """Eight quotes a second with a gap of 5 s: suspicious after 15 s, and 50 quotes are missed after 6.25 s."""
    rig = Rig()
    rig.run(60, ticking=True)
    rig.run(4.75)
    rig.run(600, ticking=True)
    return rig


def test_where_ticks_come_in_bursts_the_venue_is_asked_early_and_nobody_is_told() -> None:
    rig = bursty()
    rig.run(6)
    assert not rig.asked
    rig.run(1.25)
    assert len(rig.asked) == 1
    assert not rig.watch.is_silent
    rig.answer(0.0)
    rig.run(5)
    rig.answer(0.0)
    assert (rig.watch.suspicions, rig.watch.is_silent) == (0, False)
    rig.run(24)
    assert (rig.watch.suspicions, rig.watch.is_silent) == (0, False), "3 times the 12.25 s that the venue confirmed"
    rig.run(2)
    assert (rig.watch.suspicions, rig.watch.is_silent) == (1, True)
    rig.answer(0.0)
    rig.run(600)
    assert (rig.watch.suspicions, rig.watch.proofs) == (1, 0)


def test_a_silence_that_the_venue_goes_on_to_confirm_is_told_after_an_hour() -> None:
    rig = bursty()
    silent_s = 0.0
    while not rig.watch.is_silent and silent_s < 2 * 3_600:
        asked = len(rig.asked)
        rig.run(0.25)
        silent_s += 0.25
        if len(rig.asked) > asked:
            rig.answer(0.0)
    assert 3_600 < silent_s < 3_700
    assert (rig.watch.suspicions, rig.watch.proofs) == (1, 0)


def test_a_venue_that_does_not_answer_explains_nothing() -> None:
    rig = bursty()
    rig.run(7.25)
    rig.answer(None)
    rig.run(5)
    rig.answer(None)
    assert not rig.watch.is_silent
    rig.run(4)
    assert (rig.watch.suspicions, rig.watch.is_silent) == (1, True)


def test_what_was_confirmed_of_one_silence_explains_no_other() -> None:
    rig = bursty()
    rig.run(7.25)
    rig.answer(0.0)
    rig.run(5)
    rig.answer(0.0)  # of 12.25 s: three times that would be 36.75 s, as it is for the next silence by its own length
    rig.tick()
    rig.run(600, ticking=True)
    rig.run(36)
    assert not rig.watch.is_silent
    rig.run(8)
    assert rig.watch.is_silent


def test_an_early_question_proves_as_well_as_a_later_one() -> None:
    rig = bursty()
    rig.run(7.25)
    rig.answer(4.0)
    rig.run(2.25)
    assert rig.watch.is_mute
    assert rig.watch.is_silent
    assert rig.watch.suspicions == 0


def test_a_new_connection_begins_anew_and_is_suspected_by_what_is_known(rig: Rig) -> None:
    rig.answer(9.0)
    rig.run(3)
    assert rig.watch.is_mute
    rig.watch.end()
    assert rig.watch.state is FeedState.TICKING
    rig.run(3)
    rig.watch.begin(rig.now_ns)
    rig.run(30)
    assert len(rig.asked) >= 2


def test_a_move_that_is_not_in_the_table_is_an_error() -> None:
    assert MOVES.keys() == set(FeedState)
    watch = Rig().watch
    with pytest.raises(IllegalTransition):
        watch._move(FeedState.PROVEN, "out of nothing")


def test_redials_are_5_minutes_apart_doubling_to_an_hour_and_a_long_good_time_begins_anew() -> None:
    pace, now_ns, waits = RedialPace(), T0, []
    assert pace.may_redial(now_ns)
    pace.note(now_ns)
    for _ in range(6):
        began_ns = now_ns
        while not pace.may_redial(now_ns):
            now_ns += NS_PER_S
        waits.append((now_ns - began_ns) // NS_PER_S)
        pace.note(now_ns)
    assert waits == [300, 600, 1_200, 2_400, 3_600, 3_600]
    now_ns += 7_200 * NS_PER_S
    pace.note(now_ns)
    assert not pace.may_redial(now_ns + 299 * NS_PER_S)
    assert pace.may_redial(now_ns + 300 * NS_PER_S)

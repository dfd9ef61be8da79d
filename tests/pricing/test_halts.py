"""Evidence of halts: what begins one, what ends it, what is presumed without one, and what others say."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Cause, HaltKind, HaltKnowledge
from quotebus.pricing.halts import MAX_HALTS, PRINT_AFTER_NS, UNKNOWN, Belief, Halts, KnownHalt, find_day
from tests.support.samples import UTC_NS

T = UTC_NS
S = NS_PER_S
PRINT, REST, STATUS, HEARSAY = HaltKind.PRINT, HaltKind.REST, HaltKind.STATUS, HaltKind.HEARSAY
DAY = 86_400 * S


def covered(**options: bool) -> Halts:
    halts = Halts(**options)
    halts.cover_all(T)
    return halts


def halted(kind: HaltKind, exchange_ns: int) -> Belief:
    return Belief(HaltKnowledge.HALTED, kind, exchange_ns)


def test_not_to_know_of_a_halt_is_not_to_know() -> None:
    assert Halts().belief("SPY") == UNKNOWN
    assert covered().belief("SPY") == UNKNOWN, "nothing was seen of it since"


def test_a_trade_since_halts_are_reported_makes_presumed_and_one_from_before_does_not() -> None:
    halts = covered()
    assert not halts.on_print("SPY", T, REST, reopening=False)
    assert halts.belief("SPY") == UNKNOWN
    assert halts.on_print("SPY", T + 1, REST, reopening=False)
    assert halts.belief("SPY") == Belief(HaltKnowledge.PRESUMED, REST, T + 1)
    assert halts.prove_after_ns("SPY") is None, "more of it is no news"
    uncovered = Halts()
    uncovered.on_print("SPY", T + 1, PRINT, reopening=True)
    assert uncovered.belief("SPY") == UNKNOWN, "a halt would not have been reported"


def test_a_resume_status_says_trading_and_a_new_connection_says_nothing() -> None:
    halts = covered()
    assert halts.on_resume("SPY", T - 5)
    assert halts.belief("SPY") == Belief(HaltKnowledge.TRADING, STATUS, T - 5)
    halts.uncover_all()
    assert halts.belief("SPY") == UNKNOWN
    halts.cover_all(T + 100)
    assert halts.belief("SPY") == UNKNOWN


@pytest.mark.parametrize(
    ("after_ns", "reopening", "ends"),
    [
        (PRINT_AFTER_NS, False, True),
        (PRINT_AFTER_NS - 1, False, False),
        (1, True, True),
        (0, True, False),
    ],
)
def test_which_print_ends_a_halt(after_ns: int, reopening: bool, ends: bool) -> None:
    halts = covered()
    halts.on_halt("SPY", T + S, Cause.HALT)
    regular_ns, reopening_ns = halts.prove_after_ns("SPY") or (0, 0)
    assert (T + S + after_ns > (reopening_ns if reopening else regular_ns)) == ends, "the hot thread asks the same"
    assert halts.on_print("SPY", T + S + after_ns, PRINT, reopening=reopening) == ends
    expected = Belief(HaltKnowledge.TRADING, PRINT, T + S + after_ns) if ends else halted(STATUS, T + S)
    assert halts.belief("SPY") == expected


def test_only_a_newer_resume_ends_a_halt_and_an_older_halt_is_none() -> None:
    halts = covered()
    assert halts.on_halt("SPY", T + 10, Cause.HALT)
    assert not halts.on_resume("SPY", T + 10)
    assert halts.belief("SPY") == halted(STATUS, T + 10)
    assert halts.on_resume("SPY", T + 11)
    assert not halts.on_halt("SPY", T + 9, Cause.HALT), "late"
    assert halts.belief("SPY").halt is HaltKnowledge.TRADING
    assert halts.on_halt("SPY", T + 12, Cause.PAUSE)
    assert halts.belief("SPY") == halted(STATUS, T + 12)


def test_a_new_halt_status_wins_over_a_print_that_is_newer() -> None:
    halts = covered()
    halts.on_print("SPY", T + 100 * S, PRINT, reopening=False)
    assert halts.on_halt("SPY", T + 90 * S, Cause.HALT)
    assert halts.belief("SPY") == halted(STATUS, T + 90 * S)


def test_what_is_late_or_indicative_ends_nothing_and_proves_nothing() -> None:
    halts = covered(in_time=False)
    halts.on_halt("SPY", T + 1, Cause.HALT)
    assert not halts.on_print("SPY", T + 100 * S, PRINT, reopening=True)
    assert not halts.on_resume("SPY", T + 100 * S)
    assert halts.belief("SPY") == halted(STATUS, T + 1)
    assert halts.prove_after_ns("SPY") is halts.prove_after_ns("QQQ") is None
    assert not halts.on_print("QQQ", T + 100 * S, PRINT, reopening=False)
    assert halts.belief("QQQ") == UNKNOWN


def test_a_venue_without_halts_trades_by_capability() -> None:
    halts = Halts(venue_halts=False)
    assert halts.belief("BTC/USD") == Belief(HaltKnowledge.TRADING, HaltKind.CAPABILITY)
    assert not halts.on_hearsay("BTC/USD", T, T)


# hearsay


def test_hearsay_is_passed_on_with_its_time_until_evidence_is_newer() -> None:
    halts = Halts()
    assert halts.on_hearsay("SPY", T, T + S)
    assert halts.belief("SPY") == halted(HEARSAY, T)
    assert not halts.on_print("SPY", T + PRINT_AFTER_NS - 1, PRINT, reopening=False)
    assert halts.on_print("SPY", T + PRINT_AFTER_NS, PRINT, reopening=False)
    assert halts.belief("SPY") == UNKNOWN, "over, and nothing else is known"
    assert not halts.on_hearsay("SPY", T + PRINT_AFTER_NS, T + 20 * S), "no newer than what we know ourselves"
    assert halts.on_hearsay("SPY", T + PRINT_AFTER_NS + 1, T + 20 * S)


def test_hearsay_of_what_we_would_have_been_told_is_refused_and_refuted() -> None:
    halts = Halts()
    assert halts.on_hearsay("SPY", T + 2 * S, T)
    assert halts.on_hearsay("QQQ", T + 2 * S + 1, T)
    assert halts.on_hearsay("IWM", T + 3600 * S, T)
    assert halts.cover_all(None) == []
    assert halts.awaits_time
    assert halts.cover_all(T) == ["QQQ", "IWM"]
    assert (halts.belief("SPY").kind, halts.belief("QQQ"), halts.belief("IWM")) == (HEARSAY, UNKNOWN, UNKNOWN)
    assert not halts.on_hearsay("QQQ", T + 2 * S + 1, T)
    assert halts.on_hearsay("QQQ", T + 2 * S, T)


def test_each_symbol_is_covered_by_its_own_statuses_where_all_at_once_are_not_given() -> None:
    halts = Halts()
    halts.on_hearsay("SPY", T + 9 * S, T)
    assert halts.cover(["SPY", "QQQ"], T) == ["SPY"]
    halts.on_print("QQQ", T + 1, PRINT, reopening=False)
    assert halts.belief("QQQ").halt is HaltKnowledge.PRESUMED
    halts.uncover("QQQ")
    assert halts.belief("QQQ") == UNKNOWN
    assert not halts.covers("QQQ")
    assert halts.covers("SPY")


def test_from_the_next_day_on_hearsay_says_nothing() -> None:
    halts = Halts()
    halts.on_hearsay("SPY", T, T)
    halts.on_halt("QQQ", T, Cause.HALT)
    assert halts.forget_old_hearsay(T + 3600 * S) == []
    assert halts.forget_old_hearsay(T + DAY) == ["SPY"]
    assert halts.belief("SPY") == UNKNOWN
    assert halts.belief("QQQ") == halted(STATUS, T), "what the exchange itself said stands"
    assert not halts.on_hearsay("SPY", T, T + DAY)


@pytest.mark.parametrize(("hour", "next_day"), [(0, False), (5.4, False), (10.6, True), (23, True)])
def test_a_day_begins_with_its_night_at_20_in_new_york(hour: float, next_day: bool) -> None:
    assert (find_day(T + int(hour * 3600) * S) > find_day(T)) == next_day, "T is 09:30 in New York"


def test_hearsay_does_not_touch_what_the_exchange_said() -> None:
    halts = covered()
    halts.on_halt("SPY", T - 50, Cause.PAUSE)
    assert not halts.on_hearsay("SPY", T + 1, T)
    assert halts.belief("SPY") == halted(STATUS, T - 50)


# keeping


def test_kept_halts_are_known_again_and_in_doubt_and_what_is_newer_stands() -> None:
    kept = [KnownHalt(symbol, T, Cause.HALT, STATUS) for symbol in ("A", "B", "C")]
    halts = covered()
    halts.on_resume("A", T + 1)
    halts.on_halt("B", T + 1, Cause.PAUSE)
    assert halts.restore(kept) == ["C"]
    assert (halts.belief("A").halt, halts.belief("B").exchange_ns) == (HaltKnowledge.TRADING, T + 1)
    assert (halts.belief("C"), halts.doubtful) == (halted(STATUS, T), {"C"})
    assert halts.on_resume("C", T + 1)
    assert halts.doubtful == set()


def test_changes_are_counted_and_halts_are_bounded() -> None:
    halts = covered()
    for number in range(MAX_HALTS + 5):
        halts.on_halt(f"S{number}", T + number, Cause.HALT)
    assert len(halts.list_known()) == MAX_HALTS
    assert halts.belief("S0") == UNKNOWN
    changes = halts.changes
    halts.on_halt("S7", T + 7, Cause.HALT)
    assert halts.changes == changes, "said again"
    halts.on_resume("S7", T + 8)
    assert halts.changes == changes + 1

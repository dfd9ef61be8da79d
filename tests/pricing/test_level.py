"""The level of a price: stubs and spikes are flagged, the good quote behind them is not, a gap is soon believed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.events import Flag
from quotebus.pricing import level, quality, ticks
from quotebus.pricing.level import AGREEING_NS, STOOD_NS, TRADE_NS, Level
from quotebus.pricing.quality import judge
from tests.support.samples import QUICK, UTC_NS

T0 = 1_000 * NS_PER_S
MS = NS_PER_MS
SUSPICIOUS = Flag.SUSPICIOUS
Prices = tuple[float, float]

price = st.floats(5.0, 5_000.0)
gap = st.one_of(st.floats(1.25, 4.0), st.floats(0.25, 0.79))
step = st.integers(0, 10 * NS_PER_S)


class Symbol:
    """One symbol's quotes, judged as on the hot path."""

    def __init__(self, name: str = "SPY") -> None:
        self.name = name
        self.level = Level(name)
        self.at_ns = T0

    def quote(self, bid: float, ask: float, after_ns: int = 10 * MS, *, bid_size: float = 1, flags: int = 0) -> int:
        self.at_ns += after_ns
        sides = judge(bid, bid_size, ask, 1, self.name, UTC_NS + self.at_ns)
        assert sides is not None
        judged = self.level.judge((*sides[:4], sides[4] | flags, sides[5]), self.at_ns, UTC_NS + self.at_ns)
        assert (judged[:4], judged[5]) == (sides[:4], sides[5]), "only the flags are the level's to change"
        return judged[4]

    def quotes(self, *quotes: Prices, after_ns: int = 10 * MS) -> list[int]:
        return [self.quote(bid, ask, after_ns) for bid, ask in quotes]


GOOD, FAR = (100.0, 100.02), (300.0, 300.02)


def test_the_figures_are_those_of_the_page() -> None:
    page = (Path(__file__).parents[2] / "bus/EVENTS.md").read_text().partition("### Jumps")[2].partition("\n## ")[0]
    for words in ("a fifth", "three quotes", "5 %", "200 ms", "5 s", "five ticks", "one cent"):
        assert words in " ".join(page.split())
    assert (level.JUMP, level.AGREES, level.AGREEING) == (0.20, 0.05, 3)
    assert (AGREEING_NS, STOOD_NS, TRADE_NS) == (200 * MS, 5 * NS_PER_S, 5 * NS_PER_S)
    assert (ticks.MOST_TICKS, ticks.CENT, quality.SUSPICIOUS_SPREAD) == (5, 0.01, 0.10)


@pytest.mark.parametrize("between", [(0.0, 100.02), (100.0, 0.0), (0.0, 0.0), (101.0, 100.0), (100.0, 100.0)])
def test_what_is_no_price_does_not_erase_the_level(between: Prices) -> None:
    flags = Symbol().quotes(GOOD, between, FAR)
    assert flags[0] == 0
    assert flags[2] == SUSPICIOUS


def test_the_good_quote_behind_a_stub_is_clean() -> None:
    assert Symbol().quotes(GOOD, (100.0, 200.0), GOOD) == [0, SUSPICIOUS, 0]
    assert Symbol().quotes(GOOD, (0.01, 100.02), GOOD) == [0, SUSPICIOUS, 0]
    assert Symbol().quotes(GOOD, FAR, GOOD, FAR, GOOD) == [0, SUSPICIOUS, 0, SUSPICIOUS, 0]


@QUICK
@given(price, st.lists(gap, min_size=1, max_size=20), step)
def test_single_spikes_are_flagged_and_what_is_behind_each_is_clean(mid: float, gaps: list[float], step: int) -> None:
    symbol = Symbol()
    assert symbol.quote(mid, mid * 1.001) == 0
    for factor in gaps:
        assert symbol.quote(mid * factor, mid * factor * 1.001, step % STOOD_NS) == SUSPICIOUS
        assert symbol.quote(mid, mid * 1.001, step % STOOD_NS) == 0


@QUICK
@given(price, gap, st.sampled_from([(0.0, 1.0), (1.0, 0.0), (0.0, 0.0), (1.0, 0.9), (0.5, 1.0), (1.0, 1.0)]))
def test_a_side_that_is_missing_crossed_or_a_stub_never_becomes_the_level(
    mid: float, factor: float, odd: Prices
) -> None:
    symbol = Symbol()
    symbol.quote(mid, mid * 1.001)
    for _ in range(5):
        symbol.quote(mid * odd[0], mid * odd[1], NS_PER_S)
    assert symbol.quote(mid * factor, mid * factor * 1.001) == SUSPICIOUS
    assert symbol.quote(mid, mid * 1.001) == 0


@QUICK
@given(st.integers(1, 40), st.integers(1, 5))
def test_of_a_few_cents_no_cent_is_too_wide(cents: int, tenths: int) -> None:
    bid = cents / 100
    assert Symbol("PENNY").quotes((bid, bid + 0.01), (bid, bid + tenths / 500), (bid + 0.005, bid + 0.015)) == [0, 0, 0]


def test_a_cent_up_or_down_is_no_jump_but_two_are_where_they_are_half_the_price() -> None:
    assert Symbol("PENNY").quotes((0.05, 0.06), (0.06, 0.07), (0.05, 0.06)) == [0, 0, 0]
    assert Symbol("PENNY").quotes((0.03, 0.04), (0.05, 0.06)) == [0, SUSPICIOUS]
    assert Symbol("A/B").quotes((0.0050, 0.0051), (0.0070, 0.0071)) == [0, SUSPICIOUS], "a pair has no cent"


@pytest.mark.parametrize(("far", "flags"), [(1.1999, 0), (1.2001, SUSPICIOUS), (0.8001, 0), (0.7999, SUSPICIOUS)])
def test_a_fifth_is_the_bound_of_a_jump(far: float, flags: int) -> None:
    assert Symbol().quotes((99.99, 100.01), (100 * far - 0.01, 100 * far + 0.01)) == [0, flags]


def test_the_level_follows_every_clean_quote() -> None:
    assert Symbol().quotes(*((100.0 * 1.15**n, 100.1 * 1.15**n) for n in range(12))) == [0] * 12


# a new level is believed


def test_three_that_agree_over_200_ms_are_believed() -> None:
    symbol = Symbol()
    symbol.quote(*GOOD)
    assert symbol.quotes((300.0, 300.02), (303.0, 303.02), after_ns=AGREEING_NS // 2) == [SUSPICIOUS] * 2
    assert symbol.quote(301.0, 301.02, AGREEING_NS // 2) == 0
    assert symbol.quotes(FAR, GOOD) == [0, SUSPICIOUS], "it is the level now, and the former one is far"


def test_two_that_agree_are_not_enough_and_neither_are_199_ms() -> None:
    symbol = Symbol()
    symbol.quote(*GOOD)
    assert symbol.quotes(FAR, FAR, after_ns=2 * NS_PER_S) == [SUSPICIOUS] * 2
    symbol = Symbol()
    symbol.quote(*GOOD)
    assert symbol.quotes(FAR, FAR, FAR, after_ns=AGREEING_NS // 2 - 1) == [SUSPICIOUS] * 3
    assert symbol.quote(*FAR, 2) == 0


def test_those_that_disagree_count_anew() -> None:
    symbol = Symbol()
    symbol.quote(*GOOD)
    apart = [(300.0, 300.02), (330.0, 330.02), (300.0, 300.02), (330.0, 330.02)]
    assert symbol.quotes(*apart, after_ns=AGREEING_NS) == [SUSPICIOUS] * 4


@pytest.mark.parametrize(("second", "believed"), [(104.99, True), (105.01, False)])
def test_five_percent_apart_is_the_bound_of_agreement(second: float, believed: bool) -> None:
    symbol = Symbol()
    symbol.quote(50.0, 50.02)
    symbol.quote(99.99, 100.01, AGREEING_NS)
    symbol.quote(second - 0.01, second + 0.01, AGREEING_NS)
    assert (symbol.quote(second - 0.01, second + 0.01, AGREEING_NS) == 0) == believed


def test_agreement_is_with_the_quote_before() -> None:
    symbol = Symbol()
    symbol.quote(*GOOD)
    rising = [(300.0, 300.02), (312.0, 312.02), (324.0, 324.02)]
    assert symbol.quotes(*rising, after_ns=AGREEING_NS) == [SUSPICIOUS, SUSPICIOUS, 0]
    assert symbol.quote(388.0, 388.02) == 0, "the level is where the last of them was"


def test_candidates_of_a_few_cents_agree_within_a_cent_and_larger_ones_do_not() -> None:
    symbol = Symbol("PENNY")
    symbol.quote(1.0, 1.01)
    near = [(0.05, 0.052), (0.056, 0.058), (0.05, 0.052)]
    assert symbol.quotes(*near, after_ns=AGREEING_NS) == [SUSPICIOUS, SUSPICIOUS, 0]
    symbol = Symbol("PENNY")
    symbol.quote(5.0, 5.01)
    apart = [(0.60, 0.602), (0.64, 0.642), (0.60, 0.602)]
    assert symbol.quotes(*apart, after_ns=AGREEING_NS) == [SUSPICIOUS] * 3


def test_a_quote_near_the_level_ends_the_candidate() -> None:
    symbol = Symbol()
    flags = symbol.quotes(GOOD, FAR, FAR, GOOD, FAR, FAR, GOOD, after_ns=AGREEING_NS)
    assert flags == [0, SUSPICIOUS, SUSPICIOUS, 0, SUSPICIOUS, SUSPICIOUS, 0]


def test_one_that_stood_for_5_s_is_believed_at_the_next_quote() -> None:
    symbol = Symbol()
    assert symbol.quotes(GOOD, FAR) == [0, SUSPICIOUS]
    assert symbol.quote(320.0, 320.02, STOOD_NS) == 0
    symbol = Symbol()
    assert symbol.quotes(GOOD, FAR) == [0, SUSPICIOUS]
    assert symbol.quote(320.0, 320.02, STOOD_NS - 1) == SUSPICIOUS


def test_one_that_stood_for_5_s_is_believed_without_another_quote() -> None:
    symbol = Symbol()
    symbol.quotes(GOOD, FAR)
    assert symbol.level.due_ns() == symbol.at_ns + STOOD_NS
    assert not symbol.level.on_time(symbol.at_ns + STOOD_NS - 1)
    assert symbol.level.on_time(symbol.at_ns + STOOD_NS)
    assert not symbol.level.on_time(symbol.at_ns + STOOD_NS), "once"
    assert symbol.level.due_ns() is None
    assert symbol.quotes(FAR, GOOD) == [0, SUSPICIOUS]


def test_an_agreeing_quote_does_not_begin_the_5_s_anew() -> None:
    symbol = Symbol()
    symbol.quotes(GOOD, FAR)
    due_ns = symbol.level.due_ns()
    symbol.quote(*FAR, 4 * NS_PER_S)
    assert symbol.level.due_ns() == due_ns
    symbol.quote(100.0, 100.1)
    assert symbol.level.due_ns() is None


@pytest.mark.parametrize("odd", [(0.0, 300.0), (301.0, 300.0), (100.0, 300.0), (300.0, 300.0)])
def test_what_is_no_price_ends_the_5_s_but_not_the_count(odd: Prices) -> None:
    symbol = Symbol()
    symbol.quotes(GOOD, FAR, FAR, odd)
    assert symbol.level.due_ns() is None
    assert not symbol.level.on_time(symbol.at_ns + 2 * STOOD_NS)
    assert symbol.quote(*FAR, AGREEING_NS) == 0


def test_the_5_s_begin_with_the_first_quote_after_an_interruption() -> None:
    symbol = Symbol()
    symbol.quotes(GOOD, FAR)
    symbol.level.interrupt()
    assert symbol.level.due_ns() is None
    assert symbol.quote(*FAR, 50 * MS) == SUSPICIOUS
    assert symbol.level.due_ns() == symbol.at_ns + STOOD_NS


@pytest.mark.parametrize(
    ("traded", "proves"), [(300.01, True), (314.9, True), (315.2, False), (285.1, True), (284.9, False), (100.0, False)]
)
def test_a_trade_within_five_percent_proves_the_candidate(traded: float, proves: bool) -> None:
    symbol = Symbol()
    symbol.quotes(GOOD, FAR)
    assert symbol.level.on_trade(traded, symbol.at_ns) == proves
    assert symbol.quotes(FAR) == [0 if proves else SUSPICIOUS]


def test_five_percent_exactly_agree() -> None:
    symbol = Symbol()
    symbol.quotes((50.0, 50.02), (99.5, 100.5))
    assert symbol.level.on_trade(105.0, symbol.at_ns)


@pytest.mark.parametrize(("before_ns", "proves"), [(0, True), (TRADE_NS, True), (TRADE_NS + 1, False)])
def test_a_trade_a_moment_before_the_quote_proves_it_as_well(before_ns: int, proves: bool) -> None:
    symbol = Symbol()
    symbol.quote(*GOOD)
    assert not symbol.level.on_trade(300.0, symbol.at_ns), "there is no candidate yet"
    assert symbol.quote(*FAR, before_ns) == (0 if proves else SUSPICIOUS)


def test_a_trade_alone_moves_nothing() -> None:
    symbol = Symbol()
    symbol.quote(*GOOD)
    for _ in range(10):
        symbol.level.on_trade(300.0, symbol.at_ns)
    symbol.at_ns += TRADE_NS
    assert symbol.quotes(GOOD, FAR) == [0, SUSPICIOUS]


def test_without_a_level_the_first_clean_quote_is_it_whatever_came_before() -> None:
    assert Symbol().quotes((0.0, 100.0), (101.0, 100.0), (50.0, 200.0), FAR, GOOD) == [
        Flag.ONE_SIDED,
        Flag.CROSSED,
        SUSPICIOUS,
        0,
        SUSPICIOUS,
    ]


def test_a_quote_outside_the_bands_never_becomes_the_level() -> None:
    symbol = Symbol()
    symbol.quote(*GOOD)
    for _ in range(5):
        assert symbol.quote(*FAR, NS_PER_S, flags=SUSPICIOUS) == SUSPICIOUS
    assert symbol.quote(*FAR) == SUSPICIOUS
    assert symbol.quote(*GOOD) == 0


@QUICK
@given(price, gap, st.lists(step, min_size=1, max_size=30))
def test_a_real_gap_is_believed_after_5_s_at_the_latest_and_never_on_one_message_before(
    mid: float, factor: float, steps: list[int]
) -> None:
    symbol = Symbol()
    symbol.quote(mid, mid * 1.001)
    new = mid * factor
    assume(abs(new - mid) > 0.06)
    assert symbol.quote(new, new * 1.001, 0) == SUSPICIOUS
    began_ns = symbol.at_ns
    for number, after_ns in enumerate(steps, start=2):
        flags = symbol.quote(new, new * 1.001, after_ns)
        elapsed_ns = symbol.at_ns - began_ns
        believed = elapsed_ns >= STOOD_NS or (number >= 3 and elapsed_ns >= AGREEING_NS)
        assert flags == (0 if believed else SUSPICIOUS)
        if believed:
            return
    assert symbol.level.on_time(began_ns + STOOD_NS)


def test_a_quote_at_the_old_level_ends_a_candidate_whose_time_is_over_but_that_nobody_has_looked_at() -> None:
    symbol = Symbol()
    assert symbol.quotes(GOOD, FAR) == [0, SUSPICIOUS]
    assert symbol.quote(*GOOD, after_ns=STOOD_NS + MS) == 0, "the market is back where it was"
    assert symbol.level.candidate is None
    assert symbol.level.is_inside(100.0, 100.02)
    symbol = Symbol()
    assert symbol.quotes((99.99, 100.01), FAR) == [0, SUSPICIOUS]
    assert symbol.quote(119.99, 120.01, after_ns=STOOD_NS + MS) == 0, "a fifth above is not beyond it"


def test_a_quote_at_the_bound_of_a_level_that_is_believed_only_now() -> None:
    symbol = Symbol()
    symbol.quote(100.0, 100.02)
    assert symbol.quote(199.99, 200.01) == SUSPICIOUS
    assert symbol.quote(239.99, 240.01, after_ns=STOOD_NS) == 0, "a fifth above it, and no more"
    symbol = Symbol()
    symbol.quote(100.0, 100.02)
    assert symbol.quote(199.99, 200.01) == SUSPICIOUS
    assert symbol.quote(240.0, 240.03, after_ns=STOOD_NS) == SUSPICIOUS


def test_a_trade_that_proves_the_candidate_makes_it_the_level() -> None:
    symbol = Symbol()
    assert symbol.quotes(GOOD, FAR) == [0, SUSPICIOUS]
    assert not symbol.level.on_trade(100.0, symbol.at_ns)
    assert symbol.level.candidate is not None
    assert symbol.level.on_trade(300.0, symbol.at_ns + 10 * NS_PER_S)
    assert symbol.level.candidate is None
    assert symbol.level.is_inside(300.0, 300.02)
    symbol.at_ns += 20 * NS_PER_S
    assert symbol.quotes(GOOD, FAR) == [SUSPICIOUS, 0], "the trade is long over, the level is not"


def test_inside_is_between_two_prices_or_at_one_of_them() -> None:
    symbol = Symbol()
    assert not symbol.level.is_inside(1.0, 1e9), "there is none"
    symbol.quote(99.99, 100.01)
    inside = [(90.0, 110.0), (100.0, 110.0), (90.0, 100.0), (100.0, 100.0)]
    outside = [(110.0, 120.0), (80.0, 90.0), (199.0, 201.0), (49.0, 51.0), (100.01, 110.0), (90.0, 99.99)]
    assert [symbol.level.is_inside(*bounds) for bounds in inside] == [True] * 4
    assert [symbol.level.is_inside(*bounds) for bounds in outside] == [False] * 6


def test_candidates_of_a_few_cents_more_than_a_cent_apart_do_not_agree() -> None:
    symbol = Symbol("PENNY")
    symbol.quote(1.0, 1.01)
    apart = [(0.05, 0.052), (0.062, 0.065), (0.05, 0.052)]
    assert symbol.quotes(*apart, after_ns=AGREEING_NS) == [SUSPICIOUS] * 3

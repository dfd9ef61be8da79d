"""What an assessment knows of session, class and halt, what it remembers of them, and at which nanosecond each ends."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from quotebus.bus.book import Book, HaltKnowledge, Unusable
from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.events import FeedClass, MarketSession
from quotebus.bus.verdict import Reasons, Verdict
from quotebus.execution_adapter.decision.assessment import (
    Assessment,
    Assessor,
    Grade,
    Limits,
    Past,
    find_delay_ns,
    find_halt_row,
    find_row,
    find_session,
)
from quotebus.execution_adapter.decision.decision_table import LOST_LINE_MEMORY_NS, Row
from tests.execution_adapter.decision.test_assessment import CALM, NOW, Rig
from tests.support.samples import HEALTH, STATUS, UTC_NS, like

MINUTE_NS = 60 * NS_PER_S


def judged(**changes: object) -> Verdict:
    """The book's verdict on a good price, with some fields changed."""
    return replace(Rig().assess().verdict, **changes)  # type: ignore[arg-type]


def in_session(session: MarketSession, limits: Limits | None = None) -> Assessment:
    rig = Rig()
    rig.book = Book()
    rig.assessor = Assessor(rig.book.assess, limits)
    rig.hear(like(HEALTH, session=session), STATUS, CALM)
    return rig.assess()


# session


@pytest.mark.parametrize(
    ("session", "reason"),
    [
        (MarketSession.PRE, "out_of_session"),
        (MarketSession.POST, "out_of_session"),
        (MarketSession.OVERNIGHT, "out_of_session"),
        (MarketSession.CLOSED, "out_of_session"),
        (MarketSession.UNKNOWN, "session_unknown"),
    ],
)
def test_outside_the_regular_session_nothing_goes_out_and_it_is_said_which_way(
    session: MarketSession, reason: str
) -> None:
    assessment = in_session(session)
    assert (assessment.grade, assessment.reasons, assessment.tradable) == (Grade.REFUSE, (reason,), False)
    assert (assessment.row, assessment.limit_only) == (Row.NO_SESSION, True)


def test_the_regular_session_says_nothing_and_takes_market_orders() -> None:
    assessment = in_session(MarketSession.REGULAR)
    assert (assessment.grade, assessment.reasons, assessment.limit_only) == (Grade.OK, (), False)
    assert (assessment.symbol, assessment.extended_hours) == ("SPY", False)


def test_extended_hours_by_setting_are_harmless_where_they_are_hours_at_all() -> None:
    by_setting = Limits(extended_hours=True)
    assessment = in_session(MarketSession.POST, by_setting)
    assert (assessment.grade, assessment.reasons, assessment.limit_only) == (Grade.OK, ("extended_hours",), True)
    assert assessment.extended_hours
    closed = in_session(MarketSession.CLOSED, by_setting)
    assert (closed.grade, closed.reasons) == (Grade.REFUSE, ("out_of_session",))


@pytest.mark.parametrize(
    ("changes", "session"),
    [
        ({"health_age_ns": LOST_LINE_MEMORY_NS}, MarketSession.REGULAR),
        ({"health_age_ns": LOST_LINE_MEMORY_NS + 1}, MarketSession.UNKNOWN),
        ({"health_age_ns": None}, MarketSession.UNKNOWN),
        ({"health": None}, MarketSession.UNKNOWN),
    ],
)
def test_a_session_that_was_heard_counts_for_five_minutes(changes: dict[str, object], session: MarketSession) -> None:
    assert find_session(judged(**changes)) == session
    assert LOST_LINE_MEMORY_NS == 5 * MINUTE_NS


# class and lateness


def test_a_class_that_is_not_accepted_is_a_row_of_its_own() -> None:
    rig = Rig()
    rig.book = Book(accept=frozenset({FeedClass.SIMULATED}))
    rig.assessor = Assessor(rig.book.assess)
    rig.hear(HEALTH, STATUS, CALM)
    assessment = rig.assess()
    assert (assessment.row, assessment.grade, assessment.tradable) == (Row.OTHER_CLASS, Grade.REFUSE, False)


def test_only_a_delayed_feed_is_late_by_itself_and_no_feed_is_not() -> None:
    assert find_delay_ns(judged()) == 0
    assert find_delay_ns(judged(health=None)) == 0
    assert find_delay_ns(judged(health=like(HEALTH, feed_class=FeedClass.DELAYED))) == 900 * NS_PER_S


def test_the_exchanges_clock_may_be_half_a_second_ahead_and_no_more() -> None:
    for ahead_ns, reasons in ((500 * NS_PER_MS, ()), (500 * NS_PER_MS + 1, ("clock_skew",))):
        assert Rig(HEALTH, STATUS, like(CALM, exchange_ns=UTC_NS + ahead_ns)).assess().reasons == reasons


# halts


def lost(verdict: Verdict, *reasons: Unusable) -> Verdict:
    return replace(verdict, halt=HaltKnowledge.UNKNOWN, reasons=Reasons(reasons))


@pytest.mark.parametrize("why", [Unusable.NO_HEALTH, Unusable.HEALTH_SILENT, Unusable.NOT_STREAMING])
def test_a_line_lost_lately_keeps_its_last_word_on_a_halt_for_five_minutes(why: Unusable) -> None:
    knew = Past(halt=HaltKnowledge.PRESUMED, halt_age_ns=LOST_LINE_MEMORY_NS)
    assert find_halt_row(lost(judged(), why), knew) is Row.TRADING
    assert find_halt_row(lost(judged(), why), replace(knew, halt_age_ns=LOST_LINE_MEMORY_NS + 1)) is Row.UNKNOWN
    assert find_halt_row(lost(judged(), why), Past(halt_age_ns=0)) is Row.UNKNOWN, "nothing was ever known"


def test_on_a_line_that_is_up_what_is_not_known_now_is_not_known() -> None:
    knew = Past(halt=HaltKnowledge.TRADING)
    assert find_halt_row(lost(judged()), knew) is Row.UNKNOWN
    assert find_halt_row(lost(judged(), Unusable.TOO_OLD), knew) is Row.UNKNOWN


def test_a_halt_that_is_known_now_goes_before_what_was_known_before() -> None:
    halted = replace(lost(judged(), Unusable.NOT_STREAMING), halt=HaltKnowledge.HALTED)
    assert find_halt_row(halted, Past(halt=HaltKnowledge.TRADING)) is Row.HALTED


def test_unknown_halts_are_said_and_only_degrade() -> None:
    verdict = Rig(HEALTH, like(STATUS, halt="unknown", halt_kind="", halt_exchange_ns=None), CALM).assess()
    assert (verdict.grade, verdict.reasons) == (Grade.DEGRADED, ("halt_unknown",))
    assert find_row(verdict.verdict, verdict.past) is Row.UNKNOWN


def test_a_refused_symbol_takes_no_orders_and_one_that_nobody_has_spoken_of_may() -> None:
    refused = Rig(HEALTH, like(STATUS, state="refused"), CALM).assess()
    assert (refused.row, refused.tradable) == (Row.TRADING, False)
    unsaid = Rig(HEALTH, CALM).assess()
    assert (unsaid.verdict.standing, unsaid.tradable) == (None, True)


# what a price is made of


def test_a_locked_price_that_nobody_flagged_is_locked_all_the_same() -> None:
    assessment = Rig(HEALTH, STATUS, like(CALM, bid_price=100.02)).assess()
    assert (assessment.grade, assessment.reasons, assessment.sides) == (Grade.REFUSE, ("locked",), None)


def test_the_sides_are_those_of_the_newest_quote_and_worked_out_once() -> None:
    rig = Rig()
    first = rig.assess(0).sides
    assert rig.assess(0.1).sides is first
    rig.hear(like(CALM, seq=CALM.seq + 1, bid_price=100.01))
    newer = rig.assess(0.2).sides
    assert newer is not None
    assert newer is not first
    assert str(newer.bid) == "100.01"


# what the assessor remembers


def test_a_first_look_before_anything_was_heard_is_no_flap() -> None:
    rig = Rig(STATUS)
    assert "no_health" in rig.assess(0).reasons
    rig.beat(0.5, HEALTH.seq)
    rig.hear(CALM, at=0.5)
    assert rig.assess(0.5).reasons == ()


def test_the_first_second_is_a_second_from_the_first_look() -> None:
    rig = Rig()
    looks = [rig.assess(at).past.first_second for at in (7.0, 7.5, 7.999, 8.0, 9.0)]
    assert looks == [True, True, True, False, False]


def test_the_past_of_a_good_line_says_nothing_of_halts() -> None:
    rig = Rig()
    rig.assess(0)
    assert rig.assess(1).past.halt is None


@pytest.mark.parametrize(("age_ns", "jumped"), [(MINUTE_NS, True), (MINUTE_NS + 1, False)])
def test_a_level_is_remembered_for_a_minute(age_ns: int, jumped: bool) -> None:
    past = Past(level_mid=100.0, level_age_ns=age_ns)
    assert past.jumped(150.0, Limits()) is jumped
    assert Past(level_mid=None, level_age_ns=age_ns).jumped(150.0, Limits()) is False
    assert Past(level_mid=100.0).jumped(150.0, Limits(jump_settle_ns=1)), "at the first look it has held for no time"


def test_the_level_follows_the_price_and_not_a_jump() -> None:
    rig = Rig()
    rig.assess(0)
    for step, bid in enumerate((109.0, 118.0, 128.0), start=1):
        rig.hear(like(CALM, seq=CALM.seq + step, bid_price=bid, ask_price=bid + 0.02))
        assert rig.assess(step / 10).reasons == (), "less than a tenth from one look to the next"
    rig.hear(like(CALM, seq=CALM.seq + 9, bid_price=150.0, ask_price=150.02))
    assert rig.assess(0.4).reasons == ("jumped",)
    assert rig.assess(0.5).past.level_mid == 128.01


def test_an_unusable_price_is_no_level() -> None:
    rig = Rig()
    rig.hear(like(CALM, seq=CALM.seq + 1, flags=16, bid_price=300.0, ask_price=300.02))
    rig.assess(0)
    rig.hear(like(CALM, seq=CALM.seq + 2))
    assert rig.assess(0.1).reasons == ()
    assert rig.assess(0.2).past.level_mid == 100.01


def test_the_limits_that_are_set_count() -> None:
    rig = Rig(HEALTH, STATUS, like(CALM, ask_price=101.0))
    rig.assessor = Assessor(rig.book.assess, Limits(spread_wide=0.05))
    assert rig.assess().reasons == ()


# a line that came up again has been good since the node says, or since it was heard, whichever is the shorter


def came_up(rig: Rig, at: float, number: int, *, since: float) -> None:
    rig.beat(at, number, since_ns=UTC_NS + int(since * NS_PER_S), gap_start_ns=UTC_NS, gap_end_ns=UTC_NS)


def test_a_line_that_flapped_long_ago_is_settled_after_a_second_of_ours() -> None:
    rig = Rig(STATUS, CALM)
    for tenth in range(10, 24):
        came_up(rig, tenth / 10, tenth, since=-100)
        settling = rig.assess(tenth / 10).reasons == ("settling",)
        assert settling is (tenth < 20), tenth


def test_a_line_that_flapped_unseen_is_settled_a_second_after_the_node_says_that_it_came_up() -> None:
    rig = Rig()
    rig.assess(0)
    settled_ns = int(5.4 * NS_PER_S)
    came_up(rig, 5, 50, since=4.4)
    rig.assess(5)
    for at_ns, settles in ((settled_ns - 1, True), (settled_ns, False)):
        verdict = rig.assessor.assess("SPY", "buy", Decimal(1), NOW + at_ns)
        assert (verdict.reasons == ("settling",)) is settles


def test_a_node_whose_stamps_run_backwards_has_just_come_up() -> None:
    rig = Rig()
    rig.assess(0)
    came_up(rig, 5, 50, since=9)
    rig.assess(5)
    assert rig.assess(5.5).past.good_for_ns == NS_PER_S // 2

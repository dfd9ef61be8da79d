"""The verdict before an order: each caution alone, the way back after a flap, and what it rests on."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from quotebus.bus.book import Book
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import Event, FeedClass
from quotebus.execution_adapter.decision.assessment import Assessment, Assessor, Grade, Limits, Past
from quotebus.execution_adapter.decision.limit_price import Touch
from quotebus.execution_adapter.intents import parse
from tests.support.samples import HEALTH, QUOTE, STATUS, UTC_NS, like

NOW = 5_000 * NS_PER_S
CALM = like(QUOTE, bid_price=100.0, ask_price=100.02, exchange_ns=UTC_NS, received_ns=UTC_NS)


class Rig:
    """A book that hears what it is told, judged by an assessor; `at` is seconds after NOW."""

    def __init__(self, *events: Event) -> None:
        self.book = Book()
        self.assessor = Assessor(self.book.assess)
        self.hear(*(events or (HEALTH, STATUS, CALM)))

    def hear(self, *events: Event, at: float = 0) -> None:
        for event in events:
            self.book.on_message(event, NOW + int(at * NS_PER_S))
            {"ConnectionHealth": self.book.on_health, "Quote": self.book.on_quote, "SymbolStatus": self.book.on_status}[
                type(event).__name__
            ](event)  # type: ignore[operator]

    def assess(self, at: float = 0, intent: str = "SPY buy 1") -> Assessment:
        wanted = parse(intent)
        return self.assessor.assess("SPY", wanted.side, wanted.qty, NOW + int(at * NS_PER_S))

    def beat(self, at: float, number: int, **changes: object) -> None:
        """A health at `at`, published then."""
        self.hear(like(HEALTH, seq=number, published_ns=UTC_NS + int(at * NS_PER_S), **changes), at=at)


def test_good_price_is_ok_at_once_on_a_line_that_never_failed() -> None:
    verdict = Rig().assess()
    assert (verdict.grade, verdict.reasons, verdict.tradable) == (Grade.OK, (), True)
    price = verdict.verdict
    assert price.health is not None
    assert price.standing is not None
    assert (price.health.state, price.standing.state) == ("streaming", "live")
    assert (price.quote, price.announced_seq) == (CALM, STATUS.last_quote_seq)
    assert verdict.sides == Touch(Decimal("100.0"), Decimal("100.02"), Decimal("3.0"), Decimal("2.0"))


@pytest.mark.parametrize(
    ("feed_class", "late_ns", "grade"),
    [
        (FeedClass.DELAYED, 910 * NS_PER_S, Grade.DEGRADED),
        (FeedClass.DELAYED, 910 * NS_PER_S + 1, Grade.REFUSE),
        (FeedClass.REAL_TIME, 10 * NS_PER_S, Grade.DEGRADED),
        (FeedClass.REAL_TIME, 10 * NS_PER_S + 1, Grade.REFUSE),
        (FeedClass.REAL_TIME, 2 * NS_PER_S + 1, Grade.DEGRADED),
        (FeedClass.REAL_TIME, 2 * NS_PER_S, Grade.OK),
    ],
)
def test_a_feed_that_is_accepted_as_delayed_is_late_only_beyond_its_own_delay(
    feed_class: FeedClass, late_ns: int, grade: Grade
) -> None:
    rig = Rig()
    rig.book = Book(accept=frozenset({feed_class}))
    rig.assessor = Assessor(rig.book.assess)
    rig.hear(like(HEALTH, feed_class=feed_class), STATUS, like(CALM, exchange_ns=UTC_NS - late_ns))
    verdict = rig.assess()
    assert (verdict.grade, verdict.reasons) == (grade, ("exchange_late",) if grade is not Grade.OK else ())


def test_a_spread_of_exactly_the_bound_is_not_wide() -> None:
    assert Rig(HEALTH, STATUS, like(CALM, bid_price=99.75, ask_price=100.25)).assess().grade is Grade.OK
    assert Rig(HEALTH, STATUS, like(CALM, bid_price=99.74, ask_price=100.25)).assess().reasons == ("spread_wide",)


def test_a_level_counts_from_the_instant_that_it_has_held_for_long_enough() -> None:
    limits, settled_ns = Limits(), Limits().jump_settle_ns
    past = Past(NS_PER_S, level_mid=100.0, far_for_ns=settled_ns - 1)
    assert past.jumped(111.0, limits)
    assert not Past(NS_PER_S, level_mid=100.0, far_for_ns=settled_ns).jumped(111.0, limits)
    assert not past.jumped(110.0, limits), "a tenth is no jump yet"
    assert Past(NS_PER_S, level_mid=100.0).jumped(111.0, limits)


def test_quiet_is_not_stale_until_the_set_age() -> None:
    rig = Rig()
    for second in range(1, 61):
        rig.beat(second, HEALTH.seq + second)
        if second in (30, 59):
            assert rig.assess(second).grade is Grade.OK
    rig.beat(61, HEALTH.seq + 61)
    verdict = rig.assess(61)
    assert (verdict.grade, verdict.reasons) == (Grade.REFUSE, ("too_old",))
    assert verdict.verdict.age_ns == 61 * NS_PER_S


@pytest.mark.parametrize(
    ("changes", "grade", "reason"),
    [
        ({"ask_price": 101.0}, Grade.DEGRADED, "spread_wide"),
        ({"bid_price": 99.5, "ask_price": 100.5}, Grade.DEGRADED, "spread_wide"),
        ({"bid_price": 95.0, "ask_price": 105.0}, Grade.DEGRADED, "spread_wide"),  # absurd begins beyond it
        ({"ask_price": 120.0}, Grade.REFUSE, "spread_absurd"),
        ({"exchange_ns": UTC_NS - 3 * NS_PER_S}, Grade.DEGRADED, "exchange_late"),
        ({"exchange_ns": UTC_NS - 900 * NS_PER_S}, Grade.REFUSE, "exchange_late"),
        ({"exchange_ns": UTC_NS + NS_PER_S}, Grade.DEGRADED, "clock_skew"),
        ({"bid_price": None, "bid_size": None, "flags": 1}, Grade.REFUSE, "one_sided"),
        ({"bid_price": 100.02, "flags": 4}, Grade.REFUSE, "locked"),
        ({"bid_price": 100.05, "flags": 2}, Grade.REFUSE, "crossed"),
        ({"flags": 16}, Grade.REFUSE, "suspicious"),
        ({"connection": 7}, Grade.REFUSE, "other_connection"),
        ({"ask_size": 0.05}, Grade.OK, None),
    ],
)
def test_each_fault_of_a_quote_on_its_own(changes: dict[str, object], grade: Grade, reason: str | None) -> None:
    verdict = Rig(HEALTH, STATUS, like(CALM, **changes)).assess()
    assert verdict.grade is grade
    assert verdict.reasons[:1] == ((reason,) if reason else ())


def test_order_far_larger_than_what_is_shown_stands_passively() -> None:
    verdict = Rig(HEALTH, STATUS, like(CALM, ask_size=5.0)).assess(intent="SPY buy 51")
    assert (verdict.grade, verdict.reasons) == (Grade.DEGRADED, ("size_large",))


@pytest.mark.parametrize("what", ["no health", "unknown halts", "halted"])
def test_line_and_symbol(what: str) -> None:
    events: dict[str, tuple[list[Event], Grade, str]] = {
        "no health": ([STATUS, CALM], Grade.REFUSE, "no_health"),
        "unknown halts": ([like(HEALTH, detail="halts_unknown"), STATUS, CALM], Grade.DEGRADED, "halts_unknown"),
        "halted": ([HEALTH, like(STATUS, state="halted"), CALM], Grade.REFUSE, "halted"),
    }
    heard, grade, reason = events[what]
    verdict = Rig(*heard).assess()
    assert verdict.grade is grade
    assert reason in verdict.reasons
    assert verdict.tradable is (what == "unknown halts"), "without a health no session is known"


def _bus_silent(rig: Rig) -> None:
    assert rig.assess(4).reasons == ("health_silent",)
    rig.beat(5, HEALTH.seq + 5)


def _line_flapped(rig: Rig) -> None:
    rig.beat(4, HEALTH.seq + 4, state="suspect")
    assert rig.assess(4).reasons == ("not_streaming",)
    rig.beat(5, HEALTH.seq + 5)


def _flapped_unseen(rig: Rig) -> None:
    up_ns = UTC_NS + 5 * NS_PER_S
    rig.beat(5, HEALTH.seq + 5, since_ns=up_ns, gap_start_ns=UTC_NS, gap_end_ns=up_ns)


def test_a_line_is_not_good_before_its_health_was_there() -> None:
    rig = Rig(HEALTH)
    rig.beat(0.003, HEALTH.seq + 1, connection=HEALTH.connection)
    rig.hear(STATUS, CALM, at=0.003)
    assert rig.assess(0).past.good_for_ns == 0, "heard after the clock was read, before the book was"
    assert rig.assess(0.003).past.good_for_ns == 0
    assert rig.assess(0.005).past.good_for_ns == 2_000_000


@pytest.mark.parametrize("flap", [_bus_silent, _line_flapped, _flapped_unseen])
def test_after_a_flap_the_line_must_be_good_for_a_while(flap: Callable[[Rig], None]) -> None:
    rig = Rig()
    rig.assess()
    flap(rig)
    assert (rig.assess(5).grade, rig.assess(5).reasons) == (Grade.REFUSE, ("settling",))
    assert rig.assess(5.9).grade is Grade.REFUSE
    assert rig.assess(6.1).grade is Grade.OK


def test_jump_is_refused_until_the_new_level_has_held() -> None:
    rig = Rig()
    rig.assess()
    rig.hear(like(CALM, seq=CALM.seq + 1, bid_price=150.0, ask_price=150.02))
    assert rig.assess(0.1).reasons == ("jumped",)
    assert rig.assess(2.0).grade is Grade.REFUSE
    assert rig.assess(2.2).grade is Grade.OK
    rig.hear(like(CALM, seq=CALM.seq + 2, bid_price=150.1, ask_price=150.12))
    assert rig.assess(2.3).grade is Grade.OK


def test_what_is_not_said_of_the_past_is_nothing() -> None:
    assert Past() == Past(None, False, None, 0, None, None, 0, False)
    assert Limits().extended_hours is False


@pytest.mark.parametrize(("good_for_ns", "settles"), [(NS_PER_S - 1, True), (NS_PER_S, False), (None, False)])
def test_a_line_settles_for_less_than_the_time_set(good_for_ns: int | None, settles: bool) -> None:
    assert Past(good_for_ns, flapped=True).settling(Limits(settle_ns=NS_PER_S)) is settles
    assert not Past(good_for_ns, flapped=False).settling(Limits(settle_ns=NS_PER_S))


@pytest.mark.parametrize(
    ("intent", "bid_size", "ask_size", "large"),
    [
        ("SPY buy 11", 100.0, 1.0, True),
        ("SPY buy 10", 100.0, 1.0, False),
        ("SPY buy 11", 1.0, 100.0, False),
        ("SPY sell 11", 1.0, 100.0, True),
        ("SPY sell 11", 100.0, 1.0, False),
        ("SPY buy 11", 100.0, 0.5, True),
        ("SPY buy 10", 100.0, 0.5, False),
    ],
)
def test_an_order_is_large_against_what_the_other_side_shows(
    intent: str, bid_size: float, ask_size: float, large: bool
) -> None:
    rig = Rig(HEALTH, STATUS, like(CALM, bid_size=bid_size, ask_size=ask_size))
    assert ("size_large" in rig.assess(0, intent).reasons) is large


@pytest.mark.parametrize("with_level", [True, False])
def test_the_age_of_what_was_known_of_a_halt_counts_from_the_last_look_at_a_good_line(with_level: bool) -> None:
    rig = Rig(HEALTH, STATUS, *([CALM] if with_level else []))
    assert rig.assess(1).past.halt_age_ns == 0
    past = rig.assess(5).past
    assert (past.halt, past.halt_age_ns) == ("trading", 4 * NS_PER_S)
    assert (past.level_mid is None) is not with_level


@pytest.mark.parametrize(("connection", "gap", "flapped"), [(1, None, False), (2, None, True), (1, UTC_NS, True)])
def test_a_line_that_came_up_again_has_flapped_and_was_good_since_the_node_says(
    connection: int, gap: int | None, flapped: bool
) -> None:
    health = like(HEALTH, connection=connection, gap_end_ns=gap, since_ns=HEALTH.published_ns)
    rig = Rig(health, STATUS, like(CALM, connection=connection))
    past = rig.assess(0).past
    assert (past.flapped, past.good_for_ns) == (flapped, 0)
    assert rig.assess(2).past.good_for_ns == 2 * NS_PER_S

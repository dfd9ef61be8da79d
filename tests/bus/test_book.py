"""The judgement: each reason against a price on its own, and what must never pass whatever else is said."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus import codec
from quotebus.bus.book import MAX_AGE_NS, MAX_LATE_NS, MAX_SOURCES, Book, HaltKnowledge, Unusable
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import AckRow, ConnectionHealth, ConnectionState, Event, FeedClass, Flag, Quote, SymbolState
from quotebus.bus.protocol import HEALTH_SILENCE_NS
from quotebus.bus.source_clock import AHEAD_NS, NEAR_NS
from tests.support.samples import ACKNOWLEDGED, HEALTH, QUICK, QUOTE, STATUS, UTC_NS, like

NOW = 5_000 * NS_PER_S
"""Our boot clock at the instant that is UTC_NS for the publisher, on a bus without delay."""
OTHER = "pricing-000002"
LATER = {"source": OTHER, "published_ns": UTC_NS + 2 * NS_PER_S}
"""Of another node, when the first one's health is overdue."""


_LATER_NS = count(1)
UNKNOWN = {"halt": "unknown", "halt_kind": "", "halt_exchange_ns": None}


def told(halt: str, exchange_ns: int, kind: str = "status") -> dict[str, object]:
    """What a status says of a halt."""
    return {"halt": halt, "halt_kind": kind, "halt_exchange_ns": exchange_ns}


def hear(book: Book, event: Event, *, delay_ns: int = 0) -> None:
    """Take an event as a reader does, `delay_ns` after it was published.

    No two healths bear the same stamp, like real ones.
    """
    if isinstance(event, ConnectionHealth):
        if event.source == OTHER:
            event = like(event, published_ns=event.published_ns + 100_000 + event.seq)
        while event.published_ns in book._owner._stamps:
            event = like(event, published_ns=event.published_ns + next(_LATER_NS))
    book.on_message(event, NOW + event.published_ns - UTC_NS + delay_ns)
    if isinstance(event, ConnectionHealth):
        book.on_health(event)
    elif isinstance(event, Quote):
        book.on_quote(event)
    elif type(event) is type(STATUS):
        book.on_status(event)
    elif type(event) is type(ACKNOWLEDGED):
        book.on_acknowledged(event)


def good_book() -> Book:
    book = Book()
    for event in (HEALTH, STATUS, QUOTE):
        hear(book, event)
    return book


def reasons(book: Book, now_ns: int = NOW) -> set[Unusable]:
    return set(book.assess("SPY", now_ns).reasons)


def heard(*events: Event) -> Book:
    book = good_book()
    for event in events:
        hear(book, event)
    return book


def without(kind: str) -> Book:
    book = Book()
    for event in (HEALTH, STATUS, QUOTE):
        if codec.topic_of(event).partition(".")[0] != kind:
            hear(book, event)
    return book


def flagged(flag: Flag) -> Callable[[], Book]:
    def build() -> Book:
        book = without("quote")
        hear(book, like(QUOTE, flags=int(flag)))
        return book

    return build


def priced(bid: float | None, ask: float | None) -> Book:
    return heard(like(QUOTE, seq=8, bid_price=bid, ask_price=ask))


def test_a_good_price_may_be_used_and_says_what_it_rests_on() -> None:
    verdict = good_book().assess("SPY", NOW + NS_PER_S)
    assert verdict.usable
    assert verdict.reasons == ()
    assert (verdict.quote, verdict.health, verdict.age_ns) == (QUOTE, HEALTH, NS_PER_S)
    assert verdict.halt is HaltKnowledge.TRADING
    assert verdict.standing is not None
    assert verdict.standing.reference == (STATUS.source, STATUS.seq)


def off_by(late_ns: int, max_late_ns: int = MAX_LATE_NS, **health: object) -> Book:
    """A good book but for a quote that reached the node so long after its exchange time."""
    book = Book(max_late_ns=max_late_ns, accept=set(FeedClass))
    for event in (like(HEALTH, **health), STATUS, like(QUOTE, exchange_ns=QUOTE.received_ns - late_ns)):
        hear(book, event)
    return book


EACH: dict[Unusable, tuple[Callable[[], Book], set[Unusable]]] = {
    Unusable.NO_HEALTH: (lambda: without("health"), {Unusable.NO_HEALTH, Unusable.NO_STATUS, Unusable.OTHER_SOURCE}),
    Unusable.NOT_STREAMING: (lambda: heard(like(HEALTH, state="suspect")), {Unusable.NOT_STREAMING}),
    Unusable.CLASS_NOT_ACCEPTED: (lambda: heard(like(HEALTH, feed_class="delayed")), {Unusable.CLASS_NOT_ACCEPTED}),
    Unusable.NO_STATUS: (lambda: without("symbol"), {Unusable.NO_STATUS}),
    Unusable.NOT_LIVE: (lambda: heard(like(STATUS, state="stale")), {Unusable.NOT_LIVE}),
    Unusable.HALTED: (lambda: heard(like(STATUS, state="halted")), {Unusable.HALTED, Unusable.NOT_LIVE}),
    Unusable.NO_QUOTE: (lambda: without("quote"), {Unusable.NO_QUOTE}),
    Unusable.OTHER_SOURCE: (
        lambda: heard(*(like(event, **LATER, seq=seq) for seq in (1, 2) for event in (HEALTH, STATUS))),
        {Unusable.OTHER_SOURCE},
    ),
    Unusable.OTHER_CONNECTION: (
        lambda: heard(like(HEALTH, state="connecting"), like(HEALTH, connection=2)),
        {Unusable.OTHER_CONNECTION},
    ),
    Unusable.LOST_NEWER: (lambda: heard(like(STATUS, last_quote_seq=8)), {Unusable.LOST_NEWER}),
    Unusable.ONE_SIDED: (flagged(Flag.ONE_SIDED), {Unusable.ONE_SIDED}),
    Unusable.CROSSED: (flagged(Flag.CROSSED), {Unusable.CROSSED}),
    Unusable.LOCKED: (flagged(Flag.LOCKED), {Unusable.LOCKED}),
    Unusable.BACKWARD_TIME: (flagged(Flag.BACKWARD_TIME), {Unusable.BACKWARD_TIME}),
    Unusable.SUSPICIOUS: (flagged(Flag.SUSPICIOUS), {Unusable.SUSPICIOUS}),
    Unusable.EXCHANGE_LATE: (lambda: off_by(MAX_LATE_NS + 1), {Unusable.EXCHANGE_LATE}),
    Unusable.EXCHANGE_AHEAD: (lambda: off_by(-MAX_LATE_NS - 1), {Unusable.EXCHANGE_AHEAD}),
}
OF_TIME = {Unusable.HEALTH_SILENT, Unusable.TOO_OLD}
OF_THE_CLIENT = {Unusable.NOT_REQUESTED, Unusable.CLIENT_CONFLICT, Unusable.UNCONFIRMED, Unusable.READER_BEHIND}


@pytest.mark.parametrize("reason", EACH)
def test_each_reason(reason: Unusable) -> None:
    build, expected = EACH[reason]
    assert reasons(build()) == expected


def test_no_reason_is_without_a_test() -> None:
    assert set(EACH) | OF_TIME | OF_THE_CLIENT == set(Unusable)


@pytest.mark.parametrize("feed_class", [*FeedClass, FeedClass("guessed")])
def test_late_derived_and_unknown_prices_are_used_only_by_name(feed_class: FeedClass) -> None:
    late = Unusable.CLASS_NOT_ACCEPTED
    for accept in (None, {FeedClass.REAL_TIME}, {FeedClass.REAL_TIME, FeedClass.DELAYED}, set(FeedClass)):
        book = Book() if accept is None else Book(accept=accept)
        for event in (like(HEALTH, feed_class=feed_class), STATUS, QUOTE):
            hear(book, event)
        taken = accept if accept is not None else {FeedClass.REAL_TIME, FeedClass.TEST, FeedClass.SIMULATED}
        assert reasons(book) == (set() if feed_class in taken else {late})


def test_a_quote_may_be_late_or_early_by_ten_seconds_and_no_more() -> None:
    assert MAX_LATE_NS == 10 * NS_PER_S
    for late_ns in (0, MAX_LATE_NS, -MAX_LATE_NS):
        assert reasons(off_by(late_ns)) == set()
    assert reasons(off_by(NS_PER_S, NS_PER_S - 1)) == {Unusable.EXCHANGE_LATE}
    for feed_class in (FeedClass.DELAYED, FeedClass.INDICATIVE):
        assert reasons(off_by(900 * NS_PER_S, feed_class=feed_class)) == set(), "who accepts it knows that it is late"
    for feed_class in (FeedClass.SIMULATED, FeedClass.TEST, FeedClass.UNKNOWN):
        assert reasons(off_by(900 * NS_PER_S, feed_class=feed_class)) == {Unusable.EXCHANGE_LATE}


def test_what_is_announced_is_what_the_quotes_own_source_said() -> None:
    assert good_book().assess("SPY", NOW).announced_seq == STATUS.last_quote_seq
    assert without("quote").assess("SPY", NOW).announced_seq == 0
    other = heard(like(STATUS, **LATER, last_quote_seq=9), like(HEALTH, **LATER), like(HEALTH, **LATER, seq=8))
    assert other.source == OTHER
    assert other.assess("SPY", NOW).announced_seq == 0


def test_a_status_contradicts_what_is_held_unless_a_quote_has_passed_it() -> None:
    none_held = without("quote")
    assert none_held.contradicts(like(STATUS, last_quote_seq=1)) is True
    assert none_held.contradicts(like(STATUS, last_quote_seq=0)) is False
    book = good_book()
    older = like(STATUS, last_quote_seq=QUOTE.seq - 1, last_quote_ns=1)
    assert not book.disproves(like(older, published_ns=QUOTE.published_ns - NEAR_NS)), "it passed the status"
    assert not book.disproves(like(older, published_ns=QUOTE.published_ns + NEAR_NS))
    assert book.disproves(like(older, published_ns=QUOTE.published_ns + NEAR_NS + 1))
    assert book.disproves(like(older, published_ns=QUOTE.published_ns - NEAR_NS - 1))


def test_the_latest_stamp_that_can_be_is_a_second_beyond_the_round_trips() -> None:
    book = good_book()
    assert book.latest_stamp_ns(NOW) > 2**63, "nothing is known without a round trip"
    book.on_round_trip(HEALTH, NOW - 5, NOW + 5)
    earliest_ns = NOW - 5 - HEALTH.published_ns
    assert book.latest_stamp_ns(NOW) == NOW - earliest_ns + AHEAD_NS


def test_health_is_silent_after_three_seconds() -> None:
    book = good_book()
    assert reasons(book, NOW + HEALTH_SILENCE_NS) == set()
    assert reasons(book, NOW + HEALTH_SILENCE_NS + 1) == {Unusable.HEALTH_SILENT}
    assert not book.streaming(NOW + HEALTH_SILENCE_NS + 1)


def test_a_standing_quote_is_too_old_at_the_bound() -> None:
    book = good_book()
    later = UTC_NS + MAX_AGE_NS
    hear(book, like(HEALTH, published_ns=later))
    hear(book, like(STATUS, published_ns=later, state="quiet"))
    assert reasons(book, NOW + MAX_AGE_NS) == set()
    assert reasons(book, NOW + MAX_AGE_NS + 1) == {Unusable.TOO_OLD}


@pytest.mark.parametrize(
    ("bid", "ask"),
    [(None, 1.0), (1.0, None), (None, None), (nan, 1.0), (1.0, nan), (1.0, inf), (0.0, 1.0), (-1.0, 1.0)],
)
def test_prices_that_are_none_are_not_used_though_nobody_flagged_them(bid: float | None, ask: float | None) -> None:
    assert reasons(priced(bid, ask)) == {Unusable.ONE_SIDED}


@pytest.mark.parametrize("flags", [0, int(Flag.CROSSED)])
def test_crossed_prices_are_crossed_and_not_also_one_sided(flags: int) -> None:
    crossed = heard(like(QUOTE, seq=8, bid_price=2.0, ask_price=1.0, flags=flags))
    assert crossed.assess("SPY", NOW).reasons == (Unusable.CROSSED,)


def test_reasons_print_as_words() -> None:
    verdict = heard(like(HEALTH, state="suspect"), like(STATUS, state="stale")).assess("SPY", NOW)
    assert str(verdict.reasons) == f"{verdict.reasons}" == "not_streaming, not_live"
    assert f"{verdict.reasons:>25}" == "  not_streaming, not_live"
    assert str(good_book().assess("SPY", NOW).reasons) == "none"
    assert "not_live" in verdict.reasons
    assert f"{Unusable.TOO_OLD} {ConnectionState.STREAMING} {SymbolState.LIVE}" == "too_old streaming live"


@pytest.mark.parametrize("flags", [32, 64, 2**40, -32])
def test_a_flag_not_known_here_is_a_flag(flags: int) -> None:
    assert Unusable.SUSPICIOUS in reasons(heard(like(QUOTE, seq=8, flags=flags)))


@pytest.mark.parametrize("state", [state for state in SymbolState if state not in ("live", "quiet")])
def test_only_live_and_quiet_symbols_have_a_price(state: str) -> None:
    assert Unusable.NOT_LIVE in reasons(heard(like(STATUS, state=state)))


@pytest.mark.parametrize("state", [*(state for state in ConnectionState if state != "streaming"), "a newer state"])
def test_only_streaming_is_streaming(state: str) -> None:
    assert Unusable.NOT_STREAMING in reasons(heard(like(HEALTH, state=state)))


@QUICK
@given(
    health_age_s=st.floats(0, 20),
    state=st.sampled_from([*ConnectionState]),
    health_source=st.sampled_from([HEALTH.source, OTHER]),
    connection=st.integers(0, 3),
    quote_connection=st.integers(0, 3),
    symbol_state=st.sampled_from([*SymbolState]),
    flags=st.integers(0, 64),
    bid=st.one_of(st.none(), st.floats(-1, 10), st.just(nan)),
    ask=st.one_of(st.none(), st.floats(-1, 10), st.just(nan)),
    announced=st.integers(0, 10),
    delay_s=st.floats(0, 10),
)
def test_never_usable_unless_everything_holds(
    health_age_s: float,
    state: str,
    health_source: str,
    connection: int,
    quote_connection: int,
    symbol_state: str,
    flags: int,
    bid: float | None,
    ask: float | None,
    announced: int,
    delay_s: float,
) -> None:
    health_age_ns, delay_ns = int(health_age_s * NS_PER_S), int(delay_s * NS_PER_S)
    book = Book()
    for source in (HEALTH.source, OTHER):  # something prompt was heard of both, long ago
        book.on_message(like(HEALTH, source=source, published_ns=UTC_NS - 100 * NS_PER_S), NOW - 100 * NS_PER_S)
    hear(
        book,
        like(HEALTH, source=health_source, state=state, connection=connection, published_ns=UTC_NS - health_age_ns),
        delay_ns=delay_ns,
    )
    hear(book, like(STATUS, state=symbol_state, last_quote_seq=announced), delay_ns=delay_ns)
    hear(book, like(QUOTE, bid_price=bid, ask_price=ask, flags=flags, connection=quote_connection), delay_ns=delay_ns)
    may_be_used = (
        health_age_ns <= HEALTH_SILENCE_NS
        and state == "streaming"
        and health_source == QUOTE.source
        and connection == quote_connection
        and symbol_state in ("live", "quiet")
        and flags == 0
        and bid is not None
        and ask is not None
        and 0 < bid <= ask
        and announced <= QUOTE.seq
    )
    assert book.assess("SPY", NOW).usable is may_be_used


def test_a_backlog_delivered_late_does_not_look_fresh() -> None:
    book = good_book()
    stall_ns = 10 * NS_PER_S
    for second in range(1, 8):  # read all at once after the stall, the newest published 3 s before
        published = UTC_NS + second * NS_PER_S
        hear(book, like(HEALTH, published_ns=published), delay_ns=stall_ns - second * NS_PER_S)
        late = like(QUOTE, seq=7 + second, published_ns=published)
        hear(book, late, delay_ns=stall_ns - second * NS_PER_S)
    verdict = book.assess("SPY", NOW + stall_ns + 1)
    assert verdict.reasons == (Unusable.HEALTH_SILENT,)
    assert verdict.age_ns == 3 * NS_PER_S + 1


def test_age_is_measured_from_the_smallest_delay_seen() -> None:
    book = Book()
    hear(book, HEALTH, delay_ns=50)
    hear(book, like(HEALTH, seq=8), delay_ns=20)
    hear(book, like(HEALTH, seq=9), delay_ns=90)
    assert book.age_ns(HEALTH, NOW + 100) == 80


def test_a_source_that_was_crowded_out_is_old_not_young_and_the_active_one_never_is() -> None:
    book = good_book()
    other = like(QUOTE, source="other")
    book.on_message(other, NOW)
    for number in range(MAX_SOURCES):
        book.on_message(like(HEALTH, source=f"made-up-{number}"), NOW)
    assert book.age_ns(other, NOW) > 100 * 365 * 86_400 * 10**9
    assert reasons(book) == set()


def test_halts_keep_counting_whatever_becomes_of_line_and_node() -> None:
    book = heard(like(STATUS, state="halted", cause="halt", **told("halted", UTC_NS - 60)))
    assert book.halt("SPY", NOW) is HaltKnowledge.HALTED
    assert book.halt("SPY", NOW + 3600 * NS_PER_S) is HaltKnowledge.HALTED
    for seq in (1, 2):
        hear(book, like(HEALTH, **LATER, seq=seq))
    later = {"source": OTHER, "published_ns": UTC_NS + NS_PER_S}
    for seq, said in enumerate((UNKNOWN, told("presumed", UTC_NS - 60), told("trading", UTC_NS - 3600)), 1):
        for state in ("pending", "live"):
            hear(book, like(STATUS, **later, seq=seq, state=state, **said))
            assert book.halt("SPY", NOW + NS_PER_S) is HaltKnowledge.HALTED, "a new node's word is no newer evidence"
            assert Unusable.HALTED in reasons(book, NOW + NS_PER_S)
    hear(book, like(STATUS, **later, seq=9, state="live", **told("presumed", UTC_NS - 59, "rest")))
    assert book.halt("SPY", NOW + NS_PER_S) is HaltKnowledge.PRESUMED


def test_the_node_that_told_of_a_halt_may_withdraw_it_without_newer_evidence() -> None:
    for said, halt in ((UNKNOWN, HaltKnowledge.UNKNOWN), (told("trading", UTC_NS - 90), HaltKnowledge.TRADING)):
        book = heard(like(STATUS, state="halted", **told("halted", UTC_NS - 60)))
        hear(book, like(STATUS, seq=8, state="live", **said))
        assert book.halt("SPY", NOW) is halt


def test_who_passed_hearsay_on_last_may_withdraw_it_and_what_the_exchange_said_stays() -> None:
    for kind, known in (("hearsay", HaltKnowledge.UNKNOWN), ("status", HaltKnowledge.HALTED)):
        book = heard(like(STATUS, state="halted", **told("halted", UTC_NS - 60, kind)))
        for seq in (1, 2):
            hear(book, like(HEALTH, **LATER, seq=seq))
        later = {"source": OTHER, "published_ns": UTC_NS + NS_PER_S}
        hear(book, like(STATUS, **later, seq=1, state="halted", **told("halted", UTC_NS - 60, "hearsay")))
        hear(book, like(STATUS, **later, seq=2, state="live", **UNKNOWN))
        assert book.halt("SPY", NOW + NS_PER_S) is known


def test_an_answer_that_denies_a_halt_which_the_request_claimed_ends_it() -> None:
    for claimed in ({"SPY": UTC_NS + 10**15}, {}):
        book = heard(like(STATUS, state="halted", **told("halted", UTC_NS + 10**15)))
        for seq in (1, 2):
            hear(book, like(HEALTH, **LATER, seq=seq))
        row = AckRow("SPY", "live", "demand", None, 0, "presumed", "print", UTC_NS)
        book.on_acknowledged(like(ACKNOWLEDGED, **LATER, results=(row,)), {}, claimed)
        assert (book.halt("SPY", NOW + 2 * NS_PER_S) is HaltKnowledge.HALTED) == (not claimed)


def test_a_strangers_word_of_a_halt_counts_at_once_and_for_six_seconds() -> None:
    book = heard(like(STATUS, source=OTHER, state="halted", **told("halted", UTC_NS + 10**15)))
    assert book.halt("SPY", NOW + 6 * NS_PER_S) is HaltKnowledge.HALTED
    hear(book, like(HEALTH, seq=9, published_ns=UTC_NS + 6 * NS_PER_S))
    assert book.halt("SPY", NOW + 6 * NS_PER_S + 1) is HaltKnowledge.TRADING
    assert book.halts.choose_claims() == {}


def test_the_state_alone_tells_of_a_halt_where_the_fields_are_not_filled() -> None:
    book = heard(like(STATUS, state="halted", **UNKNOWN))
    assert book.halt("SPY", NOW) is HaltKnowledge.HALTED
    hear(book, like(STATUS, seq=8, state="live", **UNKNOWN))
    assert book.halt("SPY", NOW) is HaltKnowledge.UNKNOWN


def test_known_halts_are_handed_over_a_thousand_at_a_time_in_turns() -> None:
    book = heard()
    for number in range(1_500):
        said = told("halted", UTC_NS + number)
        hear(book, like(STATUS, symbol=f"S{number}", state="halted", **said))
    first, second = book.halts.choose_claims(), book.halts.choose_claims()
    assert len(first) == len(second) == 1_000
    assert {**first, **second} == {f"S{number}": UTC_NS + number for number in range(1_500)}


@pytest.mark.parametrize(
    "event",
    [like(HEALTH, detail="halts_unknown"), like(HEALTH, state="suspect"), like(STATUS, state="live", halt="unknown")],
    ids=["detail", "line", "symbol"],
)
def test_without_a_proven_line_and_symbol_no_halt_is_known_and_none_excluded(event: Event) -> None:
    assert good_book().halt("SPY", NOW) is HaltKnowledge.TRADING
    assert heard(event).halt("SPY", NOW) is HaltKnowledge.UNKNOWN
    assert good_book().halt("QQQ", NOW) is HaltKnowledge.UNKNOWN


def test_the_held_quote_is_the_newest_in_order() -> None:
    book = good_book()
    assert not book.on_quote(like(QUOTE, seq=6))
    assert not book.on_quote(like(QUOTE, seq=7, bid_price=1.0))
    assert not book.on_quote(like(QUOTE, seq=8, flags=int(Flag.BACKWARD_TIME)))
    assert not book.on_quote(like(QUOTE, source=OTHER, seq=99, published_ns=UTC_NS - 1))
    assert book.quotes["SPY"] is QUOTE
    newer = like(QUOTE, source=OTHER, seq=1, published_ns=UTC_NS + 1)
    assert not book.on_quote(newer), "a stranger's"
    hear(book, like(HEALTH, **LATER, seq=1))
    assert book.quotes["SPY"] is QUOTE, "one health is none"
    hear(book, like(HEALTH, **LATER, seq=2))
    assert book.quotes["SPY"] is newer, "no stranger's any more"


def test_what_a_stranger_says_does_not_displace_what_the_believed_node_said() -> None:
    book = heard(
        like(QUOTE, source="x", published_ns=2**63 - 1),
        like(QUOTE, source=OTHER, published_ns=UTC_NS + 1),
        like(STATUS, source=OTHER, state="stale"),
        like(HEALTH, source=OTHER, state="suspect"),
    )
    assert reasons(book) == set()
    for seq in range(8, 20):
        hear(book, like(HEALTH, source=OTHER, seq=seq, state="suspect"))
    assert reasons(book) == set(), "however often, while the believed node is well"
    hear(book, like(HEALTH, **LATER, seq=20, state="suspect"))
    assert reasons(book) == {Unusable.NOT_STREAMING, Unusable.NOT_LIVE}
    assert book.quotes["SPY"].source == OTHER


def test_a_connection_that_nothing_led_to_is_believed_when_it_is_said_again() -> None:
    book = heard(like(HEALTH, connection=2**60))
    assert reasons(book) == set()
    hear(book, HEALTH)
    hear(book, like(HEALTH, connection=2))
    assert reasons(book) == set()
    hear(book, like(HEALTH, connection=2))
    assert reasons(book) == {Unusable.OTHER_CONNECTION}


def test_copies_of_the_believed_nodes_healths_under_another_name_are_no_node() -> None:
    book = good_book()
    for second in range(1, 9):
        state = "streaming" if second < 5 else "suspect"
        health = like(HEALTH, published_ns=UTC_NS + second * NS_PER_S, seq=HEALTH.seq + second, state=state)
        book.on_message(health, NOW + second * NS_PER_S)
        book.on_health(health)
        for number in (second, second + 1):
            book.on_health(like(health, source="Pricing-000001", seq=number, state="streaming"))
            book.on_health(like(health, seq=HEALTH.seq + number, state="strmaming"))
        assert book.health is health


def test_two_healths_of_another_node_that_are_far_apart_are_not_two_in_a_row() -> None:
    book = heard(like(HEALTH, source=OTHER, seq=1), like(HEALTH, seq=8, state="backing_off"))
    hear(book, like(HEALTH, source=OTHER, seq=50, published_ns=UTC_NS + 50 * NS_PER_S))
    assert book.source == HEALTH.source
    hear(book, like(HEALTH, source=OTHER, seq=51, published_ns=UTC_NS + 51 * NS_PER_S))
    assert book.source == OTHER


def test_of_two_nodes_that_both_publish_the_one_that_streams_stays() -> None:
    book = good_book()
    for seq in range(8, 12):
        hear(book, like(HEALTH, source=OTHER, seq=seq))
        hear(book, like(HEALTH, seq=seq))
    assert book.source == HEALTH.source
    for seq in range(12, 14):
        hear(book, like(HEALTH, source=OTHER, seq=seq))
        hear(book, like(HEALTH, seq=seq, state="backing_off"))
    assert book.source == OTHER


def test_an_answer_is_the_second_word_of_a_new_node_once_the_former_is_not_well() -> None:
    book = heard(like(HEALTH, source=OTHER, state="idle"))
    assert not book.confirm(OTHER, NOW), "the owner streams and was heard just now"
    assert not book.confirm("nobody", NOW + 2 * NS_PER_S)
    assert book.confirm(OTHER, NOW + 2 * NS_PER_S)
    assert book.source == OTHER


def test_the_node_that_said_stopped_gives_way_at_the_first_health_of_another() -> None:
    book = heard(like(HEALTH, seq=8, state="stopped"), like(HEALTH, source=OTHER, seq=1, state="idle"))
    assert book.source == OTHER


def test_a_status_older_than_the_answer_that_was_heard_is_not_taken() -> None:
    book = good_book()
    assert book.on_status(like(STATUS, seq=8, state="live"))
    rows = (AckRow("SPY", "halted", "halt", None, 7),)
    book.on_acknowledged(like(ACKNOWLEDGED, results=rows, published_ns=UTC_NS + 2))
    assert not book.on_status(like(STATUS, seq=9, state="live", published_ns=UTC_NS + 1))
    assert Unusable.HALTED in reasons(book)
    assert book.on_status(like(STATUS, seq=10, state="live", published_ns=UTC_NS + 3))
    assert Unusable.HALTED not in reasons(book)


def test_an_answer_disproves_a_held_quote_that_it_does_not_know() -> None:
    for seq, number in ((99, QUOTE.seq), (QUOTE.seq, QUOTE.seq)):
        book = without("quote")
        false = like(QUOTE, seq=seq, bid_price=1.0, ask_price=1.01)
        book.on_quote(false)
        rows = (AckRow("SPY", "live", "demand", codec.encode(QUOTE).partition(b"\0")[2], number),)
        ack = like(ACKNOWLEDGED, results=rows)
        assert book.on_acknowledged(ack) == ([QUOTE] if seq < number else []), "published since it was asked, perhaps"
        assert book.quotes["SPY"] is false
        assert book.on_acknowledged(ack, {"SPY": false}) == [QUOTE]
        assert (book.quotes["SPY"], book.withdrawn) == (QUOTE, {"SPY"})


def test_an_acknowledgement_brings_state_number_and_held_quote() -> None:
    book = Book()
    hear(book, HEALTH)
    book.on_message(ACKNOWLEDGED, NOW)
    assert book.on_acknowledged(ACKNOWLEDGED) == [QUOTE]
    assert book.on_acknowledged(ACKNOWLEDGED) == [], "no news the second time"
    verdict = book.assess("SPY", NOW)
    assert verdict.usable
    assert verdict.standing is not None
    assert verdict.standing.reference == (f"ack:{ACKNOWLEDGED.source}", ACKNOWLEDGED.seq)


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x93\x01", codec.encode(like(QUOTE, symbol="QQQ")).partition(b"\0")[2]],
    ids=["nothing", "malformed", "other symbol"],
)
def test_an_unsound_held_quote_is_not_taken_and_harms_nothing(payload: bytes) -> None:
    book = Book()
    rows = (AckRow("SPY", "live", "demand", payload, 7), AckRow("QQQ", "live", "demand", None, 0))
    assert book.on_acknowledged(like(ACKNOWLEDGED, results=rows)) == []
    assert book.quotes == {}
    assert set(book.standings) == {"SPY", "QQQ"}


def test_a_node_in_waiting_and_the_order_stream_say_nothing_about_the_line() -> None:
    for event in (
        like(HEALTH, source=OTHER, state="standby"),
        like(HEALTH, source=OTHER, state="stopped"),
        like(HEALTH, node="pricing.orders", state="backing_off"),
    ):
        assert heard(event).health is HEALTH
    assert heard(like(HEALTH, state="stopped")).health is not HEALTH, "the active node's own end counts"


def test_what_is_no_longer_wanted_is_forgotten() -> None:
    book = heard(like(STATUS, state="halted"))
    book.keep_only(["QQQ"])
    assert (book.quotes, book.standings) == ({}, {})
    assert book.halt("SPY", NOW) is HaltKnowledge.UNKNOWN
    assert {Unusable.NO_QUOTE, Unusable.NO_STATUS} <= reasons(book)


def test_a_status_of_a_newer_quote_than_the_held_one_contradicts_it() -> None:
    book = good_book()
    assert book.contradicts(like(STATUS, last_quote_seq=QUOTE.seq + 1)) is True
    assert book.contradicts(like(STATUS, last_quote_seq=QUOTE.seq)) is False
    assert book.contradicts(like(STATUS, source=OTHER, last_quote_seq=QUOTE.seq + 1)) is False, "of another node"


@pytest.mark.parametrize(
    ("state", "last_quote_seq", "incomplete"),
    [("live", 0, False), ("live", QUOTE.seq, False), ("live", QUOTE.seq + 1, True), ("released", 0, True)],
)
def test_an_answer_is_incomplete_without_the_quote_that_it_tells_of_or_for_a_symbol_that_is_released(
    state: str, last_quote_seq: int, incomplete: bool
) -> None:
    book = good_book()
    hear(book, like(ACKNOWLEDGED, results=(AckRow("SPY", state, "demand", None, last_quote_seq),)))
    assert book.incomplete is incomplete

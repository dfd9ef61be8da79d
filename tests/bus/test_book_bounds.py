"""The book where one message more, one source other or one nanosecond later makes the difference."""

from __future__ import annotations

import pytest

from quotebus.bus import codec
from quotebus.bus.book import MAX_AGE_NS, MAX_SOURCES, Book, HaltKnowledge, Unusable
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import AckRow, FeedClass, Flag, Quote, SymbolState
from quotebus.bus.protocol import HEALTH_SILENCE_NS
from quotebus.bus.source_clock import AHEAD_NS
from tests.bus.test_book import LATER, NOW, OTHER, good_book, hear, heard, reasons, told, without
from tests.support.samples import ACKNOWLEDGED, HEALTH, QUOTE, STATUS, TRADE, UTC_NS, like

THIRD = "pricing-000003"


def payload(quote: Quote) -> bytes:
    return codec.encode(quote).partition(b"\0")[2]


def answered(book: Book, *rows: AckRow, asked: dict[str, Quote] | None = None, **changes: object) -> list[Quote]:
    return book.on_acknowledged(like(ACKNOWLEDGED, results=rows, **changes), asked or {})


def taken_over() -> Book:
    """The first node's quote is held; the second owns the symbol now."""
    book = heard(like(HEALTH, **LATER), like(HEALTH, **LATER, seq=8))
    assert (book.source, book.quotes["SPY"].source) == (OTHER, QUOTE.source)
    return book


# age and silence


def test_a_quote_may_stand_for_a_minute_by_default() -> None:
    assert Book().max_age_ns == MAX_AGE_NS == 60 * NS_PER_S


def test_a_line_streams_up_to_the_bound_of_its_silence_and_none_does_without_a_health() -> None:
    book = good_book()
    assert book.streaming(NOW + HEALTH_SILENCE_NS) is True
    assert book.streaming(NOW + HEALTH_SILENCE_NS + 1) is False
    assert Book().streaming(NOW) is False
    assert good_book().assess("SPY", NOW + 5).health_age_ns == 5


@pytest.mark.parametrize(("late_ns", "source"), [(0, HEALTH.source), (1, OTHER)])
def test_an_owner_that_streams_keeps_its_place_for_a_second_and_a_half(late_ns: int, source: str) -> None:
    book = good_book()
    for seq, ago_ns in ((8, NS_PER_S), (9, 0)):
        at_ns = 3 * NS_PER_S // 2 + late_ns - ago_ns
        health = like(HEALTH, source=OTHER, seq=seq, published_ns=UTC_NS + at_ns)
        book.on_message(health, NOW + at_ns)
        book.on_health(health)
    assert book.source == source


def test_the_bounds_of_what_can_be_are_kept_for_a_bounded_number_of_sources() -> None:
    book = good_book()
    for number in range(3 * MAX_SOURCES):
        book.on_message(like(HEALTH, source=f"made-up-{number}"), NOW)
        assert len(book._clocks) <= MAX_SOURCES


def test_a_stamp_ahead_of_what_its_source_can_have_said() -> None:
    book = good_book()
    far = like(STATUS, published_ns=UTC_NS + 2 * AHEAD_NS)
    assert book.is_ahead(like(far, source="never heard"), NOW) is False
    book.on_round_trip(HEALTH, NOW - 5, NOW + 5)
    assert book.is_ahead(far, NOW) is True
    assert book.is_ahead(STATUS, NOW) is False
    assert Book().latest_stamp_ns(NOW) > 2**63


# who is believed


def test_taking_a_health_says_whether_another_node_took_over() -> None:
    book = Book()
    book.on_message(HEALTH, NOW)
    assert book.on_health(HEALTH) is True
    assert book.on_health(like(HEALTH, seq=8, published_ns=UTC_NS + 1)) is False, "the same node"
    assert book.on_health(like(HEALTH, node="pricing.orders", seq=9, published_ns=UTC_NS + 2)) is False
    first, second = like(HEALTH, **LATER), like(HEALTH, source=OTHER, seq=8, published_ns=UTC_NS + 3 * NS_PER_S)
    book.on_message(first, NOW + 2 * NS_PER_S)
    assert book.on_health(first) is False, "one message changes nothing"
    book.on_message(second, NOW + 3 * NS_PER_S)
    assert book.on_health(second) is True


def test_what_waited_of_the_new_owner_counts_from_its_takeover_and_that_of_others_does_not() -> None:
    book = good_book()
    for source in (OTHER, THIRD):  # the third speaks last, and of a symbol of its own
        for event in (like(QUOTE, source=source, seq=3), like(STATUS, source=source, state="quiet")):
            hear(book, event)
    hear(book, like(HEALTH, **LATER))
    hear(book, like(HEALTH, **LATER, seq=8))
    assert book.source == OTHER
    assert book.standings["SPY"].source != THIRD
    assert book.quotes["SPY"].source != THIRD


def test_an_answer_that_makes_a_node_the_owner_brings_what_waited_of_it() -> None:
    book = heard(
        like(QUOTE, source=OTHER, seq=3), like(STATUS, source=OTHER, state="quiet"), like(HEALTH, source=OTHER)
    )
    assert book.confirm("nobody", NOW + 2 * NS_PER_S) is False
    assert book.confirm(OTHER, NOW + 2 * NS_PER_S) is True
    assert (book.quotes["SPY"].source, book.standings["SPY"].source) == (OTHER, OTHER)


def test_when_the_bus_was_away_the_next_health_is_believed_whoever_sends_it() -> None:
    book = good_book()
    book.trust_nobody()
    hear(book, like(HEALTH, source=OTHER, seq=1))
    assert book.source == OTHER


# quotes of several sources


def test_a_quote_taken_or_not_is_said() -> None:
    book = good_book()
    assert book.on_quote(QUOTE) is False
    assert book.on_quote(like(QUOTE, seq=8, flags=int(Flag.BACKWARD_TIME))) is False
    assert book.on_quote(like(QUOTE, source=OTHER, seq=99)) is False, "not the owner's"
    assert book.on_quote(like(QUOTE, seq=8)) is True


def test_over_the_former_owners_quote_the_new_owners_counts_and_a_strangers_only_if_it_is_newer() -> None:
    older, newer = QUOTE.published_ns - 1, QUOTE.published_ns + 1
    for source, published_ns, taken in (
        (OTHER, older, True),
        (OTHER, newer, True),
        (THIRD, older, False),
        (THIRD, QUOTE.published_ns, False),
        (THIRD, newer, True),
    ):
        book = taken_over()
        assert book.on_quote(like(QUOTE, source=source, seq=1, published_ns=published_ns)) is taken
        assert (book.quotes["SPY"].source == source) is taken


# statuses


def test_a_status_as_old_as_the_answer_or_of_another_node_is_taken() -> None:
    book = good_book()
    answered(book, AckRow("SPY", "live", "demand", None, 7), published_ns=UTC_NS + 2)
    assert book.on_status(like(STATUS, seq=9, published_ns=UTC_NS + 1)) is False
    assert book.on_status(like(STATUS, seq=10, published_ns=UTC_NS + 2)) is True
    assert book.on_status(like(STATUS, source=OTHER, seq=1, published_ns=UTC_NS)) is True


def test_what_contradicts_is_a_number_that_is_newer_or_a_quote_that_is_false() -> None:
    book = good_book()
    passed = UTC_NS + 3600 * NS_PER_S
    assert book.contradicts(like(STATUS, last_quote_seq=QUOTE.seq - 1, published_ns=passed)) is True, "it is false"
    moved = taken_over()
    assert moved.contradicts(like(STATUS, source=OTHER, last_quote_seq=0)) is False
    assert moved.contradicts(like(STATUS, source=OTHER, last_quote_seq=1)) is True, "held is another node's"


def test_only_the_owners_own_status_disproves_its_own_quote() -> None:
    later = UTC_NS + 3600 * NS_PER_S
    false = like(STATUS, last_quote_seq=QUOTE.seq - 1, published_ns=later)
    assert good_book().disproves(false) is True
    assert good_book().disproves(like(false, source=OTHER)) is False
    assert taken_over().disproves(false) is False, "the former owner's word"
    assert taken_over().disproves(like(false, source=OTHER)) is False, "a quote that was never its own"
    assert without("quote").disproves(false) is False
    assert good_book().disproves(like(false, last_quote_seq=QUOTE.seq + 1)) is False, "a newer one is no denial"


@pytest.mark.parametrize(
    ("last_quote_ns", "false"), [(QUOTE.published_ns, False), (QUOTE.published_ns + 1, True), (None, False)]
)
def test_under_the_same_number_another_time_is_another_quote(last_quote_ns: int | None, false: bool) -> None:
    for published_ns in (UTC_NS, UTC_NS + 3600 * NS_PER_S):
        status = like(STATUS, last_quote_seq=QUOTE.seq, last_quote_ns=last_quote_ns, published_ns=published_ns)
        assert good_book().disproves(status) is false


# answers


@pytest.mark.parametrize(
    ("row", "withdrawn"),
    [
        (AckRow("SPY", "live", "demand", None, QUOTE.seq), False),
        (AckRow("SPY", "live", "demand", payload(QUOTE), QUOTE.seq), False),
        (AckRow("SPY", "live", "demand", payload(like(QUOTE, seq=8)), 8), False),
        (AckRow("SPY", "live", "demand", payload(like(QUOTE, bid_price=1.0)), QUOTE.seq), True),
        (AckRow("SPY", "live", "demand", None, QUOTE.seq - 1), True),
    ],
)
def test_an_answer_withdraws_the_quote_that_it_does_not_know_or_knows_otherwise(row: AckRow, withdrawn: bool) -> None:
    book = good_book()
    answered(book, row, asked={"SPY": QUOTE})
    assert (book.withdrawn == {"SPY"}) is withdrawn
    assert answered(without("quote"), row, asked={"SPY": QUOTE}) == ([] if row.last_quote is None else [
        quote for quote in [codec.decode_payload("quote", row.last_quote)] if isinstance(quote, Quote)
    ])  # fmt: skip


def test_an_answer_does_not_withdraw_the_quote_of_another_node() -> None:
    book = taken_over()
    answered(book, AckRow("SPY", "live", "demand", None, 0), asked={"SPY": QUOTE}, source=OTHER)
    assert book.withdrawn == set()


@pytest.mark.parametrize(("halt", "ends"), [("trading", True), ("presumed", True), ("unknown", False)])
def test_only_an_answer_that_knows_better_ends_a_halt_that_was_claimed(halt: str, ends: bool) -> None:
    at_ns = UTC_NS + 10**15
    book = heard(
        like(STATUS, state="halted", **told("halted", at_ns)), like(HEALTH, **LATER), like(HEALTH, **LATER, seq=8)
    )
    row = AckRow("SPY", "live", "demand", None, 0, halt, "print" if ends else "", UTC_NS if ends else None)
    book.on_acknowledged(like(ACKNOWLEDGED, **LATER, results=(row,)), {}, {"SPY": at_ns})
    assert (book.halt("SPY", NOW + 2 * NS_PER_S) is not HaltKnowledge.HALTED) is ends


@pytest.mark.parametrize(
    ("row", "incomplete"),
    [
        (AckRow("SPY", "live", "demand", None, 0), False),
        (AckRow("SPY", "live", "demand", None, 1), True),
        (AckRow("SPY", "live", "demand", payload(QUOTE), QUOTE.seq), False),
        (AckRow("SPY", "live", "demand", b"", 1), False),
        (AckRow("SPY", "released", "no_demand", payload(QUOTE), QUOTE.seq), True),
    ],
)
def test_an_answer_without_a_quote_that_it_tells_of_is_incomplete(row: AckRow, incomplete: bool) -> None:
    book = without("quote")
    answered(book, row)
    assert book.incomplete is incomplete


def test_an_answer_about_a_quote_that_only_another_node_gave_is_incomplete() -> None:
    book = taken_over()
    answered(book, AckRow("SPY", "live", "demand", None, QUOTE.seq), source=OTHER)
    assert book.incomplete


def test_held_quotes_that_cannot_be_read_are_counted() -> None:
    book = Book()
    assert book.undecodable_quotes == 0
    answered(book, AckRow("SPY", "live", "demand", b"\x93\x01", 7), AckRow("QQQ", "live", "demand", b"", 7))
    assert book.undecodable_quotes == 2
    assert answered(book, AckRow("SPY", "live", "demand", payload(QUOTE), 7)) == [QUOTE]
    assert book.undecodable_quotes == 2


# the judgement


def test_a_state_or_a_number_of_another_node_says_nothing() -> None:
    book = taken_over()
    assert book.halt("SPY", NOW + 2 * NS_PER_S) is HaltKnowledge.UNKNOWN
    assert Unusable.NO_STATUS in reasons(book, NOW + 2 * NS_PER_S)
    book._announced["SPY"] = (OTHER, QUOTE.seq + 9)
    assert Unusable.LOST_NEWER not in reasons(book, NOW + 2 * NS_PER_S), "another node's number"
    alone = Book()
    hear(alone, STATUS)
    assert alone.halt("SPY", NOW) is HaltKnowledge.UNKNOWN


def test_each_fault_is_named_once() -> None:
    strange = max(Flag) * 2
    for flags, price, expected in (
        (int(Flag.SUSPICIOUS) | strange, {}, [Unusable.SUSPICIOUS]),
        (strange, {}, [Unusable.SUSPICIOUS]),
        (int(Flag.ONE_SIDED), {"bid_price": None}, [Unusable.ONE_SIDED]),
        (int(Flag.CROSSED), {"bid_price": 700.0}, [Unusable.CROSSED]),
    ):
        book = without("quote")
        hear(book, like(QUOTE, flags=flags, **price))
        assert list(book.assess("SPY", NOW).reasons) == expected


def test_equal_prices_are_not_crossed_and_a_quote_without_a_health_is_late_by_the_same_bound() -> None:
    book = without("quote")
    hear(book, like(QUOTE, bid_price=687.27, ask_price=687.27))
    assert reasons(book) == set()
    alone = without("health")
    assert Unusable.EXCHANGE_LATE not in reasons(alone)
    hear(alone, like(QUOTE, seq=8, exchange_ns=QUOTE.received_ns - 11 * NS_PER_S))
    assert Unusable.EXCHANGE_LATE in reasons(alone)
    assert FeedClass.DELAYED not in alone.accept


def test_words_on_a_halt_that_are_not_known_here_are_not_known() -> None:
    book = heard(like(STATUS, halt="somewhat halted", halt_kind="rumour"))
    assert book.halt("SPY", NOW) is HaltKnowledge.UNKNOWN
    assert book.standings["SPY"].state == SymbolState.LIVE


def test_only_a_quote_of_the_rows_own_symbol_is_a_held_quote() -> None:
    trade = codec.encode(TRADE).partition(b"\0")[2]
    assert answered(Book(), AckRow("SPY", "live", "demand", trade, 7)) == []

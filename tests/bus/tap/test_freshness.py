"""Whether what is shown is current: silence, lateness, starvation; and the last minutes of a price."""

from __future__ import annotations

from dataclasses import replace
from math import isnan

from quotebus.bus.clock import NS_PER_MS, NS_PER_S
from quotebus.bus.tap.freshness import Freshness, describe_currency
from quotebus.bus.tap.price_history import (
    LENGTH_S,
    MAX_HISTORIES,
    UNKNOWN,
    UNUSABLE,
    USABLE,
    PriceHistory,
    bucket_points,
)
from quotebus.bus.tap.snapshot import SymbolRow
from quotebus.bus.tap.usability import Usability

ROW = SymbolRow(
    symbol="SPY", bid_price=1.0, bid_size=1, ask_price=3.0, ask_size=1, spread=2.0, age_ns=0, per_s=1, state="live",
    cause="", since_ns=0, clients=(), usable=Usability.YES, reasons=(), flags=0, replayed=False, confirmed=True,
)  # fmt: skip


def row(symbol: str = "SPY", usable: Usability = Usability.YES, bid: float | None = 1.0) -> SymbolRow:
    fields = {name: getattr(ROW, name) for name in ROW.__struct_fields__}
    return SymbolRow(**{**fields, "symbol": symbol, "usable": usable, "bid_price": bid})


def test_a_tap_that_looks_often_and_hears_in_time_is_current() -> None:
    freshness = Freshness(0)
    for at_ns in range(0, 5 * NS_PER_S, 50 * NS_PER_MS):
        freshness.look(at_ns)
        freshness.hear(at_ns)
        freshness.time_message("broker", NS_PER_MS, at_ns)
    currency = freshness.judge(5 * NS_PER_S, True)
    assert currency.current
    assert not currency.starved
    assert describe_currency(currency) == ""


def test_silence_is_not_current_and_the_cut_is_named_first() -> None:
    freshness = Freshness(0)
    freshness.hear(NS_PER_S)
    assert describe_currency(freshness.judge(5 * NS_PER_S, True)).startswith("nothing heard for 4 s")
    assert describe_currency(freshness.judge(2 * NS_PER_S, False)).startswith("not connected")
    assert freshness.judge(99 * NS_PER_S, None).current  # a capture has no silence


def test_a_program_that_was_away_says_so_for_ten_seconds_and_owns_its_losses() -> None:
    freshness = Freshness(0)
    freshness.look(1_500 * NS_PER_MS)
    freshness.note_losses(13, 1_500 * NS_PER_MS)
    freshness.hear(1_500 * NS_PER_MS)
    told = describe_currency(freshness.judge(2 * NS_PER_S, True))
    assert told == "starved: this program had no CPU for 1.5 s of the last 10 s; the 13 messages lost are its own loss"
    for at_ns in range(2 * NS_PER_S, 12 * NS_PER_S, NS_PER_S):
        freshness.look(at_ns)
        freshness.hear(at_ns)
    assert describe_currency(freshness.judge(12 * NS_PER_S, True)) == ""


def test_one_message_that_lies_about_its_time_changes_nothing() -> None:
    freshness = Freshness(0)
    for source in ("broker", "pricing", "worker"):
        freshness.time_message(source, NS_PER_MS, NS_PER_S)
    freshness.time_message("forger", 3_600 * NS_PER_S, NS_PER_S)
    freshness.hear(NS_PER_S)
    assert not freshness.judge(NS_PER_S, True).behind
    for source in ("broker", "pricing", "worker"):
        freshness.time_message(source, 2 * NS_PER_S, 2 * NS_PER_S)
    freshness.hear(2 * NS_PER_S)
    assert freshness.judge(2 * NS_PER_S, True).behind
    for number in range(200):
        freshness.time_message(f"made-up-{number}", 0, 2 * NS_PER_S)
    assert freshness.judge(2 * NS_PER_S, True).connected


def test_a_second_keeps_its_worst_answer_and_a_gap_stays_a_gap() -> None:
    history = PriceHistory()
    history.sample([row()], 100 * NS_PER_S)
    history.sample([row(usable=Usability.NO)], 100 * NS_PER_S + 1)
    history.sample([row(bid=2.0)], 100 * NS_PER_S + 2)
    history.sample([row()], 103 * NS_PER_S)
    points = history.list_points("SPY", 103 * NS_PER_S, 4)
    assert [(point.utc_s, point.answer) for point in points] == [
        (100, UNUSABLE), (101, UNKNOWN), (102, UNKNOWN), (103, USABLE),
    ]  # fmt: skip
    assert points[0].bid == 2.0
    assert isnan(points[1].bid)
    assert bucket_points(points, 2) == [(2.5, UNUSABLE), (2.0, USABLE)]


def test_a_ring_forgets_what_is_older_and_knows_since_when() -> None:
    history = PriceHistory()
    for second in range(2 * LENGTH_S):
        answer = Usability.YES if second < LENGTH_S + 5 else Usability.NO
        history.sample([row(usable=answer)], second * NS_PER_S)
    points = history.list_points("SPY", (2 * LENGTH_S - 1) * NS_PER_S)
    assert [point.utc_s for point in points] == list(range(LENGTH_S, 2 * LENGTH_S))
    assert history.since_ns("SPY") == (LENGTH_S + 5) * NS_PER_S
    assert all(point.answer == UNKNOWN for point in history.list_points("SPY", 9 * LENGTH_S * NS_PER_S))
    assert history.since_ns("NONE") is None


def test_histories_are_bounded_and_those_without_a_row_give_way() -> None:
    history = PriceHistory()
    history.sample([row(f"A{number}") for number in range(MAX_HISTORIES)], 0)
    history.sample([row("NEW")], NS_PER_S)
    assert history.left_out == 1
    history.sample([row("NEW")], 2 * NS_PER_S)
    assert (history.left_out, len(history.list_points("NEW", 2 * NS_PER_S, 1))) == (0, 1)


def test_a_picture_of_a_capture_is_never_starved() -> None:
    freshness = Freshness(0)
    freshness.look(99 * NS_PER_S)
    assert not replace(freshness.judge(99 * NS_PER_S, True), connected=None).starved

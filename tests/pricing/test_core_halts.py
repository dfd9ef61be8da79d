"""Halts in the node on a virtual clock: what it publishes, and what it asks the venue, through whatever happens."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import NS_PER_S, to_utc_ns
from quotebus.bus.events import Cause, HaltClaim, SymbolStatus
from quotebus.pricing.halts import KnownHalt
from quotebus.pricing.venue_answers import VenueTrade
from tests.support.core_rig import CoreRig, state, streaming

S = NS_PER_S


def halt(rig: CoreRig, symbol: str = "SPY") -> tuple[str, str]:
    """Halt and kind in the newest status, which a row of an answer must say as well."""
    newest = rig.all(SymbolStatus, lambda status: status.symbol == symbol)[-1]
    [ack] = rig.ask("looks", symbol)
    row = ack.results[0]
    assert (row.halt, row.halt_kind, row.halt_exchange_ns) == (newest.halt, newest.halt_kind, newest.halt_exchange_ns)
    return newest.halt, newest.halt_kind


def utc(rig: CoreRig, seconds: float = 0) -> int:
    return to_utc_ns(rig.now_ns) + int(seconds * S)


def traded(rig: CoreRig, seconds: float = 0, **changes: object) -> VenueTrade:
    fields = {"exchange": "V", "conditions": ("@",), "tape": "C", **changes}
    return VenueTrade(utc(rig, seconds), 100.0, 100.0, **fields)  # type: ignore[arg-type]


def test_a_symbol_is_presumed_to_trade_after_a_trade_on_a_connection_that_reports_halts() -> None:
    rig = streaming("SPY")
    assert halt(rig) == ("unknown", "")
    rig.run(1)
    rig.trade("SPY", reopening=False)
    assert halt(rig) == ("presumed", "print")
    rig.lose()
    rig.run(5)
    rig.quote("SPY")
    assert (state(rig), halt(rig)) == ("live", ("unknown", "")), "a halt may have begun in between"
    rig.run(1)
    rig.trade("SPY", reopening=False)
    assert halt(rig) == ("presumed", "print")


def test_whoever_hears_that_it_streams_again_has_heard_that_nothing_is_known() -> None:
    rig = streaming("SPY")
    rig.run(1)
    rig.trade("SPY")
    rig.lose()
    position = len(rig.events)
    rig.run(5)
    told = [(type(event).__name__, getattr(event, "state", ""), getattr(event, "halt", "")) for _, event in rig.events]
    streams = told.index(("ConnectionHealth", "streaming", ""), position)
    assert ("SymbolStatus", "pending", "unknown") in told[position:streams]


def test_without_statuses_nothing_is_presumed() -> None:
    rig = CoreRig()
    rig.upstream.no_statuses = True
    rig.ask("a", "SPY", channels=("quotes", "trades"))
    rig.quote("SPY")
    rig.run(1)
    rig.trade("SPY")
    assert halt(rig) == ("unknown", "")


def test_the_venue_is_asked_about_symbols_of_which_no_trade_is_seen() -> None:
    rig = CoreRig()
    rig.ask("a", "SPY", "QQQ", ttl_ms=120_000)
    rig.quote("SPY")
    rig.quote("QQQ")
    rig.venue_trades = {"SPY": traded(rig, -3600), "QQQ": traded(rig, 1, conditions=("@", "Z"))}
    rig.run(4)
    assert {question.symbols for question in rig.asked_of_trades} == {("QQQ", "SPY")}
    assert (halt(rig, "SPY"), halt(rig, "QQQ")) == (("unknown", ""), ("unknown", "")), "too old, and out of sequence"
    rig.venue_trades = {"SPY": traded(rig, 0)}
    rig.run(15)
    assert (halt(rig, "SPY"), halt(rig, "QQQ")) == (("presumed", "rest"), ("unknown", ""))
    asked = len(rig.asked_of_trades)
    rig.run(125)
    rest = [question.symbols for question in rig.asked_of_trades[asked:]]
    assert 2 <= len(rest) <= 4, "every minute, about what is not known yet"
    assert set(rest) == {("QQQ",)}


def test_ten_thousand_symbols_are_asked_about_a_hundred_at_a_time_within_a_budget() -> None:
    symbols = [f"S{number}" for number in range(2_000)]
    rig = CoreRig()
    rig.venue_trades = {}
    rig.ask("a", *symbols, ttl_ms=120_000)
    rig.quote("S0")
    rig.run(60)
    assert {len(question.symbols) for question in rig.asked_of_trades} == {100}
    assert 20 <= len(rig.asked_of_trades) <= 46
    assert len({symbol for question in rig.asked_of_trades for symbol in question.symbols}) == 2_000


def test_a_halt_is_ended_by_what_the_venue_shows_where_no_trade_is_seen() -> None:
    rig = CoreRig(limit=1)
    rig.ask("a", "SPY", ttl_ms=120_000)
    rig.quote("SPY")
    rig.status("SPY", "H")
    rig.lose()
    rig.run(5)
    rig.venue_trades = {"SPY": traded(rig, -1)}
    rig.run(20)
    assert halt(rig) == ("halted", "status")
    rig.quote("SPY")
    rig.venue_trades = {"SPY": traded(rig, 1)}
    rig.run(65)
    assert (halt(rig), state(rig)) == (("trading", "rest"), "pending"), "its quote is older than the trade"
    rig.quote("SPY")
    assert state(rig) == "live"


@pytest.mark.parametrize("frames", [1, 2])
def test_a_resume_and_the_quote_behind_it_are_live_at_once(frames: int) -> None:
    """The hot thread has sent the quote before the control thread hears of the status."""
    rig = streaming("SPY")
    rig.status("SPY", "H")
    rig.run(1)
    resumed_ns = utc(rig)
    if frames == 2:
        rig.run(0.001)
    rig.quote("SPY")
    rig.status("SPY", "T", exchange_ns=resumed_ns)
    assert rig.statuses("SPY")[-2:] == [("pending", "resume"), ("live", "demand")]


def test_a_quote_from_before_the_resume_makes_nothing_live() -> None:
    rig = streaming("SPY")
    rig.status("SPY", "H")
    rig.run(1)
    rig.quote("SPY")
    rig.run(0.001)
    rig.status("SPY", "T")
    assert rig.statuses("SPY")[-1] == ("pending", "resume")


def test_a_status_without_a_time_halts_and_resumes_nothing() -> None:
    rig = streaming("SPY")
    record = rig.status_record("SPY", "H")
    rig.core.halt_watch.on_status(record, None, rig.now_ns)
    rig.settle()
    assert halt(rig)[0] == "halted"
    rig.core.halt_watch.on_status(rig.status_record("SPY", "T"), None, rig.now_ns)
    rig.settle()
    assert halt(rig)[0] == "halted"


def test_statuses_of_symbols_that_nobody_wants_are_remembered() -> None:
    rig = streaming("SPY")
    rig.status("QQQ", "H")
    [ack] = rig.ask("b", "QQQ")
    assert (ack.results[0].state, ack.results[0].halt, ack.results[0].halt_kind) == ("halted", "halted", "status")
    rig.ask("b")
    rig.run(2.5)
    rig.status("QQQ", "T", exchange_ns=utc(rig, 1))
    rig.quote("QQQ")
    [ack] = rig.ask("b", "QQQ")
    assert (ack.results[0].state, ack.results[0].halt) == ("pending", "trading")


# what others say


def claims(rig: CoreRig, *symbols: str, seconds: float = 0) -> tuple[HaltClaim, ...]:
    return tuple(HaltClaim(symbol, utc(rig, seconds)) for symbol in symbols)


def test_a_client_hands_a_halt_over_to_a_new_node_which_says_so_at_once_and_asks_the_venue() -> None:
    rig = CoreRig()
    told = claims(rig, "SPY", "XXX", seconds=-60)
    [ack] = rig.ask("a", "SPY", "QQQ", halts=told, ttl_ms=120_000)
    row = ack.results[0]
    assert (row.state, row.halt, row.halt_kind, row.halt_exchange_ns) == (
        ("halted", "halted", "hearsay", told[0].halt_exchange_ns)
    )
    assert ack.results[1].halt == "unknown"
    rig.quote("SPY")
    rig.quote("QQQ")
    assert (state(rig), state(rig, "QQQ")) == ("halted", "live")
    assert ("trades", "SPY") in rig.upstream.entries, "a trade would end it"
    rig.run(1)
    assert rig.asked_of_trades
    rig.trade("SPY", reopening=False)
    assert halt(rig) == ("trading", "print")
    assert ("trades", "SPY") not in rig.upstream.entries


def test_what_a_client_says_of_halts_that_we_would_have_been_told_of_is_refused() -> None:
    rig = streaming("SPY")
    [ack] = rig.ask("a", "SPY", halts=claims(rig, "SPY", seconds=5), ttl_ms=120_000, channels=("quotes", "trades"))
    assert (ack.results[0].state, ack.results[0].halt) == ("live", "unknown")
    assert rig.core.halt_watch.hearsay_refused == 1


def test_a_claim_about_the_far_future_ends_when_the_exchanges_time_is_known() -> None:
    rig = CoreRig()
    rig.ask("a", "SPY", halts=claims(rig, "SPY", seconds=10**6), ttl_ms=120_000)
    assert halt(rig) == ("halted", "hearsay")
    rig.quote("SPY")
    rig.run(1)
    assert (halt(rig), state(rig)) == (("unknown", ""), "live")


def test_hearsay_is_over_on_the_next_day() -> None:
    rig = CoreRig()
    rig.ask("a", "SPY", halts=claims(rig, "SPY", seconds=-60), ttl_ms=120_000)
    rig.quote("SPY")
    for _ in range(25 * 60):
        rig.ask("a", "SPY", ttl_ms=120_000)
        rig.now_ns += 60 * S
        rig.shared.last_byte_ns = rig.now_ns
        rig.hear_itself()
        rig.step()
    assert halt(rig) == ("unknown", "")


def test_halts_of_an_earlier_life_are_known_before_the_first_answer() -> None:
    rig = CoreRig()
    rig.core.halt_watch.on_kept([KnownHalt("SPY", utc(rig, -(10**6)), Cause.PAUSE, "status")], rig.now_ns)  # type: ignore[arg-type]
    [ack] = rig.ask("a", "SPY", ttl_ms=120_000)
    assert (ack.results[0].state, ack.results[0].cause, ack.results[0].halt) == ("halted", "pause", "halted")
    rig.quote("SPY")
    rig.lose()
    rig.run(5)
    assert halt(rig) == ("halted", "status")


def test_more_claims_than_a_request_may_hold_are_ignored() -> None:
    rig = CoreRig()
    symbols = [f"S{number}" for number in range(1_500)]
    rig.ask("a", *symbols, halts=claims(rig, *symbols, seconds=-1))
    assert rig.core.halt_watch.hearsay_taken == 1_000


def test_what_was_known_ends_with_the_subscription_though_the_connection_stays() -> None:
    rig = streaming("SPY")
    rig.run(1)
    rig.trade("SPY", reopening=False)
    assert halt(rig) == ("presumed", "print")
    for client in ("a", "looks"):
        rig.ask(client)
    rig.run(2.5)
    assert rig.upstream.entries == set()
    rig.ask("a", "SPY", channels=("quotes", "trades"), ttl_ms=120_000)
    rig.quote("SPY")
    assert (rig.health().connection, halt(rig)) == (1, ("unknown", "")), "a halt may have begun in between"


def test_where_statuses_come_symbol_by_symbol_each_is_known_for_itself() -> None:
    rig = CoreRig()
    rig.core.reconciler.subscriptions.want_all_statuses(False)
    rig.ask("a", "SPY", "QQQ", channels=("quotes", "trades"), ttl_ms=120_000)
    for symbol in ("SPY", "QQQ"):
        rig.quote(symbol)
    rig.run(1)
    for symbol in ("SPY", "QQQ"):
        rig.trade(symbol, reopening=False)
    assert halt(rig, "QQQ") == ("presumed", "print")
    rig.ask("looks")
    rig.ask("a", "SPY", channels=("quotes", "trades"), ttl_ms=120_000)
    rig.run(2.5)
    rig.ask("a", "SPY", "QQQ", channels=("quotes", "trades"), ttl_ms=120_000)
    rig.quote("QQQ")
    assert (halt(rig, "SPY"), halt(rig, "QQQ")) == (("presumed", "print"), ("unknown", ""))


def test_a_request_that_tells_of_a_halt_and_drops_a_symbol_releases_it() -> None:
    rig = streaming("SPY", "QQQ")
    wish = {"channels": ("quotes", "trades"), "ttl_ms": 120_000}
    [ack] = rig.ask("a", "SPY", halts=claims(rig, "SPY", seconds=-1), **wish)
    assert ack.results[0].halt == "halted"
    assert rig.statuses("QQQ")[-1] == ("released", "no_demand")
    rig.run(1)
    rig.quote("QQQ")
    [ack] = rig.ask("a", "SPY", "QQQ", **wish)
    assert ack.results[1].state == "live"
    rig.ask("a", "SPY", **wish)
    rig.run(2.5)
    assert ("quotes", "QQQ") not in rig.upstream.entries

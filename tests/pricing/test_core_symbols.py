"""Where symbols stand, on a virtual clock: quiet, stale, halted, refused, shed, and said again in time."""

from __future__ import annotations

from itertools import pairwise

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import ConnectionHealth, SymbolStatus
from quotebus.pricing.commands import SocketCommand
from quotebus.pricing.faults import CODES, Scope
from quotebus.pricing.messages import Subscription
from tests.support.core_rig import CoreRig, state, streaming


def test_quiet_after_a_while_without_quotes_and_live_with_the_next() -> None:
    rig = streaming("SPY", "QQQ", quiet_s=10)
    for _ in range(24):
        rig.run(0.5)
        rig.quote("QQQ")
    assert (state(rig), state(rig, "QQQ")) == ("quiet", "live")
    assert rig.health().live == 2
    rig.quote("SPY")
    assert rig.statuses("SPY")[-2:] == [("quiet", "demand"), ("live", "demand")]


def test_nothing_becomes_quiet_on_a_line_that_is_not_proven_alive() -> None:
    rig = streaming("SPY", quiet_s=3)
    rig.alive = False
    rig.run(3, until=lambda: rig.health().state == "suspect")
    rig.run(1)
    assert rig.health().state == "suspect"
    assert state(rig) == "live"


def test_bad_data_is_stale_until_the_next_good_quote() -> None:
    rig = streaming("SPY")
    rig.quote("SPY", good=False)
    rig.quote("SPY", good=False)
    assert rig.statuses("SPY")[-1] == ("stale", "bad_data")
    rig.quote("SPY")
    assert rig.statuses("SPY")[-1] == ("live", "demand")


@pytest.mark.parametrize(("code", "cause"), [("H", "halt"), ("2", "halt"), ("P", "pause"), ("Q", "halt")])
@pytest.mark.parametrize("how", ["T", "3", "trade"])
def test_halt_survives_quotes_and_reconnects_until_trading_resumes(code: str, cause: str, how: str) -> None:
    rig = streaming("SPY")
    rig.status("SPY", code)
    rig.quote("SPY")
    rig.lose()
    rig.run(20)
    rig.quote("SPY")
    rig.quote("SPY", good=False)
    assert rig.health().state == "streaming"
    assert rig.health().connection == 2
    assert (state(rig), rig.health().live) == ("halted", 0)
    rig.run(0.01)
    if how == "trade":
        rig.trade("SPY")
    else:
        rig.status("SPY", how)
    assert state(rig) == "pending", "the held quote is from before or from within"
    rig.quote("SPY")
    told = rig.statuses("SPY")
    assert told[told.index(("halted", cause)) :] == [("halted", cause), ("pending", "resume"), ("live", "demand")]


def test_unknown_status_codes_and_foreign_symbols_change_nothing() -> None:
    rig = streaming("SPY")
    rig.status("SPY", "Z")
    rig.status("XXX", "H")
    rig.status("SPY", "T")
    assert state(rig) == "live"
    assert state(rig, "XXX") is None


def test_halted_is_said_again_every_second() -> None:
    rig = streaming("SPY", "QQQ")
    rig.status("SPY", "H")
    rig.run(20)
    times = [at for at, event in rig.events if isinstance(event, SymbolStatus) and event.state == "halted"]
    assert max(b - a for a, b in pairwise(times)) <= 1.3 * NS_PER_S
    assert rig.now_ns - times[-1] <= 1.3 * NS_PER_S


@pytest.mark.parametrize("count", [1, 50, 2_000])
def test_every_status_is_said_again_within_ten_seconds_with_the_newest_number(count: int) -> None:
    rig = streaming(*[f"S{number}" for number in range(count)])
    rig.run(11)
    position = len(rig.events)
    rig.run(10)
    said = {status.symbol: status for status in rig.all(SymbolStatus, since=position)}
    assert len(said) == count
    assert {(status.state, status.last_quote_seq) for status in said.values()} == {("live", 1)}


def test_after_a_reconnect_symbols_are_pending_until_a_quote_of_the_new_connection() -> None:
    rig = streaming("SPY", "QQQ")
    rig.lose()
    rig.run(5)
    assert (rig.health().connection, rig.health().live) == (2, 0)
    assert (state(rig), state(rig, "QQQ")) == ("pending", "pending")
    [ack] = rig.ask("b", "SPY")
    assert ack.results[0].last_quote is not None, "for display"
    rig.quote("SPY")
    assert (state(rig), rig.health().gap_end_ns is not None) == ("live", True)
    assert state(rig, "QQQ") == "pending"


def test_a_quote_that_came_before_its_acknowledgement_makes_live_at_once() -> None:
    rig = streaming("SPY")
    rig.answers = False
    rig.ask("b", "QQQ")
    rig.quote("QQQ")
    assert state(rig, "QQQ") == "pending"
    rig.answers = True
    rig.settle()
    assert state(rig, "QQQ") == "live"


# limits and refusals


def test_over_the_limit_the_lowest_priority_is_shed_and_told_and_comes_back_after_a_release() -> None:
    rig = CoreRig(limit=2)
    rig.ask("a", "A", "B")
    [ack] = rig.ask("b", "C", priority=5)
    assert ack.results[0].state == "pending"
    assert rig.statuses("B")[-1] == ("evicted", "symbol_limit")
    assert {symbol for channel, symbol in rig.upstream.entries if channel == "quotes"} == {"A", "C"}
    [ack] = rig.ask("c", "D")
    assert (ack.results[0].state, ack.results[0].cause) == ("evicted", "symbol_limit")
    rig.ask("b", priority=5)
    rig.quote("B")
    assert (state(rig, "B"), state(rig, "D")) == ("live", "evicted")


def test_a_limit_nobody_told_us_is_learned_from_the_refusal() -> None:
    rig = CoreRig()
    rig.upstream.limit = 3
    rig.ask("a", *"ABCDE")
    assert {symbol for symbol in "ABCDE" if state(rig, symbol) == "evicted"} == {"D", "E"}
    assert rig.health().state == "streaming"
    assert rig.health().acknowledged == 3
    rig.ask("b", "Z", priority=1)
    assert {symbol for channel, symbol in rig.upstream.entries if channel == "quotes"} == {"A", "B", "Z"}


def test_an_upstream_that_gives_nothing_is_asked_again_by_the_next_wish() -> None:
    rig = CoreRig()
    rig.upstream.limit = 0
    rig.ask("a", "A")
    assert (state(rig, "A"), rig.health().state) == ("evicted", "streaming"), "somebody wants it: the line stays"
    rig.upstream.limit = None
    rig.ask("a", "A", "B")
    rig.run(5)
    assert rig.health().acknowledged == 2


@pytest.mark.parametrize("line_lost", [False, True])
def test_an_upstream_that_gave_nothing_is_tried_again_without_anybody_asking(line_lost: bool) -> None:
    rig = CoreRig(linger_s=1)
    rig.upstream.limit = 0
    rig.ask("a", "A", "B", ttl_ms=120_000)
    rig.ask("b", "C")
    rig.ask("b")
    asked = len(rig.orders)
    if line_lost:
        rig.lose()
    rig.run(20)
    assert {state(rig, symbol) for symbol in "AB"} == {"evicted"}
    assert line_lost or len(rig.orders) == asked, "neither dialled again nor let go"
    rig.upstream.limit = None
    rig.run(61)
    assert {state(rig, symbol) for symbol in "AB"} == {"pending"}
    assert rig.health().acknowledged == 2


def test_refused_for_one_channel_it_may_be_had_for_the_other() -> None:
    rig = CoreRig()
    rig.upstream.no_trades = True
    rig.ask("a", "SPY", channels=("quotes", "trades"))
    assert rig.statuses("SPY")[-1] == ("refused", "not_entitled")
    rig.ask("a", "SPY", channels=("quotes",))
    rig.ask("a", "SPY", channels=("quotes",))  # a channel is given up once two requests in a row say so
    rig.quote("SPY")
    assert rig.statuses("SPY")[-1] == ("live", "demand")


def test_a_refused_symbol_takes_no_room_under_the_limit() -> None:
    rig = CoreRig(limit=2)
    rig.upstream.poisoned = frozenset({"BAD"})
    rig.ask("a", "BAD", "OK", "MORE")
    assert (state(rig, "BAD"), state(rig, "OK"), state(rig, "MORE")) == ("refused", "pending", "pending")
    rig.ask("b", "X", "Y", priority=3)
    assert (state(rig, "BAD"), state(rig, "OK"), state(rig, "MORE")) == ("refused", "evicted", "evicted")
    rig.upstream.poisoned = frozenset()
    rig.lose()
    rig.run(5)
    assert (state(rig, "BAD"), state(rig, "X"), rig.health().acknowledged) == ("evicted", "pending", 2)


def test_after_a_release_one_more_than_learned_is_tried_and_stays_evicted_until_taken() -> None:
    rig = CoreRig()
    rig.upstream.limit = 3
    rig.ask("a", *"ABCDEFGH", ttl_ms=120_000)
    assert rig.health().acknowledged == 3
    rig.run(20)
    rig.upstream.limit = 6
    rig.ask("a", *"BCDEFGH")
    rig.run(1)
    live = {symbol for symbol in "BCDEFGH" if state(rig, symbol) == "pending"}
    assert live == set("BCDEFG")
    assert rig.statuses("H")[-1] == ("evicted", "symbol_limit")
    assert rig.statuses("E")[-2:] == [("evicted", "symbol_limit"), ("pending", "no_quote_yet")], "no word before"
    assert rig.health().acknowledged == 6
    assert rig.orders.count(SocketCommand.DIAL) == 1


def test_a_try_that_is_refused_disturbs_nobody() -> None:
    rig = CoreRig()
    rig.upstream.limit = 3
    rig.ask("a", *"ABCDE", ttl_ms=120_000)
    rig.run(20)
    position = len(rig.events)
    rig.ask("a", *"BCDE", ttl_ms=120_000)
    rig.run(30)
    told = rig.all(SymbolStatus, lambda s: s.state == "evicted" and s.symbol in "BCD", since=position)
    assert not told
    assert {symbol for channel, symbol in rig.upstream.entries if channel == "quotes"} == set("BCD")


# trades


def test_trades_alone_make_live_by_a_trade_and_never_quiet() -> None:
    rig = CoreRig(quiet_s=3)
    rig.ask("a", "SPY", channels=("trades",), ttl_ms=120_000)
    assert state(rig) == "pending"
    rig.trade("SPY")
    assert rig.statuses("SPY")[-1] == ("live", "demand")
    rig.run(20)
    assert state(rig) == "live"
    rig.ask("b", "SPY", channels=("quotes",), ttl_ms=120_000)
    assert rig.statuses("SPY")[-1] == ("pending", "no_quote_yet"), "quotes are wanted now and there is none"
    rig.quote("SPY")
    assert state(rig) == "live"


def test_trades_alone_resume_with_the_trade() -> None:
    rig = CoreRig()
    rig.ask("a", "SPY", channels=("trades",))
    rig.trade("SPY")
    rig.status("SPY", "H")
    rig.run(0.01)
    rig.trade("SPY")
    assert rig.statuses("SPY")[-3:] == [("halted", "halt"), ("pending", "resume"), ("live", "demand")]


# halts in doubt


def test_a_halt_whose_end_was_missed_on_a_reconnect_is_ended_by_a_trade_though_only_quotes_are_wanted() -> None:
    rig = CoreRig(limit=5)
    rig.ask("a", "SPY", "QQQ", ttl_ms=120_000)
    rig.quote("SPY")
    rig.status("SPY", "H")
    assert ("trades", "SPY") not in rig.upstream.entries
    rig.lose()
    rig.run(5)
    assert ("trades", "SPY") in rig.upstream.entries
    assert state(rig) == "halted"
    rig.trade("SPY")
    rig.quote("SPY")
    assert rig.statuses("SPY")[-3:] == [("halted", "halt"), ("pending", "resume"), ("live", "demand")]
    assert ("trades", "SPY") not in rig.upstream.entries, "and no longer asked for"


def test_where_there_is_no_room_a_doubtful_halt_waits_for_its_status() -> None:
    rig = CoreRig(limit=2)
    rig.ask("a", "SPY", "QQQ", ttl_ms=120_000)
    rig.status("SPY", "H")
    rig.lose()
    rig.run(5)
    assert ("trades", "SPY") not in rig.upstream.entries
    rig.status("SPY", "T")
    assert state(rig) == "pending"


def test_a_halt_is_known_again_after_a_release_and_after_an_eviction() -> None:
    rig = CoreRig(limit=2)
    rig.ask("a", "A", "B", ttl_ms=120_000)
    rig.quote("A")
    rig.status("A", "P")
    rig.ask("a", "B", ttl_ms=120_000)
    [ack] = rig.ask("a", "A", "B", ttl_ms=120_000)
    assert (ack.results[0].symbol, ack.results[0].state, ack.results[0].cause) == ("A", "halted", "pause")
    rig.ask("b", "X", "Y", priority=9)
    assert state(rig, "A") == "evicted"
    rig.ask("b", priority=9)
    assert state(rig, "A") == "halted"
    rig.quote("A")
    assert state(rig, "A") == "halted"


@pytest.mark.parametrize(("code", "reason", "cause"), [("2", "M", "pause"), ("2", "D", "halt"), ("H", "LUDP", "pause")])
def test_a_pause_for_volatility_is_told_by_its_reason(code: str, reason: str, cause: str) -> None:
    rig = streaming("SPY")
    rig.status("SPY", code, reason)
    assert rig.statuses("SPY")[-1] == ("halted", cause)


def test_a_refusal_that_comes_after_the_symbol_was_shed_harms_nobody() -> None:
    rig = CoreRig(limit=1)
    rig.upstream.poisoned = frozenset({"BAD"})
    rig.ask("a", "OK")
    rig.answers = False
    rig.ask("a", "BAD")
    rig.upstream.entries = set()
    rig.said.clear()
    rig.core.on_record(Subscription(), rig.now_ns)
    rig.settle()
    assert rig.said == [{"action": "subscribe", "quotes": ["BAD"]}]
    rig.ask("b", "X", priority=1)
    assert state(rig, "BAD") == "evicted"
    rig.answers = True
    rig.settle()
    assert (state(rig, "BAD"), state(rig, "X"), rig.health().acknowledged) == ("evicted", "pending", 1)


def test_streams_without_statuses_and_says_so() -> None:
    rig = CoreRig()
    rig.upstream.no_statuses = True
    rig.ask("a", "SPY")
    assert (rig.health().state, rig.health().detail) == ("streaming", "halts_unknown")
    rig.lose()
    rig.upstream.no_statuses = False
    rig.run(5)
    assert (rig.health().state, rig.health().detail) == ("streaming", "")


@pytest.mark.parametrize("code", [412, 413, 499])
def test_an_unknown_code_refuses_what_was_asked_and_the_line_stays(code: int) -> None:
    rig = streaming("SPY")
    rig.answers = False
    rig.ask("b", "NEW")
    rig.error(code)
    assert rig.statuses("NEW")[-1] == ("refused", "upstream_error")
    rig.answers = True
    rig.run(5)
    assert (rig.health().state, rig.health().connection, state(rig)) == ("streaming", 1, "live")
    rig.error(code)
    assert rig.health().state == "streaming", "with nothing asked it is about nothing"


def test_an_unknown_code_for_our_credentials_is_tried_once_a_minute() -> None:
    rig = CoreRig()
    rig.answers = False
    rig.ask("a", "SPY")
    rig.error(412)
    health = rig.health()
    assert (health.state, health.cause) == ("refused", "upstream_error")
    assert health.next_retry_ns is not None
    assert health.next_retry_ns - health.since_ns >= 60 * NS_PER_S


@pytest.mark.parametrize("code", CODES)
def test_each_code_takes_down_what_it_is_about(code: int) -> None:
    rig = streaming("SPY")
    rig.error(code)
    failure = CODES[code]
    health = rig.all(ConnectionHealth)[-1]
    if failure.scope is Scope.CONNECTION:
        assert health.state == ("refused" if failure.for_operator else "backing_off")
        assert (health.cause, health.attempt, rig.socket) == (failure.cause, 1, False)
        assert health.next_retry_ns is not None
    else:
        assert (health.state, state(rig)) == ("streaming", "live")

"""The node's decisions on a virtual clock, without a socket: what it says of requests, symbols and its line."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from quotebus.bus import codec
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.consumer import REPLAYED
from quotebus.bus.events import (
    ConnectionHealth,
    Event,
    MarketSession,
    Quote,
    SymbolsAcknowledged,
    SymbolStatus,
)
from quotebus.pricing import core
from quotebus.pricing.commands import SocketCommand
from quotebus.pricing.sessions import ALPACA, SessionRule
from tests.support.core_rig import SOURCE, CoreRig, state, streaming


@pytest.mark.parametrize("client", ["a b", "\x17orker", "a\n", "é", "x" * 120])
def test_a_client_whose_name_makes_no_topic_gets_no_answer_and_the_node_goes_on(client: str) -> None:
    rig = CoreRig()
    rig.ask(client, "SPY")
    rig.ask("a", "QQQ")
    rig.settle()
    assert [answer.client for answer in rig.all(SymbolsAcknowledged)] == ["a"]
    for event in rig.all(Event):
        codec.encode(event)


def test_whole_life_from_idle_to_idle() -> None:
    rig = CoreRig(linger_s=5)
    rig.run(3)
    assert rig.orders == []
    rig.dials = rig.answers = False
    rig.ask("a", "SPY", ttl_ms=2_000)
    rig.dials = True
    rig.settle()
    rig.run(0.1)
    rig.answers = True
    rig.settle()
    rig.run(1)
    rig.quote("SPY")
    rig.run(10)
    assert rig.healths() == [
        ("idle", "no_demand"),
        ("connecting", "demand"),
        ("authenticating", "demand"),
        ("subscribing", "demand"),
        ("streaming", "demand"),
        ("streaming", "lingering"),
        ("idle", "no_demand"),
    ]
    assert rig.statuses("SPY") == [("pending", "no_quote_yet"), ("live", "demand"), ("released", "lease_expired")]
    assert rig.orders == [
        SocketCommand.DIAL,
        SocketCommand.AUTHENTICATE,
        SocketCommand.PING,
        SocketCommand.PING,
        SocketCommand.HANG_UP,
    ]
    lingering = rig.all(ConnectionHealth, lambda health: health.cause == "lingering")[0]
    assert (lingering.desired, lingering.acknowledged, lingering.live) == (0, 0, 0)


def test_debug_log_tells_requests_leases_transitions_and_symbols(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "quotebus.pricing"):
        rig = CoreRig(linger_s=1)
        rig.ask("a", "SPY", ttl_ms=2_000)
        rig.quote("SPY")
        rig.ask("a", "SPY", ttl_ms=2_000)
        rig.ask("a", "SPY", "QQQ", ttl_ms=2_000)
        rig.run(6)
    told = [(record.name.removeprefix("quotebus.pricing."), record.getMessage()) for record in caplog.records]
    assert told[:4] == [
        ("session", "upstream: standby -> idle on alone (no_demand)"),
        ("demand", "lease of a began: 1 symbols, 2000 ms"),
        ("core", "request 1 of 'a' ('a-source'): 1 symbols, demand"),
        ("session", "upstream: idle -> connecting on wanted (demand)"),
    ]
    assert [text for name, text in told if name == "demand"] == [
        "lease of a began: 1 symbols, 2000 ms",
        "lease of a renewed: 1 symbols, 2000 ms",
        "lease of a changed: 2 symbols, 2000 ms",
        "lease of a expired: 2 symbols",
    ]
    assert ("symbols", "SPY: pending -> live (demand)") in told
    assert ("symbols", "SPY: live -> released (lease_expired)") in told
    assert told[-1] == ("session", "upstream: streaming -> idle on unwanted (no_demand)")
    assert {record.levelname for record in caplog.records} == {"DEBUG"}


def test_last_release_unsubscribes_soon_while_the_line_lingers() -> None:
    rig = streaming("SPY", "QQQ")
    rig.ask("a")
    assert (rig.health().state, rig.health().cause) == ("streaming", "lingering")
    rig.run(2.5, until=lambda: not rig.upstream.entries)
    assert rig.upstream.entries == set()
    assert (rig.health().state, rig.health().cause) == ("streaming", "lingering")
    rig.ask("b", "IWM")
    assert rig.upstream.entries == {("quotes", "IWM"), ("statuses", "*"), ("lulds", "IWM")}
    assert rig.orders.count(SocketCommand.DIAL) == 1


def test_every_request_is_acknowledged_within_its_call_whatever_the_line_does() -> None:
    rig = CoreRig()
    rig.dials = rig.answers = False
    for prepare in (lambda: None, lambda: setattr(rig, "dials", True), lambda: setattr(rig, "answers", True), rig.lose):
        prepare()
        rig.settle()
        [ack] = rig.ask("a", "SPY", "*", "QQQ")
        assert (ack.client, ack.cause, ack.lease_ms, ack.part, ack.parts) == ("a", "demand", 15_000, 1, 1)
        assert [row.symbol for row in ack.results] == ["SPY", "*", "QQQ"]
        assert (ack.results[1].state, ack.results[1].cause) == ("refused", "bad_symbol")
        rig.run(0.01)


@pytest.mark.parametrize(
    ("count", "parts"), [(0, [0]), (1, [1]), (1_000, [1_000]), (1_001, [1_000, 1]), (2_500, [1_000, 1_000, 500])]
)
def test_acknowledgements_have_a_thousand_rows_a_part(count: int, parts: list[int]) -> None:
    symbols = [f"S{number}" for number in range(count)]
    acks = CoreRig().ask("a", *symbols)
    assert [len(ack.results) for ack in acks] == parts
    assert [(ack.part, ack.parts) for ack in acks] == [(part + 1, len(parts)) for part in range(len(parts))]
    assert [row.symbol for ack in acks for row in ack.results] == symbols


def test_a_request_that_is_not_applied_is_acknowledged_without_rows() -> None:
    rig = CoreRig()
    [ack] = rig.ask("a", *[f"S{number}" for number in range(10_001)])
    assert (ack.cause, ack.results, ack.lease_ms) == ("too_many", (), 0)
    assert rig.orders == []


def test_duplicates_and_bad_symbols_are_one_row_each() -> None:
    [ack] = CoreRig().ask("a", "SPY", "*", "SPY", "*")
    assert [row.symbol for row in ack.results] == ["SPY", "*"]


def test_held_quote_comes_with_the_first_ack_with_added_symbols_and_with_a_snapshot() -> None:
    rig = streaming("SPY", "QQQ")

    def quotes(*symbols: str, **fields: object) -> list[bool]:
        [ack] = rig.ask("late", *symbols, **fields)
        for row in ack.results:
            if row.last_quote is not None:
                quote = codec.decode_payload("quote", row.last_quote)
                assert isinstance(quote, Quote)
                assert (quote.symbol, quote.source, quote.seq) == (row.symbol, SOURCE, row.last_quote_seq)
        return [row.last_quote is not None for row in ack.results]

    assert quotes("SPY") == [True]
    assert quotes("SPY") == [False]
    assert quotes("SPY", "QQQ") == [False, True]
    assert quotes("SPY", "QQQ", snapshot=True) == [True, True]
    [refused] = rig.ask("late", "SPY", source="another", published_ns=2**40)
    assert refused.cause == "client_conflict"
    rig.run(2.1)
    assert quotes("SPY", source="another", published_ns=2**40 + 1) == [True]


def test_acknowledged_row_says_where_the_symbol_stands() -> None:
    rig = streaming("SPY")
    rig.quote("SPY")
    [ack] = rig.ask("b", "SPY", "QQQ")
    assert [(row.state, row.last_quote_seq) for row in ack.results] == [("live", 2), ("pending", 0)]


# leases and the bus


def test_lease_ends_unless_renewed_and_waits_while_own_health_is_not_heard() -> None:
    rig = streaming("SPY")
    rig.ask("short", "QQQ", ttl_ms=5_000)
    rig.hears = False
    rig.run(60)
    assert state(rig, "QQQ") is not None
    rig.hears = True
    rig.run(5.5)
    assert state(rig, "QQQ") is None
    assert rig.statuses("QQQ")[-1] == ("released", "lease_expired")
    assert state(rig, "SPY") == "quiet", "still wanted"


def test_a_longer_lease_of_another_keeps_the_symbol() -> None:
    rig = streaming("SPY")
    rig.ask("short", "SPY", ttl_ms=1_000)
    assert len(rig.all(SymbolStatus)[-1].clients) <= 2
    rig.run(5)
    assert state(rig) == "live"
    rig.run(10)
    assert [claim.client for claim in rig.all(SymbolStatus, lambda x: x.symbol == "SPY")[-1].clients] == ["a"]


# the other node


def test_an_active_other_node_silences_us_and_its_end_brings_us_back() -> None:
    rig = CoreRig()
    rig.hear("pricing-ffffff", "streaming", times=2)
    assert rig.ask("a", "SPY") == []
    assert (rig.health().state, rig.health().cause) == ("standby", "other_node")
    for _ in range(20):
        rig.run(0.9)
        rig.hear("pricing-ffffff", "suspect")
        assert rig.ask("a", "SPY") == []
    rig.run(2.9)
    assert rig.health().state == "standby"
    rig.run(0.5)
    assert rig.health().state == "idle"
    assert len(rig.ask("a", "SPY")) == 1
    assert rig.health().state == "streaming"


@pytest.mark.parametrize(
    ("source", "theirs", "busy", "yields"),
    [
        ("pricing-000001", "idle", False, True),
        ("pricing-ffffff", "idle", False, False),
        ("pricing-000001", "idle", True, False),
        ("pricing-000001", "connecting", True, False),
        ("pricing-000001", "subscribing", True, False),
        ("pricing-000001", "suspect", True, False),
        ("pricing-ffffff", "streaming", False, True),
        ("pricing-ffffff", "connecting", False, True),
        ("pricing-ffffff", "streaming", True, False),
        ("pricing-000001", "streaming", True, True),
        ("pricing-000001", "standby", False, False),
        ("pricing-000001", "stopped", False, False),
        (f"{REPLAYED}pricing-000001", "streaming", False, False),
    ],
)
def test_of_two_nodes_exactly_one_yields(source: str, theirs: str, busy: bool, yields: bool) -> None:
    rig = streaming("SPY") if busy else CoreRig()
    before = rig.health().state
    rig.hear(source, theirs, times=3 if busy else 1)
    assert rig.health().state == before, "one message is not enough"
    rig.run(0.1)
    rig.hear(source, theirs)
    assert (rig.health().state == "standby") == yields
    if yields:
        assert not rig.socket
        assert rig.shared.slots == {}
    else:
        assert rig.health().state == before


def test_health_of_an_order_stream_is_not_a_node() -> None:
    rig = CoreRig()
    rig.hear("pricing-000001", "streaming", node="pricing.orders", times=2)
    assert rig.health().state == "idle"


def test_without_the_lock_it_stands_by_until_it_has_it() -> None:
    rig = CoreRig()
    rig.core.on_lock(False, rig.now_ns)
    rig.run(30)
    assert rig.ask("a", "SPY") == []
    rig.core.on_lock(True, rig.now_ns)
    rig.run(1)
    assert rig.health().state == "idle"


def test_stopped_is_said_last_and_nothing_is_answered_after_it() -> None:
    rig = streaming("SPY")
    rig.core.stop(rig.now_ns)
    rig.settle()
    assert (rig.health().state, rig.health().cause, rig.socket) == ("stopped", "shutdown", False)
    assert rig.ask("b", "SPY") == []


# the line


def test_no_answer_to_a_subscribe_ends_the_line_and_the_wait_is_no_busy_loop() -> None:
    rig = streaming("SPY")
    rig.answers = False
    rig.ask("b", "QQQ")
    rig.dials = False
    rig.run(5.1)
    assert ("backing_off", "ack_timeout") in rig.healths()
    began_ns, dials = rig.now_ns, 0
    while rig.now_ns < began_ns + 75 * NS_PER_S:
        rig.ask("a", "SPY")
        rig.run(6, until=lambda: rig.dialling)
        if rig.dialling:
            dials += 1
            rig.refuse_dial()
    assert rig.health().state == "circuit_open"
    assert dials <= 8 + 75 / 3.6 + 1


@pytest.mark.parametrize(("silent", "detail"), [("statuses", "halts_unknown"), ("lulds", "")])
def test_without_an_answer_about_what_comes_along_the_line_streams_and_stays(silent: str, detail: str) -> None:
    rig = CoreRig()
    ask = rig.upstream.ask
    rig.upstream.ask = lambda message: None if silent in message else ask(message)  # type: ignore[assignment,return-value]
    rig.ask("a", "SPY", ttl_ms=120_000)
    rig.quote("SPY")
    rig.run(30)
    assert (rig.health().state, rig.health().detail, rig.health().connection) == ("streaming", detail, 1)
    rig.ask("a", "SPY", "QQQ", ttl_ms=120_000)
    rig.run(1)
    assert rig.health().acknowledged == 2


def test_health_is_said_every_second_and_at_each_change() -> None:
    rig = streaming("SPY")
    rig.run(60)
    times = [at for at, event in rig.events if isinstance(event, ConnectionHealth)]
    assert max(b - a for a, b in pairwise(times)) <= NS_PER_S
    idle = CoreRig()
    idle.run(60)
    assert 59 <= len(idle.all(ConnectionHealth)) <= 62, "and no oftener"


def test_nothing_but_requests_is_ever_acknowledged() -> None:
    rig = streaming("SPY")
    rig.lose()
    rig.run(100)
    acks: list[Event] = [*rig.all(SymbolsAcknowledged)]
    assert len(acks) == 1


def test_what_a_consumer_of_a_replay_asks_is_no_demand() -> None:
    rig = CoreRig()
    assert rig.ask("a", "SPY", source="replay:a") == []
    assert rig.health().state == "idle"
    assert not rig.core.demand.leases


def test_health_says_the_session_and_a_new_one_begins_without_a_level(monkeypatch: pytest.MonkeyPatch) -> None:
    opens_ns = int(datetime(2026, 11, 25, 14, 30, tzinfo=UTC).timestamp()) * NS_PER_S
    rig = CoreRig(session_rule=SessionRule(ALPACA, "sip"))
    monkeypatch.setattr(core, "to_utc_ns", lambda at_ns: at_ns - first_ns + opens_ns - 2 * NS_PER_S)
    first_ns = rig.now_ns
    rig.ask("a", "SPY")
    rig.run(1.9)
    assert rig.health().session == MarketSession.PRE
    level = rig.shared.slots["SPY"].level
    rig.run(0.35)
    assert rig.health().session == MarketSession.REGULAR, "published at once"
    assert rig.shared.slots["SPY"].level is not level
    level = rig.shared.slots["SPY"].level
    rig.run(5)
    assert rig.shared.slots["SPY"].level is level

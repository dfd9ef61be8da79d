"""A symbol that nobody wants any more stays subscribed for a moment: asked for again, it is as if nothing had been."""

from __future__ import annotations

import pytest

from quotebus.bus.clock import NS_PER_S, to_utc_ns
from quotebus.bus.events import SymbolsAcknowledged, SymbolStatus
from quotebus.bus.protocol import MAX_NODE_SYMBOLS
from quotebus.pricing.commands import SocketCommand
from quotebus.pricing.grace import GRACE_NS, Grace
from tests.support.core_rig import CoreRig, state, streaming

GRACE_S = GRACE_NS / NS_PER_S
ROOM_S = 0.5


def subscribed(rig: CoreRig) -> set[str]:
    return {symbol for channel, symbol in rig.upstream.entries if channel in ("quotes", "trades")}


def holding(*symbols: str, limit: int | None = None) -> CoreRig:
    """A node whose client "keeper" wants KEEP, and "a" these symbols, all with a price."""
    rig = CoreRig(limit=limit)
    rig.ask("keeper", "KEEP", ttl_ms=120_000)
    rig.ask("a", *symbols, ttl_ms=120_000)
    for symbol in ("KEEP", *symbols):
        rig.quote(symbol)
        assert state(rig, symbol) == "live"
    return rig


# asked for again


@pytest.mark.parametrize("dropped_by", [(), ("QQQ",)], ids=["lease ended", "another list"])
@pytest.mark.parametrize("after_s", [0, 0.2, 1.9])
@pytest.mark.parametrize("keeper", [True, False])
def test_asked_for_again_within_the_grace_it_is_live_with_its_quote(
    dropped_by: tuple[str, ...], after_s: float, keeper: bool
) -> None:
    rig = holding("SPY")
    if not keeper:
        rig.ask("keeper")
    frame, position = rig.shared.slots["SPY"].frame, len(rig.events)
    rig.said.clear()
    rig.ask("a", *dropped_by, ttl_ms=120_000)
    rig.run(after_s)
    [ack] = rig.ask("a", "SPY", ttl_ms=120_000)
    row = ack.results[0]
    assert (row.symbol, row.state, row.cause) == ("SPY", "live", "demand")
    assert row.last_quote is not None
    assert frame.endswith(row.last_quote)
    told = [(s.state, s.cause) for s in rig.all(SymbolStatus, lambda s: s.symbol == "SPY", since=position)]
    assert told == [("released", "no_demand"), ("live", "demand")]
    rig.run(10)
    assert state(rig) == "live"
    assert "SPY" in subscribed(rig)
    assert rig.orders.count(SocketCommand.DIAL) == 1


def test_a_quote_of_the_grace_is_the_one_that_it_comes_back_with() -> None:
    rig = holding("SPY")
    rig.ask("a")
    rig.run(1)
    rig.quote("SPY")
    [ack] = rig.ask("a", "SPY")
    assert (ack.results[0].state, ack.results[0].last_quote_seq) == ("live", 2)


def test_what_happens_in_the_grace_is_known_when_it_comes_back() -> None:
    rig = CoreRig(quiet_s=1)
    rig.ask("keeper", "KEEP", ttl_ms=120_000)
    names = ("FIRST", "BAD", "MENDED", "HALTED", "QUIET", "TRADED")
    wish = {"ttl_ms": 120_000, "channels": ("quotes", "trades")}
    rig.ask("a", *names[:-1], **wish)
    rig.ask("b", "TRADED", channels=("trades",), ttl_ms=120_000)
    for symbol in names[1:-1]:
        rig.quote(symbol)
    rig.quote("MENDED", good=False)
    rig.run(3)
    for symbol in ("BAD", "HALTED"):
        rig.quote(symbol)
    assert [state(rig, symbol) for symbol in names] == ["pending", "live", "stale", "live", "quiet", "pending"]
    position = len(rig.events)
    rig.ask("a")
    rig.ask("b")
    rig.run(0.5)
    for symbol in ("FIRST", "MENDED"):
        rig.quote(symbol)
    rig.quote("BAD", good=False)
    rig.status("HALTED", "H", "T1", exchange_ns=to_utc_ns(rig.now_ns))
    rig.trade("TRADED")
    told = {(s.symbol, s.state) for s in rig.all(SymbolStatus, lambda s: s.symbol != "KEEP", since=position)}
    assert told == {(symbol, "released") for symbol in names}
    [ack] = rig.ask("a", *names[:-1], **wish)
    assert [row.state for row in ack.results] == ["live", "stale", "live", "halted", "quiet"]
    assert ack.results[3].halt == "halted"
    [ack] = rig.ask("b", "TRADED", channels=("trades",))
    assert ack.results[0].state == "live"
    rig.run(20)
    assert state(rig, "HALTED") == "halted"


def test_another_client_may_take_it_over_with_other_channels() -> None:
    rig = holding("SPY")
    rig.ask("a")
    rig.ask("b", "SPY", channels=("trades",))
    assert {channel for channel, symbol in rig.upstream.entries if symbol == "SPY"} >= {"trades"}
    assert ("quotes", "SPY") not in rig.upstream.entries
    rig.ask("b")
    rig.run(GRACE_S + ROOM_S)
    assert subscribed(rig) == {"KEEP"}


# not asked for again


@pytest.mark.parametrize("how", ["another list", "lease ended", "lease expired"])
def test_nobody_asks_and_it_is_unsubscribed_in_time_and_told_nothing_more(how: str) -> None:
    rig = holding("SPY", "QQQ")
    if how == "lease expired":
        rig.ask("b", "SPY", ttl_ms=1_000)
        rig.ask("a", "QQQ", ttl_ms=120_000)
        rig.run(1)
    else:
        rig.ask("a", *(() if how == "lease ended" else ("QQQ",)), ttl_ms=120_000)
    position = len(rig.events)
    assert rig.statuses("SPY")[-1][0] == "released"
    assert "SPY" in subscribed(rig)
    rig.run(GRACE_S - 0.1)
    assert "SPY" in subscribed(rig)
    assert "SPY" in rig.shared.slots
    rig.run(0.1 + ROOM_S, until=lambda: "SPY" not in subscribed(rig))
    assert "SPY" not in subscribed(rig)
    assert "SPY" not in rig.shared.slots
    rig.run(30)
    assert not rig.all(SymbolStatus, lambda status: status.symbol == "SPY", since=position)
    rig.quote("SPY")
    [ack] = rig.ask("b", "SPY")
    assert (ack.results[0].state, ack.results[0].last_quote) == ("pending", None)


def test_one_that_narrows_its_list_is_never_told_live_for_what_it_dropped() -> None:
    rig = holding("SPY", "QQQ")
    position = len(rig.events)
    rig.ask("a", "QQQ", ttl_ms=120_000)
    for _ in range(12):
        rig.run(1)
        rig.quote("SPY")
        rig.ask("a", "QQQ", ttl_ms=120_000)
    assert {s.state for s in rig.all(SymbolStatus, lambda s: s.symbol == "SPY", since=position)} == {"released"}
    rows = [row for ack in rig.all(SymbolsAcknowledged, since=position) for row in ack.results]
    assert {row.symbol for row in rows} == {"QQQ"}


def test_health_counts_what_is_wanted() -> None:
    rig = holding("SPY", "QQQ")
    rig.ask("a")
    rig.run(1)
    health = rig.health()
    assert (health.desired, health.acknowledged, health.live) == (1, 1, 1)
    rig.ask("a", "SPY")
    rig.run(1)
    health = rig.health()
    assert (health.desired, health.acknowledged, health.live) == (2, 2, 2)


def test_time_in_which_no_client_can_be_heard_does_not_count() -> None:
    rig = holding("SPY")
    rig.hears = False
    rig.run(3)
    rig.ask("a")
    rig.run(20)
    assert "SPY" in subscribed(rig)
    [ack] = rig.ask("a", "SPY")
    assert ack.results[0].state == "live"
    rig.ask("a")
    rig.hears = True
    rig.run(1 + GRACE_S + ROOM_S)
    assert subscribed(rig) == {"KEEP"}, "it is heard again within a second"


# what ends it


def test_a_new_connection_subscribes_to_nothing_that_nobody_wants() -> None:
    rig = holding("SPY", "QQQ")
    rig.ask("a", "QQQ", ttl_ms=120_000)
    rig.lose()
    rig.run(5)
    assert rig.health().state == "streaming"
    assert subscribed(rig) == {"KEEP", "QQQ"}
    assert set(rig.shared.slots) == {"KEEP", "QQQ"}
    [ack] = rig.ask("b", "SPY")
    assert ack.results[0].state == "pending"


def test_a_node_that_stands_by_keeps_nothing() -> None:
    rig = holding("SPY")
    rig.ask("a")
    rig.core.on_lock(False, rig.now_ns)
    rig.settle()
    assert not rig.shared.slots
    assert rig.core.allocation.grace.next_ns() is None
    assert state(rig) is None


def test_the_last_one_gone_the_line_lingers_as_before() -> None:
    rig = streaming("SPY")
    rig.ask("a")
    assert rig.health().cause == "lingering"
    rig.run(29)
    assert rig.health().state == "streaming"
    assert subscribed(rig) == set()
    rig.run(2)
    assert rig.health().state == "idle"


# the symbol limit


def test_nobody_waits_for_a_grace_under_the_limit() -> None:
    rig = holding("A", "B", limit=3)
    rig.ask("b", "C", ttl_ms=120_000)
    assert state(rig, "C") == "evicted"
    rig.ask("a", "B", ttl_ms=120_000)
    assert subscribed(rig) == {"KEEP", "B", "C"}, "the one that waits has the place at once"
    rig.ask("a", ttl_ms=120_000)
    assert subscribed(rig) == {"KEEP", "B", "C"}, "nobody needs the place"
    [ack] = rig.ask("d", "D")
    assert ack.results[0].state == "pending"
    assert subscribed(rig) == {"KEEP", "C", "D"}, "now somebody does"


def test_only_as_many_graces_end_as_places_are_needed_and_the_oldest_first() -> None:
    rig = holding("A", "B", "C", limit=4)
    for symbols in ("BC", "C", ""):
        rig.ask("a", *symbols, ttl_ms=120_000)
        rig.run(0.1)
    rig.ask("b", "X", "Y")
    assert subscribed(rig) == {"KEEP", "C", "X", "Y"}
    assert rig.health().state == "streaming"


def test_a_grace_is_no_reason_to_learn_too_low_a_limit() -> None:
    rig = holding("A", "B")
    rig.upstream.limit = 3  # which nobody told us
    rig.ask("a", "B", ttl_ms=120_000)
    rig.ask("b", "C", ttl_ms=120_000)
    assert subscribed(rig) == {"KEEP", "B", "C"}
    assert rig.core.allocation.limit.learned == 3
    assert state(rig, "C") == "pending"
    assert not rig.all(SymbolStatus, lambda status: status.state == "evicted")


def test_one_that_comes_back_and_has_no_place_is_never_told_live() -> None:
    rig = holding("SPY", limit=2)
    rig.ask("a")
    position = len(rig.events)
    [ack] = rig.ask("b", "X", "SPY")
    assert [row.state for row in ack.results] == ["pending", "evicted"]
    assert subscribed(rig) == {"KEEP", "X"}
    assert {s.state for s in rig.all(SymbolStatus, lambda s: s.symbol == "SPY", since=position)} == {"evicted"}


# the store itself


def test_pairs_are_counted_and_the_oldest_ends_first() -> None:
    grace = Grace()
    grace.begin("A", ("quotes",), 0)
    grace.begin("B", ("quotes", "trades"), 1)
    assert (grace.pairs, list(grace), grace.next_ns()) == (3, ["A", "B"], GRACE_NS)
    assert grace.list_beyond(None) == []
    assert grace.list_beyond(2) == ["A"]
    assert grace.list_beyond(1) == ["A", "B"]
    assert grace.list_beyond(-1) == ["A", "B"]
    assert grace.list_over(GRACE_NS - 1) == []
    assert grace.list_over(GRACE_NS) == ["A"]
    grace.end("A")
    assert (grace.pairs, grace.next_ns()) == (2, GRACE_NS + 1)
    grace.begin("A", ("trades",), 2)
    assert list(grace) == ["B", "A"]
    grace.clear()
    assert (grace.pairs, grace.next_ns()) == (0, None)


@pytest.mark.long
def test_a_client_that_asks_for_another_ten_thousand_each_time_fills_no_memory() -> None:
    rig = CoreRig()
    rig.ask("keeper", "KEEP", ttl_ms=120_000)
    for turn in range(3):
        rig.ask("a", *(f"S{turn}.{number}" for number in range(MAX_NODE_SYMBOLS - 1)), ttl_ms=120_000)
    assert len(list(rig.core.allocation.grace)) <= MAX_NODE_SYMBOLS
    assert len(rig.shared.slots) <= 2 * MAX_NODE_SYMBOLS
    rig.run(GRACE_S + ROOM_S)
    assert len(subscribed(rig)) == MAX_NODE_SYMBOLS

"""A symbol that the venue does not have is refused by name; a list that is old, false or missing refuses none."""

from __future__ import annotations

import logging

import pytest

from quotebus.bus.clock import NS_PER_S, to_utc_ns
from quotebus.bus.events import AssetFacts, ConnectionState, SymbolsAcknowledged, SymbolStatus
from quotebus.pricing.asset_list import Asset, AssetList, OrderTerms
from quotebus.pricing.asset_watch import BURST
from quotebus.pricing.commands import Asked, AskTrading
from tests.support.core_rig import CoreRig

AAPL, APPL = "AAPL", "APPL"
YES, NO = OrderTerms(tradable=True), OrderTerms(tradable=False)
KNOWN = AssetList({"AAPL": YES, "SPY": YES._replace(tick="0.05", lot="100"), "OLD": NO}, 1)


class Venue(CoreRig):
    """A rig whose venue has a list of symbols."""

    def list(self, assets: AssetList | None = KNOWN, why: str = "") -> None:
        self.core.venue_watch.assets.on_list(assets, why, self.now_ns)
        self.settle()

    def say(self, symbol: str, asset: Asset | None, why: str = "") -> None:
        self.core.venue_watch.assets.on_asset(symbol, asset, why, self.now_ns)
        self.settle()

    def questions(self, what: Asked = Asked.ASSET) -> list[str]:
        return [command.symbol for command in self.asked_of_trading if command.what is what]

    def want(self, client: str, *symbols: str) -> list[SymbolsAcknowledged]:
        return self.ask(client, *symbols, ttl_ms=120_000)

    def last_status(self, symbol: str) -> SymbolStatus:
        return self.all(SymbolStatus, lambda status: status.symbol == symbol)[-1]

    @property
    def subscribed(self) -> set[str]:
        return {symbol for _, symbol in self.upstream.entries if symbol != "*"}


def active(symbol: str, *, tradable: bool = True) -> Asset:
    return Asset(symbol, is_active=True, terms=OrderTerms(tradable))


@pytest.fixture
def rig() -> Venue:
    return Venue()


def test_a_typo_is_refused_by_name_and_takes_no_place(rig: Venue, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "quotebus.pricing")
    rig.want("c", AAPL, APPL)
    rig.run(0.5)
    assert rig.questions(Asked.LIST) == [""]
    rig.list()
    assert rig.questions() == [APPL], "what the list has is not asked about"
    assert rig.statuses(APPL)[-1][0] == "pending", "a list alone refuses nothing"
    rig.say(APPL, None)
    assert rig.statuses(APPL)[-1] == ("refused", "no_such_symbol")
    assert rig.subscribed == {AAPL}
    assert "APPL: the venue has no such symbol; near to it: AAPL" in caplog.text
    [ack] = rig.want("d", APPL)
    assert (ack.results[0].state, ack.results[0].cause) == ("refused", "no_such_symbol")
    for said in (ack.results[0], rig.last_status(APPL)):
        assert said.asset is not None
        assert (said.asset.tradable, said.asset.near) == (False, (AAPL,)), "people read it where they asked"


def test_the_steps_of_orders_are_published_with_their_age(rig: Venue) -> None:
    rig.list()
    [ack] = rig.want("c", "SPY", AAPL)
    steps = AssetFacts(tradable=True, tick="0.05", lot="100", read_ns=1)
    assert [row.asset for row in ack.results] == [steps, AssetFacts(tradable=True, read_ns=1)]
    rig.quote("SPY")
    assert rig.last_status("SPY").asset == steps
    rig.list(AssetList({"SPY": YES, AAPL: YES}, 2))
    rig.run(10)
    assert rig.last_status("SPY").asset == AssetFacts(tradable=True, read_ns=2)


def test_a_list_that_takes_no_orders_is_a_hint_and_the_venues_answer_the_proof(rig: Venue) -> None:
    rig.list()
    rig.want("c", "OLD")
    rig.quote("OLD")
    assert rig.questions() == ["OLD"]
    asked_ns = rig.now_ns
    rig.say("OLD", active("OLD", tradable=False))
    rig.run(10)
    assert rig.last_status("OLD").asset == AssetFacts(tradable=False, read_ns=to_utc_ns(asked_ns))
    for _ in range(30):
        rig.want("c", "OLD")
        rig.run(119)
    assert rig.questions() == ["OLD"]
    rig.want("c", "OLD")
    rig.run(25)
    assert rig.questions() == ["OLD", "OLD"], "after an hour it is asked again"
    rig.say("OLD", active("OLD"))
    rig.run(10)
    facts = rig.last_status("OLD").asset
    assert facts is not None
    assert facts.tradable


def test_nothing_is_asked_without_demand(rig: Venue) -> None:
    rig.run(600)
    assert rig.asked_of_trading == []
    rig.want("c", AAPL)
    rig.run(0.5)
    rig.list()
    rig.want("c")
    rig.asked_of_trading.clear()
    rig.run(25 * 3600)
    assert rig.asked_of_trading == []


def test_a_list_that_is_old_never_refuses_what_the_venue_has(rig: Venue) -> None:
    rig.list(AssetList({"SPY": YES}, 1))
    rig.want("c", "NEW")
    assert rig.questions() == ["NEW"]
    rig.say("NEW", active("NEW"))
    assert rig.subscribed == {"NEW"}
    assert all(state != "refused" for state, _ in rig.statuses("NEW"))
    rig.run(100)
    rig.want("c", "NEW")
    rig.run(100)
    assert rig.questions() == ["NEW"], "known once is known"


def test_without_a_list_nothing_is_refused(rig: Venue) -> None:
    rig.want("c", APPL)
    rig.run(1)
    rig.list(None, "HTTP 403")
    rig.say(APPL, None)
    for _ in range(6):
        rig.run(100)
        rig.want("c", APPL)
        rig.list(None, "HTTP 403")
    assert rig.questions() == []
    assert rig.statuses(APPL)[-1][0] == "pending"
    assert 2 <= len(rig.questions(Asked.LIST)) <= 4, "asked again at growing intervals"


def test_what_ticks_exists_whatever_is_said(rig: Venue) -> None:
    rig.list()
    rig.want("c", APPL)
    rig.quote(APPL)
    rig.say(APPL, None)
    assert rig.statuses(APPL)[-1][0] == "live"
    rig.want("c", APPL, "XYZ")
    rig.quote("XYZ")
    rig.list(AssetList({"SPY": YES}, 2))
    assert rig.questions() == [APPL, "XYZ"], "what ticks is not asked about again"


def test_a_false_answer_does_not_last(rig: Venue) -> None:
    rig.list()
    rig.want("c", "NEW")
    rig.say("NEW", None)
    assert rig.statuses("NEW")[-1][0] == "refused"
    rig.run(6)
    assert rig.questions() == ["NEW", "NEW"]
    rig.say("NEW", active("NEW"))
    assert rig.statuses("NEW")[-1] == ("pending", "no_quote_yet")
    rig.quote("NEW")
    assert rig.statuses("NEW")[-1][0] == "live"


def test_the_only_symbol_being_none_the_connection_is_let_go(rig: Venue) -> None:
    rig.list()
    rig.want("c", APPL)
    rig.say(APPL, None)
    rig.run(40)
    assert rig.core.session.state is ConnectionState.IDLE
    rig.want("c", APPL, AAPL)
    assert rig.subscribed == {AAPL}


def test_a_question_without_an_answer_says_nothing_and_is_asked_again(rig: Venue) -> None:
    rig.list()
    rig.want("c", APPL)
    rig.say(APPL, None, "TimeoutError")
    assert rig.statuses(APPL)[-1][0] == "pending"
    rig.run(11)
    assert rig.questions() == [APPL, APPL]
    rig.run(30)
    assert len(rig.questions()) >= 3, "also when nothing comes back at all"


def test_inactive_and_not_tradable_are_said(rig: Venue) -> None:
    rig.list()
    rig.want("c", "GONE", "OLD")
    rig.run(1)
    assert rig.statuses("OLD")[-1] == ("pending", "not_tradable")
    rig.say("GONE", Asset("GONE", is_active=False, terms=NO))
    assert rig.statuses("GONE")[-1] == ("refused", "inactive")
    assert "OLD" in rig.subscribed, "its price may be read"
    rig.quote("OLD")
    assert rig.statuses("OLD")[-1][0] == "live"


def test_many_unknown_symbols_are_asked_one_by_one_within_a_budget(rig: Venue) -> None:
    rig.list()
    rig.want("c", *[f"X{number}" for number in range(100)])
    answered = 0
    for _ in range(100):
        asked = rig.questions()
        if len(asked) > answered:
            rig.say(asked[-1], None)
            answered = len(asked)
    assert answered == BURST
    rig.run(60, until=lambda: False)
    assert len(rig.questions()) <= BURST + 31


def test_a_symbol_that_nobody_wants_any_more_is_forgotten(rig: Venue) -> None:
    rig.list()
    rig.want("c", AAPL, APPL)
    rig.say(APPL, None)
    rig.want("c", AAPL)
    rig.run(1)
    assert rig.core.venue_watch.assets.absent == {}
    rig.asked_of_trading.clear()
    rig.run(3600)
    assert AskTrading(Asked.ASSET, APPL) not in rig.asked_of_trading


def test_under_the_limit_a_typo_makes_room() -> None:
    rig = Venue(limit=1)
    rig.list()
    rig.want("c", APPL, AAPL)
    assert rig.statuses(AAPL)[-1][0] == "evicted"
    rig.say(APPL, None)
    assert rig.subscribed == {AAPL}
    assert rig.statuses(AAPL)[-1] == ("pending", "no_quote_yet")


def test_an_answer_after_the_node_has_ended_changes_nothing(rig: Venue) -> None:
    rig.list()
    rig.want("c", APPL)
    rig.core.on_lock(False, rig.now_ns)
    rig.say(APPL, None)
    assert rig.core.session.state is ConnectionState.STANDBY
    rig.now_ns += NS_PER_S
    rig.step()

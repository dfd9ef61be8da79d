"""Decisions without an intent: the same as for an intent at its window's end, on ticks, never across the spread."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus.book import HaltKnowledge, Standing, Unusable, Verdict
from quotebus.bus.clock import NS_PER_S
from quotebus.execution_adapter.decision.action import Action
from quotebus.execution_adapter.decision.assessment import Assessor
from quotebus.execution_adapter.decision.choose import Choice, Decision
from quotebus.execution_adapter.decision.limit_price import find_tick
from quotebus.execution_adapter.intents import Intent
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.settings import ExecutionSettings
from quotebus.execution_adapter.symbol_rounds import SymbolRounds
from tests.support.samples import HEALTH, QUICK, QUOTE, UTC_NS, like

NOW_NS = 1_000 * NS_PER_S

OWN_TROUBLE = [Unusable.NOT_REQUESTED, Unusable.CLIENT_CONFLICT, Unusable.UNCONFIRMED, Unusable.READER_BEHIND]


def verdict(
    *reasons: Unusable,
    halt: HaltKnowledge = HaltKnowledge.TRADING,
    bid: float = 10.0,
    ask: float = 10.04,
    size: float = 10.0,
    state: str = "live",
) -> Verdict:
    quote = like(
        QUOTE, bid_price=bid, ask_price=ask, bid_size=size, ask_size=size, exchange_ns=UTC_NS, received_ns=UTC_NS
    )
    return Verdict("SPY", reasons, quote, HEALTH, Standing(state, "", "p", ("p", 1)), halt, 1, 1)


def decide(judged: Verdict, side: str = "buy", **settings: object) -> Decision:
    """What is decided after the first second."""
    rounds = SymbolRounds(ExecutionSettings(**settings), lambda symbol, now_ns: judged)
    rounds.decide("SPY", side, NOW_NS - NS_PER_S)
    return rounds.decide("SPY", side, NOW_NS)


def choice(judged: Verdict, side: str = "buy", **settings: object) -> Choice:
    return decide(judged, side, **settings).choice


def with_an_intent(judged: Verdict, side: str, **settings: object) -> Choice:
    """What is decided for an intent just before its window ends."""
    given = ExecutionSettings(**settings)
    intent = Intent("SPY", side, Decimal(repr(given.execution_qty)))
    parent = ParentOrder(intent, "qb-SPY", NOW_NS - intent.window_ns + 1, given.tactics(), given.policies())
    assessor = Assessor(lambda symbol, now_ns: judged, given.limits(), given.execution_lot)
    assessor.assess("SPY", side, intent.qty, NOW_NS - NS_PER_S)
    parent.advance(assessor.assess("SPY", side, intent.qty, NOW_NS), NOW_NS)
    [decision] = parent.decisions
    return decision.choice


def test_usable_price_gives_a_limit_inside_the_spread() -> None:
    found = choice(verdict())
    assert (found.action, found.limit_price, found.qty) == (Action.LIMIT, Decimal("10.02"), 1)
    assert found.reasons == ("place", "aggression=1.00")


@pytest.mark.parametrize(("fallback", "action"), [("market", Action.MARKET), ("refuse", Action.REFUSE)])
def test_unusable_price_gives_the_fallback_and_its_reasons(fallback: str, action: Action) -> None:
    found = choice(verdict(Unusable.TOO_OLD, Unusable.LOCKED), "sell", execution_fallback=fallback)
    assert (found.action, found.limit_price, found.reasons) == (action, None, ("too_old", "locked"))


@pytest.mark.parametrize("own", OWN_TROUBLE)
@pytest.mark.parametrize("fallback", ["table", "market"])
def test_the_readers_own_trouble_is_no_reason_to_order_at_any_price(own: Unusable, fallback: str) -> None:
    found = choice(verdict(own, Unusable.NO_QUOTE), "sell", execution_fallback=fallback)
    assert (found.action, found.limit_price, found.reasons) == (Action.REFUSE, None, (own, "no_quote"))


def test_without_a_node_an_answer_that_is_missing_is_not_the_readers_trouble() -> None:
    found = choice(verdict(Unusable.UNCONFIRMED, Unusable.HEALTH_SILENT), execution_fallback="market")
    assert found.action is Action.MARKET


@pytest.mark.parametrize("fallback", ["table", "market", "collar"])
def test_nothing_is_ordered_without_a_price_in_the_first_second(fallback: str) -> None:
    judged = verdict(Unusable.NO_QUOTE)
    settings = ExecutionSettings(execution_fallback="table", execution_fallbacks=fallback, execution_patience_s=0)
    rounds = SymbolRounds(settings, lambda symbol, now_ns: judged)
    for after_ns in (0, NS_PER_S // 20, NS_PER_S - 1):
        found = rounds.decide("SPY", "buy", NOW_NS + after_ns).choice
        assert (found.action, found.reasons[0]) == (Action.REFUSE, "no_quote")
        assert found.decided_by == ("policy collar" if fallback == "collar" else "first second")
    found = rounds.decide("SPY", "buy", NOW_NS + NS_PER_S).choice
    assert found.action is (Action.REFUSE if fallback == "collar" else Action.MARKET)


def test_a_symbol_that_is_asked_for_later_has_a_first_second_of_its_own() -> None:
    settings = ExecutionSettings(execution_fallback="market")
    rounds = SymbolRounds(settings, lambda symbol, now_ns: verdict(Unusable.NO_QUOTE))
    rounds.decide("SPY", "buy", NOW_NS)
    assert rounds.decide("SPY", "buy", NOW_NS + NS_PER_S).choice.action is Action.MARKET
    assert rounds.decide("QQQ", "buy", NOW_NS + NS_PER_S).choice.decided_by == "first second"


def test_a_good_price_is_used_from_the_first_moment() -> None:
    rounds = SymbolRounds(ExecutionSettings(), lambda symbol, now_ns: verdict())
    assert rounds.decide("SPY", "buy", NOW_NS).choice.action is Action.LIMIT


def test_the_summary_names_the_rows_that_decided_with_their_symbols() -> None:
    looks = {"SPY": verdict(), "QQQ": replace(verdict(Unusable.HALTED, halt=HaltKnowledge.HALTED), symbol="QQQ")}
    rounds = SymbolRounds(ExecutionSettings(), lambda symbol, now_ns: looks[symbol])
    assert rounds.format_summary() == []
    for symbol in ("SPY", "QQQ", "SPY"):
        rounds.decide(symbol, "buy", NOW_NS)
    assert rounds.format_summary() == [
        "decisions by row/price of the decision table:",
        "  halted/none: refuse, 1 times: QQQ",
        "  trading/good: limit, 2 times: SPY",
    ]


def test_the_summary_names_few_of_many_symbols() -> None:
    rounds = SymbolRounds(ExecutionSettings(), lambda symbol, now_ns: replace(verdict(), symbol=symbol))
    for number in range(30):
        rounds.decide(f"A{number}", "buy", NOW_NS)
    assert rounds.format_summary()[1] == ("  trading/good: limit, 30 times: A0, A1, A2, A3, A4, A5, A6, A7 and 22 more")


def test_collar_is_beyond_the_last_good_price_of_the_symbol() -> None:
    looks = [verdict(bid=100.0, ask=100.02), verdict(Unusable.TOO_OLD, bid=1.0, ask=2.0)]
    settings = ExecutionSettings(execution_fallbacks="refuse,SPY=collar")
    rounds = SymbolRounds(settings, lambda symbol, now_ns: looks.pop(0))
    rounds.decide("SPY", "buy", NOW_NS)
    found = rounds.decide("SPY", "buy", NOW_NS + NS_PER_S)
    assert (found.choice.action, found.choice.limit_price) == (Action.LIMIT, Decimal("100.52"))
    assert found.situation.last_age_ns == NS_PER_S


def test_halted_or_refused_symbol_is_refused_whatever_the_fallback() -> None:
    for halted in (
        verdict(Unusable.HALTED, halt=HaltKnowledge.HALTED),
        verdict(Unusable.HEALTH_SILENT, halt=HaltKnowledge.HALTED),
        verdict(Unusable.NOT_LIVE, Unusable.HALTED, halt=HaltKnowledge.HALTED, state="halted"),
        verdict(Unusable.NOT_LIVE, halt=HaltKnowledge.UNKNOWN, state="refused"),
    ):
        assert choice(halted).action is Action.REFUSE


def test_what_is_not_known_of_halts_is_said() -> None:
    found = choice(verdict(Unusable.NO_HEALTH, halt=HaltKnowledge.UNKNOWN))
    assert (found.action, found.reasons) == (Action.REFUSE, ("no_health", "halt_unknown", "no_last_price"))
    found = choice(verdict(Unusable.NO_HEALTH, halt=HaltKnowledge.UNKNOWN), execution_fallback="market")
    assert (found.action, found.reasons) == (Action.MARKET, ("no_health", "halt_unknown"))


@pytest.mark.parametrize(
    ("bid", "ask", "buy", "sell"),
    [
        (100.005, 100.02, "100.01", "100.02"),
        (100.001, 100.009, "100.00", "100.01"),
        (100.004, 100.026, "100.01", "100.02"),
        (0.50015, 0.50065, "0.5004", "0.5004"),
        (0.5001, 0.5006, "0.5003", "0.5004"),
        (0.99995, 1.015, "1.00", "1.01"),
    ],
)
def test_quote_between_ticks_gives_a_limit_on_a_tick(bid: float, ask: float, buy: str, sell: str) -> None:
    quoted = verdict(bid=bid, ask=ask)
    narrow = {"execution_spread_wide": 1.0}
    assert choice(quoted, "buy", **narrow).limit_price == Decimal(buy)
    assert choice(quoted, "sell", **narrow).limit_price == Decimal(sell)


@QUICK
@given(low=st.integers(300, 1_000_000), ticks=st.integers(1, 500), side=st.sampled_from(["buy", "sell"]))
def test_limit_is_on_a_tick_and_never_crosses(low: int, ticks: int, side: str) -> None:
    bid, ask = low / 100, (low + ticks) / 100
    limit = choice(verdict(bid=bid, ask=ask), side, execution_spread_absurd=1.0).limit_price
    assert limit is not None
    assert limit % find_tick(limit) == 0
    assert Decimal(repr(bid)) <= limit <= Decimal(repr(ask))
    assert limit < Decimal(repr(ask)) if side == "buy" else limit > Decimal(repr(bid))


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize(
    ("bid", "ask", "changes"),
    [
        (100.0, 102.0, {}),
        (100.005, 100.02, {}),
        (100.0, 100.02, {}),
        (100.0, 100.02, {"execution_qty": 900.0}),
        (100.0, 130.0, {"execution_patience_s": 0}),
        (100.0, 100.02, {"execution_lot": 100, "execution_qty": 50.0}),
        (100.0, 100.02, {"execution_aggression_end": 2, "execution_marketable": True}),
    ],
)
def test_same_quote_gives_the_same_decision_with_and_without_an_intent(
    side: str, bid: float, ask: float, changes: dict[str, object]
) -> None:
    quoted = verdict(bid=bid, ask=ask)
    settings = {"execution_aggression_start": changes.get("execution_aggression_end", 1), **changes}
    assert choice(quoted, side, **settings) == with_an_intent(quoted, side, **settings)


def test_wide_spread_is_only_good_enough_to_stand_on_our_side() -> None:
    found = choice(verdict(bid=100.0, ask=102.0))
    assert (found.action, found.limit_price) == (Action.LIMIT, Decimal("100.00"))
    assert found.reasons == ("place", "aggression=0", "spread_wide")


@pytest.mark.parametrize(
    ("lot", "size", "qty", "large"),
    [(100, 3.0, 50.0, False), (100, 3.0, 3000.0, False), (100, 3.0, 3001.0, True), (1, 3.0, 31.0, True),
     (1, 300.0, 50.0, False), (100, 0.0, 10.0, False)],
)  # fmt: skip
def test_sizes_are_in_shares_everywhere(lot: int, size: float, qty: float, large: bool) -> None:
    decision = decide(verdict(size=size), execution_lot=lot, execution_qty=qty)
    assert ("size_large" in decision.choice.reasons) is large
    assert decision.assessment.sides is not None
    assert decision.assessment.sides.bid_size == decision.assessment.sides.ask_size == Decimal(repr(size)) * lot


def test_fractions_are_decided_on_as_they_are_set() -> None:
    assert choice(verdict(), execution_qty=0.25).qty == Decimal("0.25")


def test_locked_price_without_its_flag_is_not_used() -> None:
    found = choice(verdict(bid=100.0, ask=100.0))
    assert (found.action, found.reasons) == (Action.MARKET, ("locked",))


def test_first_prices_are_waited_for_once() -> None:
    rounds = SymbolRounds(ExecutionSettings(execution_patience_s=5), lambda symbol, now_ns: verdict())
    assert rounds.is_patient(NOW_NS, settled=False)
    assert rounds.is_patient(NOW_NS + 4 * NS_PER_S, settled=False)
    assert not rounds.is_patient(NOW_NS + 5 * NS_PER_S, settled=False)
    assert not rounds.is_patient(NOW_NS + 5 * NS_PER_S, settled=True)
    assert not rounds.is_patient(NOW_NS + 5 * NS_PER_S, settled=False)


def test_sides_are_taken_in_turn_unless_one_is_set() -> None:
    both = SymbolRounds(ExecutionSettings(), lambda symbol, now_ns: verdict())
    assert [both.side(number) for number in range(3)] == ["buy", "sell", "buy"]
    one = SymbolRounds(ExecutionSettings(execution_side="sell"), lambda symbol, now_ns: verdict())
    assert {one.side(number) for number in range(3)} == {"sell"}

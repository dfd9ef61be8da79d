"""From a verdict to an action; prices on ticks, never across the spread."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus.book import HaltKnowledge, Unusable, Verdict
from quotebus.bus.events import Quote
from quotebus.execution_adapter.decision.action import Action, decide, inside
from quotebus.execution_adapter.decision.limit_price import tick

cents = st.integers(100, 1_000_000)


def verdict(
    *reasons: Unusable, halt: HaltKnowledge = HaltKnowledge.TRADING, bid: float = 10.0, ask: float = 10.04
) -> Verdict:
    quote = Quote(
        source="pricing-1",
        seq=1,
        published_ns=1,
        symbol="SPY",
        bid_price=bid,
        bid_size=1.0,
        ask_price=ask,
        ask_size=1.0,
        bid_exchange="V",
        ask_exchange="V",
        conditions=(),
        tape="B",
        exchange_ns=1,
        received_ns=1,
        conflated=0,
        flags=0,
        connection=1,
    )
    return Verdict("SPY", reasons, quote, None, None, halt, 1)


def test_usable_price_gives_a_limit_inside_the_spread() -> None:
    choice = decide(verdict(), "buy", "market")
    assert (choice.action, choice.limit_price, choice.reasons) == (Action.LIMIT, 10.02, ())


@pytest.mark.parametrize(("fallback", "action"), [("market", Action.MARKET), ("refuse", Action.REFUSE)])
def test_unusable_price_gives_the_fallback_and_its_reasons(fallback: str, action: Action) -> None:
    choice = decide(verdict(Unusable.TOO_OLD, Unusable.LOCKED), "sell", fallback)
    assert (choice.action, choice.limit_price, choice.reasons) == (action, None, ("too_old", "locked"))


def test_halted_symbol_is_refused_whatever_the_fallback() -> None:
    for halted in (
        verdict(Unusable.HALTED),
        verdict(Unusable.HEALTH_SILENT, halt=HaltKnowledge.HALTED),
        verdict(Unusable.NOT_LIVE, Unusable.HALTED, halt=HaltKnowledge.HALTED),
    ):
        assert decide(halted, "buy", "market").action is Action.REFUSE


def test_what_is_not_known_of_halts_is_said() -> None:
    choice = decide(verdict(Unusable.NO_HEALTH, halt=HaltKnowledge.UNKNOWN), "buy", "market")
    assert (choice.action, choice.reasons) == (Action.MARKET, ("no_health", "halt_unknown"))


def test_sub_dollar_prices_have_finer_ticks() -> None:
    assert tick(Decimal("0.9999")) == Decimal("0.0001")
    assert tick(Decimal("1")) == Decimal("0.01")
    assert inside(0.5001, 0.5006, "buy") == 0.5003
    assert inside(0.5001, 0.5006, "sell") == 0.5004


@given(low=cents, ticks=st.integers(1, 500), side=st.sampled_from(["buy", "sell"]))
def test_limit_is_on_a_tick_and_never_crosses(low: int, ticks: int, side: str) -> None:
    bid, ask = low / 100, (low + ticks) / 100
    limit = inside(bid, ask, side)
    assert round(limit * 100) == pytest.approx(limit * 100, abs=1e-6)
    assert bid <= limit <= ask
    assert limit < ask if side == "buy" else limit > bid


@given(low=cents, ticks=st.integers(1, 500))
def test_buy_and_sell_are_symmetric(low: int, ticks: int) -> None:
    bid, ask = low / 100, (low + ticks) / 100
    assert round((inside(bid, ask, "buy") - bid) * 100) == round((ask - inside(bid, ask, "sell")) * 100)

"""The fallback: which policy counts, what it does, and what no policy may do."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from quotebus.bus.book import HaltKnowledge
from quotebus.execution_adapter.decision.action import Action
from quotebus.execution_adapter.decision.fallback import LastGood, Policies, Policy, parse
from quotebus.execution_adapter.decision.limit_price import Touch
from tests.execution_adapter.search import World

LAST = LastGood(Touch(Decimal("10.00"), Decimal("10.04"), Decimal(1), Decimal(1)), 0)


def world(**changes: bool) -> World:
    made = World(Random(0), usable=False)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("policy", "side", "action", "price"),
    [
        (Policy.MARKET, "buy", Action.MARKET, None),
        (Policy.REFUSE, "buy", Action.REFUSE, None),
        (Policy.COLLAR, "buy", Action.LIMIT, Decimal("10.09")),
        (Policy.COLLAR, "sell", Action.LIMIT, Decimal("9.95")),
    ],
)
def test_policy_decides_and_the_reason_is_kept(policy: Policy, side: str, action: Action, price: object) -> None:
    choice = Policies(policy).choose(world().assessment(), side, LAST, 0)
    assert (choice.action, choice.limit_price) == (action, price)
    assert choice.reasons[0] == "health_silent"


@pytest.mark.parametrize("policy", Policy)
def test_halted_or_refused_symbol_gets_no_order(policy: Policy) -> None:
    halted = world(halted=True).assessment()
    standing = replace(halted.verdict.standing, state="refused")  # type: ignore[type-var]
    refused = replace(halted, verdict=replace(halted.verdict, standing=standing, halt=HaltKnowledge.UNKNOWN))
    for assessment in (halted, refused):
        choice = Policies(policy).choose(assessment, "buy", LAST, 0)
        assert (choice.action, choice.reasons[-1]) == (Action.REFUSE, "not_tradable")


def test_collar_needs_a_price_that_was_good_not_long_ago() -> None:
    policies = Policies(Policy.COLLAR, memory_ns=100)
    for last, now_ns in ((None, 0), (LAST, 101)):
        choice = policies.choose(world().assessment(), "buy", last, now_ns)
        assert (choice.action, choice.reasons[-1]) == (Action.REFUSE, "no_last_price")


def test_most_particular_rule_wins() -> None:
    default, particular = parse("collar, SPY=refuse, QQQ:sell=market")
    policies = Policies(default, particular)
    assert policies.of("SPY", "buy") is policies.of("SPY", "sell") is Policy.REFUSE
    assert policies.of("QQQ", "sell") is Policy.MARKET
    assert policies.of("QQQ", "buy") is policies.of("AAPL", "buy") is Policy.COLLAR


@pytest.mark.parametrize("text", ["maybe", "SPY=", "SPY:hold=market", "*=market", "market=SPY"])
def test_bad_rule_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(text)

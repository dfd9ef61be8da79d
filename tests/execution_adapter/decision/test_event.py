"""Decisions on intents are made once more from what they name and say: the same come out, and every change is found."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import pytest

from quotebus.bus import codec
from quotebus.bus.book import Book
from quotebus.bus.capture.format.captured import Captured
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import ConnectionHealth, ExecutionDecision, Quote, SymbolsAcknowledged, SymbolStatus
from quotebus.bus.sequence import Stamper
from quotebus.execution_adapter.decision.assessment import Assessor, Limits
from quotebus.execution_adapter.decision.event import DecisionSettings, decision_event
from quotebus.execution_adapter.decision.fallback import Policies, Policy
from quotebus.execution_adapter.decision.tactics import Tactics
from quotebus.execution_adapter.intents import Intent
from quotebus.execution_adapter.orders.order import Report, Status, SubmitOrder
from quotebus.execution_adapter.orders.parent_order import ParentOrder
from quotebus.execution_adapter.verify.verifier import Difference, Findings, Verifier
from tests.execution_adapter.verify.test_verifier import captured
from tests.support.market import Market, day
from tests.support.samples import like

TACTICS = Tactics(patience_ns=NS_PER_S // 5, grace_ns=NS_PER_S)
LIMITS = Limits(jump_settle_ns=NS_PER_S // 2)


def session(market: Market, policy: Policy = Policy.MARKET) -> list[Captured]:
    """A capture with the decisions on an intent each of two symbols, whose orders are cancelled as they are placed."""
    book, entries = Book(max_age_ns=60 * NS_PER_S), list[Captured]()
    assessor = Assessor(book.assess, LIMITS)
    policies = Policies(policy, {("QQQ", "sell"): Policy.COLLAR})
    settings = DecisionSettings.of(60 * NS_PER_S, TACTICS, policies, LIMITS)
    stamper, parents = Stamper("w-000001"), dict[str, ParentOrder]()
    for count, entry in enumerate(market.entries):
        entries.append(entry)
        hear(book, entry)
        now_ns = entry.received_ns
        for symbol, side in (("SPY", "buy"), ("QQQ", "sell")) if count % 5 == 0 else ():
            parent = parents.get(symbol)
            if parent is None or parent.outcome is not None:
                intent = Intent(symbol, side, Decimal(10), 2 * NS_PER_S)
                parent = parents[symbol] = ParentOrder(intent, f"qb-{symbol}-{count}", now_ns, TACTICS, policies)
            assessment = assessor.assess(symbol, side, parent.intent.qty, now_ns)
            for command in parent.advance(assessment, now_ns):
                if isinstance(command, SubmitOrder):
                    name = command.order.client_order_id
                    parent.on_answer(
                        Report(name, Status.CANCELED, Decimal(len(parent.children) % 2), Decimal(1), "b", None, True),
                        now_ns,
                    )
            for made in parent.decisions:
                event = decision_event(made, "w", f"w-{len(entries)}", settings, made.at_ns)
                entries.append(captured(codec.encode(stamper.stamp(event, now_ns)), len(entries) + 1))
            parent.decisions.clear()
    return [replace(entry, sequence=number) for number, entry in enumerate(entries, 1)]


def hear(book: Book, entry: Captured) -> None:
    message = entry.event()
    book.on_message(message, entry.received_ns)
    match message:
        case ConnectionHealth():
            book.on_health(message)
        case Quote():
            book.on_quote(message)
        case SymbolStatus():
            book.on_status(message)
        case SymbolsAcknowledged():
            book.on_acknowledged(message)


def decisions(entries: list[Captured]) -> list[tuple[int, ExecutionDecision]]:
    found = ((place, entry.event()) for place, entry in enumerate(entries) if entry.topic.startswith("decision."))
    return [(place, made) for place, made in found if isinstance(made, ExecutionDecision)]


def edited(entries: list[Captured], kind: str, **changes: object) -> tuple[Findings, Difference | None]:
    """What is found when the last decision whose first reason is `kind` is changed."""
    place, made = next((p, d) for p, d in reversed(decisions(entries)) if d.reasons[0] == kind)
    frame = codec.encode(like(made, **changes))
    outcome = Verifier().run([*entries[:place], captured(frame, place + 1), *entries[place + 1 :]])
    return outcome, outcome.first


@pytest.mark.parametrize("policy", Policy)
def test_a_whole_session_agrees(policy: Policy) -> None:
    entries = session(day(), policy)
    outcome = Verifier().run(entries)
    assert outcome.decisions == outcome.agree > 50, outcome
    made = [decision for _, decision in decisions(entries)]
    assert {"place", "window_over"} <= {one.reasons[0] for one in made}
    assert any("halted" in one.reasons for one in made)
    assert any("collar" in one.reasons for one in made)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("limit_price", {"limit_price": 1.0}),
        ("action", {"action": "market", "limit_price": None}),
        ("reasons", {"reasons": ("place", "aggression=0.99")}),
        ("reasons", {"reasons": ("place", "aggression=0.20", "jumped")}),
        ("qty", {"qty": 11.0}),
        ("quote", {"quote": ("pricing-000000", 1)}),
        ("action", {"health": ("", 0), "health_age_ns": None}),
        ("status", {"status": ("pricing-aaaaaa", 99_999)}),
        ("config_hash", {"config_hash": "0" * 12}),
        ("config", {"config": "{}"}),
        ("quote_age_ns", {"quote_age_ns": -1}),
    ],
)
def test_every_change_to_a_decision_is_found(field: str, changes: dict[str, object]) -> None:
    outcome, first = edited(session(day(seconds=3)), "place", **changes)
    assert outcome.differences == 1, outcome
    assert first is not None
    assert first.field == field
    assert first.recorded != first.recomputed


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("state", "remaining", "7.5"),
        ("state", "remaining", "NaN"),
        ("state", "remaining", "1e999999"),
        ("state", "elapsed_ns", 0),
        ("state", "elapsed_ns", 10**10),
        ("state", "qty", "11"),
        ("state.past", "level_mid", 499.123),
        ("state.past", "level_mid", None),
        ("state.past", "good_for_ns", 10**12),
        ("state.past", "flapped", False),
        ("state", "window_ns", 10**18),
        ("state", "unusable_ns", "soon"),
        ("settings", "max_age_ns", 1),
        ("settings", "band", "0.5"),
    ],
)
def test_every_change_to_what_it_rests_on_is_found(part: str, name: str, value: object) -> None:
    part, _, inner = part.partition(".")
    entries = session(day(seconds=3))
    text = next(d.config for _, d in reversed(decisions(entries)) if d.reasons[0] == "window_over")
    basis = json.loads(text)
    (basis[part][inner] if inner else basis[part])[name] = value
    outcome, first = edited(entries, "window_over", config=json.dumps(basis))
    assert outcome.differences == 1, outcome
    assert first is not None


def test_jump_that_was_recorded_away_is_found() -> None:
    market = Market()
    market.health()
    for symbol in ("SPY", "QQQ"):
        market.quote(symbol)
        market.status(symbol, "live")
    market.seconds(1)
    for _ in range(40):
        market.quote("SPY", bid_price=900.0, ask_price=900.02)
        market.wait_ms(10)
    market.health()
    entries = session(market)
    assert Verifier().run(entries).differences == 0
    found = [(place, made) for place, made in decisions(entries) if "jumped" in made.reasons]
    assert found
    place, made = found[0]
    forged = like(made, reasons=tuple(reason for reason in made.reasons if reason != "jumped"))
    outcome = Verifier().run([*entries[:place], captured(codec.encode(forged), place + 1), *entries[place + 1 :]])
    assert outcome.differences == 1, outcome

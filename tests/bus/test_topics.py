"""Symbols in one spelling, topics that match exactly one, kinds told from rests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus import topics
from quotebus.bus.errors import BadSymbol
from tests.support.samples import QUICK


@pytest.mark.parametrize("text", ["A", "SPY", "BRK.B", "BTC/USD", "BF-B", "1", "A_B", "X" * 32])
def test_symbols(text: str) -> None:
    assert topics.is_symbol(text)
    assert topics.symbol(f" {text.lower()} ") == text


@pytest.mark.parametrize("text", ["", "*", "A*", ".A", "/", "A B", "A\0", "É", "X" * 33, "\u017f", "\u212a", "\uff21"])
def test_what_is_no_symbol_is_refused_by_name(text: str) -> None:
    assert not topics.is_symbol(text)
    with pytest.raises(BadSymbol) as caught:
        topics.symbol(text)
    assert caught.value.symbol == text


@pytest.mark.parametrize("text", ["A\n", "spy", " A"])
def test_only_the_one_spelling_is_a_symbol(text: str) -> None:
    assert not topics.is_symbol(text)
    assert topics.is_symbol(topics.symbol(text))


def test_subscription_matches_one_topic_only() -> None:
    wanted = topics.prefix(topics.quote("AAP"))
    assert (topics.prefix(topics.quote("AAP")) + b"payload").startswith(wanted)
    assert not (topics.prefix(topics.quote("AAPL")) + b"payload").startswith(wanted)


@pytest.mark.parametrize("topic", ["", "a b", "quote.\0", "quote.\n", "quote.é", "x" * 129])
def test_what_is_no_topic_is_refused(topic: str) -> None:
    with pytest.raises(ValueError, match="not a topic"):
        topics.prefix(topic)


def test_longest_topic() -> None:
    assert len(topics.prefix("x" * topics.MAX_TOPIC_BYTES)) == topics.MAX_TOPIC_BYTES + 1


@pytest.mark.parametrize(
    ("topic", "kind", "rest"),
    [
        (topics.quote("BRK.B"), "quote", "BRK.B"),
        (topics.trade("SPY"), "trade", "SPY"),
        (topics.status("SPY"), "symbol", "SPY"),
        (topics.health("pricing.orders"), "health", "pricing.orders"),
        (topics.REQUESTED, "symbols.requested", ""),
        (topics.acknowledged("worker.1"), "symbols.acknowledged", "worker.1"),
        (topics.order("paper"), "order", "paper"),
        (topics.decision("a"), "decision", "a"),
        (topics.intent("a"), "intent", "a"),
        (topics.recorder("all"), "recorder", "all"),
        (topics.counters("pricing-3f9c2a"), "counters", "pricing-3f9c2a"),
    ],
)
def test_kind_and_rest(topic: str, kind: str, rest: str) -> None:
    assert (topics.kind(topic), topics.rest(topic)) == (kind, rest)


@QUICK
@given(st.text(max_size=40))
def test_a_symbol_that_passes_can_always_be_a_topic(text: str) -> None:
    try:
        symbol = topics.symbol(text)
    except BadSymbol:
        return
    assert topics.is_symbol(symbol)
    assert topics.prefix(topics.quote(symbol)).endswith(b"\0")


def test_clients_cannot_bring_in_prices_or_health() -> None:
    for forged in ("quote.SPY", "trade.SPY", "symbol.SPY", "health.pricing", "symbols.acknowledged.a", "order.a"):
        assert not forged.startswith(topics.ADMITTED_REQUEST_KINDS)

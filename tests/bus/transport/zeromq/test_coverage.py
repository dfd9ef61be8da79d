"""Which subscriptions have arrived, read from an XPUB's messages."""

from __future__ import annotations

from quotebus.bus.transport.zeromq.coverage import Coverage


def test_covered_by_exact_topic_kind_and_everything() -> None:
    for subscription in (b"quote.SPY\0", b"quote.", b""):
        coverage = Coverage()
        frame = b"quote.SPY\0payload"
        assert not coverage.covers(frame)
        assert coverage.feed(b"\1" + subscription)
        assert coverage.covers(frame)
        assert coverage.covers(b"trade.SPY\0payload") is (subscription == b"")


def test_another_symbol_that_begins_alike_does_not_cover() -> None:
    coverage = Coverage()
    coverage.feed(b"\1quote.SPY\0")
    assert not coverage.covers(b"quote.SPYG\0payload")
    assert not coverage.covers(b"quote.SP\0payload")


def test_withdrawn_subscriptions_no_longer_cover() -> None:
    coverage = Coverage()
    coverage.feed(b"\1quote.")
    assert not coverage.feed(b"\0quote.")
    assert not coverage.covers(b"quote.SPY\0")
    assert len(coverage) == 0
    assert not coverage.feed(b"\0never there")


def test_what_is_no_subscription_changes_nothing() -> None:
    coverage = Coverage()
    for message in (b"", b"\2quote.", b"quote."):
        assert not coverage.feed(message)
    assert len(coverage) == 0


def test_a_subscription_into_the_payload_is_not_taken_for_a_topic() -> None:
    coverage = Coverage()
    coverage.feed(b"\1quote.SPY\0pay")
    assert not coverage.covers(b"quote.SPY\0payload")

"""Topics as subjects: one for each, one token for what follows the kind, and prefixes that hear what they should."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus.topics import END, is_topic
from quotebus.bus.transport.nats.subjects import (
    escape,
    is_covered,
    is_exact,
    make_root,
    to_pattern,
    to_subject,
    to_topic,
)

ROOT = make_root("quotebus")
TOPICS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=128)
PREFIXES = [
    *(b"", b".", b"quo", b"quote", b"quote.", b"quote..", b"quote.A", b"quote.SPY\0", b"quote.BRK.B\0", b"symbols"),
    *(b"symbols.", b"symbols.requested", b"symbols.requested\0", b"symbols.acknowledged.", b"symbols.acknowledged.a\0"),
]
SAMPLES = [
    *(
        b"quote",
        b"quote.",
        b"quote.SPY",
        b"quote.AAPL",
        b"quote.A",
        b"quote.BRK.B",
        b"quotes.A",
        b"quote..",
        b"quote.*",
    ),
    *(b"quote.>", b"quote.%", b".", b".x", b"health.iex", b"symbols", b"symbols.", b"symbols.requested"),
    *(b"symbols.requested.x", b"symbols.acknowledged.a", b"symbols.acknowledged.a.b"),
]


def hears(pattern: bytes, subject: bytes) -> bool:
    """What a NATS server does."""
    wanted, tokens = pattern.split(b"."), subject.split(b".")
    for number, token in enumerate(wanted):
        if token == b">":
            return len(tokens) > number
        if number >= len(tokens) or token not in (b"*", tokens[number]):
            return False
    return len(wanted) == len(tokens)


@pytest.mark.parametrize(
    ("topic", "subject"),
    [
        (b"quote.SPY", b"quotebus.node.quote.SPY"),
        (b"quote.BRK.B", b"quotebus.node.quote.BRK%2EB"),
        (b"quote.BTC/USD", b"quotebus.node.quote.BTC/USD"),
        (b"symbols.requested", b"quotebus.node.symbols.requested"),
        (b"symbols.acknowledged.desk.1:a", b"quotebus.node.symbols.acknowledged.desk%2E1:a"),
        (b"counters.broker-1", b"quotebus.node.counters.broker-1"),
        (b"quote.", b"quotebus.node.quote.%"),
        (b"quote.*", b"quotebus.node.quote.%2A"),
        (b"quote.>", b"quotebus.node.quote.%3E"),
        (b"quote.100%", b"quotebus.node.quote.100%25"),
    ],
)
def test_a_topic_has_one_subject(topic: bytes, subject: bytes) -> None:
    assert to_subject(ROOT, b"node", topic) == subject
    assert to_topic(ROOT, subject) == topic + END


@given(TOPICS)
def test_every_topic_comes_back(text: str) -> None:
    topic = text.encode()
    subject = to_subject(ROOT, b"node", topic)
    assert to_topic(ROOT, subject) == topic + END
    tokens = subject.split(b".")
    assert all(tokens)
    assert not {b"*", b">"} & set(tokens)
    assert len(tokens) <= (5 if topic.startswith(b"symbols.") else 4)


@given(st.binary(max_size=60))
def test_no_two_subjects_are_one_topic(end: bytes) -> None:
    subject = b"quotebus.node." + end
    topic = to_topic(ROOT, subject)
    assert not topic or (to_subject(ROOT, b"node", topic[:-1]) == subject and is_topic(topic[:-1].decode()))


@pytest.mark.parametrize(
    "subject",
    [
        *(
            b"quotebus.node.quote.A.B",
            b"quotebus.node.quote%2ESPY",
            b"quotebus.node.quote.%2e",
            b"quotebus.node.quote.S%41",
        ),
        *(
            b"other.node.quote.SPY",
            b"quotebus.node",
            b"quotebus.",
            b"quotebus.node.quote.\xff",
            b"quotebus.node.quote.%0A",
        ),
        b"",
    ],
)
def test_what_no_topic_has_is_none(subject: bytes) -> None:
    assert to_topic(ROOT, subject) == b""


def test_names_of_users_and_buses_are_one_token() -> None:
    assert escape(b"desk.a@example") == b"desk%2Ea@example"
    assert escape(b"a b*>%") == b"a%20b%2A%3E%25"
    assert escape("é".encode()) == b"%C3%A9"
    assert make_root("my.bus") == b"my%2Ebus."


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_pattern_hears_every_topic_of_its_prefix_and_no_other_when_it_is_exact(prefix: bytes) -> None:
    pattern = to_pattern(ROOT, prefix)
    for topic in SAMPLES:
        wanted = (topic + END).startswith(prefix)
        heard = hears(pattern, to_subject(ROOT, b"node", topic))
        assert heard or not wanted, (pattern, topic)
        assert wanted or not heard or not is_exact(prefix), (pattern, topic)


@given(TOPICS, st.integers(0, 130))
def test_every_prefix_of_a_topic_hears_it(text: str, length: int) -> None:
    frame = text.encode() + END
    assert hears(to_pattern(ROOT, frame[:length]), to_subject(ROOT, b"node", text.encode()))


@pytest.mark.parametrize("chosen", [PREFIXES[start::step] for step in range(1, 5) for start in range(step)])
def test_no_message_is_heard_twice(chosen: list[bytes]) -> None:
    patterns = {to_pattern(ROOT, prefix) for prefix in chosen}
    wide = {pattern for pattern in patterns if pattern.endswith(b".>")}
    kept = [pattern for pattern in patterns if not is_covered(pattern, wide)]
    for topic in SAMPLES:
        subject = to_subject(ROOT, b"node", topic)
        wanted = any((topic + END).startswith(prefix) for prefix in chosen)
        count = sum(hears(pattern, subject) for pattern in kept)
        assert (1 if wanted else 0) <= count <= 1, topic

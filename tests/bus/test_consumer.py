"""Frames in, requests out: what is believed, what is counted, and when the node is asked again."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus import codec, topics
from quotebus.bus.book import Unusable
from quotebus.bus.client_warnings import WARN_EVERY_NS
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.consumer import RE_ASK_JITTER_NS, Consumer
from quotebus.bus.events import AckRow, AssetFacts, ConnectionHealth, Event, SymbolsRequested, SymbolStatus
from tests.support.samples import (
    ACKNOWLEDGED,
    HEALTH,
    ORDER,
    QUICK,
    QUOTE,
    REPORT,
    SAMPLES,
    STATUS,
    TRADE,
    UTC_NS,
    like,
)

T0 = 1_000 * NS_PER_S


def make(*symbols: str, channels: tuple[str, ...] = ("quotes",)) -> Consumer:
    consumer = Consumer("worker-1", "worker-0b51d7", jitter=0.5, max_age_ns=60 * NS_PER_S)
    consumer.request(list(symbols), channels, 0, T0)
    return consumer


def ask(consumer: Consumer, at_ns: int = T0) -> SymbolsRequested:
    frame = consumer.take_due(at_ns, UTC_NS)
    assert frame is not None
    request = codec.decode(frame)
    assert isinstance(request, SymbolsRequested)
    return request


def confirmed(*symbols: str) -> Consumer:
    consumer = make(*symbols)
    hear(consumer, HEALTH)
    request = ask(consumer, T0 + RE_ASK_JITTER_NS)
    hear(consumer, like(ACKNOWLEDGED, request_id=request.request_id))
    assert consumer.confirmed
    return consumer


def hear(consumer: Consumer, *events: Event, at_ns: int = T0) -> None:
    consumer.receive([codec.encode(event) for event in events], at_ns)


def test_subscribes_to_exactly_what_is_wanted() -> None:
    assert make().topics() == {b"health."}
    wanted = {b"health.", b"quote.SPY\0", b"symbol.SPY\0"}
    assert make("spy").topics() == wanted
    assert make("SPY", channels=("quotes", "trades")).topics() == wanted | {b"trade.SPY\0"}
    assert make().ack_topic() == b"symbols.acknowledged.worker-1\0"


def test_order_updates_are_heard_when_followed_and_their_health_is_never_the_prices() -> None:
    consumer = confirmed("SPY")
    before = consumer.topics()
    consumer.follow(b"order.")
    assert consumer.topics() == before | {b"order."}
    assert consumer.topics() is consumer.topics()
    consumer.request(["QQQ"], ("quotes",), 0, T0)
    assert b"order." in consumer.topics()
    price_health = consumer.book.health
    line = like(HEALTH, node="pricing.orders", seq=8)
    heard = consumer.receive([codec.encode(ORDER), codec.encode(line)], T0)
    assert (heard.orders, heard.news) == ([ORDER], True)
    assert consumer.book.health is price_health
    assert consumer.orders_streaming(T0 + 3 * NS_PER_S)
    assert not consumer.orders_streaming(T0 + 3 * NS_PER_S + 1)
    hear(consumer, like(line, source="pricing-other1", state="standby"))
    assert consumer.order_health == line, "a node in waiting says nothing of the active one's stream"
    hear(consumer, like(line, seq=9, published_ns=UTC_NS + 1, state="backing_off"))
    assert not consumer.orders_streaming(T0)


def test_an_answer_confirms_and_its_held_quotes_come_as_news() -> None:
    consumer = make("SPY")
    assert not consumer.confirmed
    request = ask(consumer)
    heard = consumer.receive([codec.encode(like(ACKNOWLEDGED, request_id=request.request_id))], T0)
    assert consumer.confirmed
    assert heard.news
    assert heard.quotes == [QUOTE]


def test_a_held_quote_that_cannot_be_read_is_counted_and_dropped() -> None:
    consumer = make("SPY")
    request = ask(consumer)
    rows = tuple(msgspec.structs.replace(row, last_quote=b"\xc1") for row in ACKNOWLEDGED.results)
    answer = codec.encode(like(ACKNOWLEDGED, request_id=request.request_id, results=rows))
    assert consumer.receive([answer], T0).quotes == []
    assert consumer.confirmed
    assert consumer.counters["undecodable_held_quotes"] == len(rows) > 0


def test_ticks_are_passed_on_in_order_and_the_book_follows() -> None:
    consumer = make("SPY", channels=("quotes", "trades"))
    ticks: list[Event] = [like(QUOTE, seq=1), like(TRADE, seq=1), like(QUOTE, seq=2)]
    heard = consumer.receive([codec.encode(tick) for tick in ticks], T0)
    assert [quote.seq for quote in heard.quotes] == [1, 2]
    assert [trade.seq for trade in heard.trades] == [1]
    assert not heard.news
    assert consumer.book.quotes["SPY"].seq == 2
    assert consumer.counters["received"] == 3


def test_loss_is_counted_for_every_numbered_topic_but_acknowledgements() -> None:
    consumer = confirmed("SPY")
    hear(consumer, like(QUOTE, seq=10), like(QUOTE, seq=13))
    hear(consumer, like(STATUS, seq=1), like(STATUS, seq=3))
    hear(consumer, like(ACKNOWLEDGED, seq=100), like(ACKNOWLEDGED, seq=200))
    assert consumer.tracker.lost == 2 + 1


def test_dropping_a_symbol_and_taking_it_back_is_no_loss() -> None:
    consumer = make("SPY", channels=("quotes", "trades"))
    for seq in (1, 50):
        hear(consumer, like(QUOTE, seq=seq), like(STATUS, seq=seq), like(TRADE, seq=seq))
        consumer.request([], ("quotes",), 0, T0)
        consumer.request(["SPY"], ("quotes", "trades"), 0, T0)
    assert consumer.tracker.lost == 0


def test_what_was_under_way_when_its_symbol_was_dropped_counts_for_nothing() -> None:
    consumer = confirmed("SPY", "QQQ")
    consumer.request(["QQQ"], ("quotes", "trades"), 0, T0)
    heard = consumer.receive([codec.encode(like(event, seq=7)) for event in (QUOTE, STATUS, TRADE)], T0)
    assert (heard.quotes, heard.trades, heard.news) == ([], [], False)
    assert "SPY" not in consumer.book.standings
    consumer.request(["SPY", "QQQ"], ("quotes", "trades"), 0, T0)
    hear(consumer, like(QUOTE, seq=20), like(STATUS, seq=20), like(TRADE, seq=20))
    assert consumer.tracker.lost == 0


def test_what_cannot_be_read_is_counted_and_dropped() -> None:
    consumer = make("SPY")
    payload = codec.encode(QUOTE).partition(b"\0")[2]
    newer = b"\xdc\x00\x12\x02" + payload[4:]
    for frame in (b"", b"quote.SPY\0\xc1", b"no topic", b"quote.QQQ\0" + payload, b"quote.SPY\0" + newer):
        heard = consumer.receive([frame], T0)
        assert not heard.quotes
    assert consumer.counters["undecodable"] == 5
    assert consumer.counters["unknown_version"] == 1
    assert (consumer.counters["undecodable_topic"], consumer.counters["undecodable_malformed"]) == (3, 1)
    assert "version 2" in (consumer.take_version_note() or "")
    assert consumer.take_version_note() is None, "named once"
    assert consumer.counters["received"] == 0
    assert consumer.book.quotes == {}


def test_a_replay_is_never_a_reason_to_trust_a_price() -> None:
    consumer = confirmed("SPY")
    former = consumer.book.quotes["SPY"]
    replayed = [like(event, source="replay:1") for event in (HEALTH, STATUS, QUOTE)]
    hear(consumer, *replayed)
    assert consumer.book.quotes["SPY"] is former
    assert consumer.book.health == HEALTH
    assert consumer.tracker.lost == 0


def test_a_new_node_is_asked_within_the_jitter_and_for_its_quotes() -> None:
    consumer = confirmed("SPY")
    consumer.take_due(T0 + NS_PER_S, UTC_NS)
    hear(consumer, like(HEALTH, source="pricing-000002"), at_ns=T0 + NS_PER_S)
    assert consumer.take_due(T0 + NS_PER_S + RE_ASK_JITTER_NS // 2 - 1, UTC_NS) is None
    assert ask(consumer, T0 + NS_PER_S + RE_ASK_JITTER_NS // 2).snapshot


def test_health_that_returns_after_a_silence_is_asked_again() -> None:
    consumer = confirmed("SPY")
    hear(consumer, HEALTH, at_ns=T0)
    assert consumer.take_due(T0 + 3 * NS_PER_S, UTC_NS) is None
    assert consumer.confirmed
    consumer.take_due(T0 + 3 * NS_PER_S + 1, UTC_NS)
    assert not consumer.confirmed, "the bus may have been away"
    hear(consumer, like(HEALTH, seq=9, published_ns=UTC_NS + 4 * NS_PER_S), at_ns=T0 + 4 * NS_PER_S)
    assert ask(consumer, T0 + 4 * NS_PER_S + RE_ASK_JITTER_NS).snapshot


def test_after_a_reconnect_only_a_new_answer_confirms() -> None:
    consumer = confirmed("SPY")
    former = consumer.interest._number
    consumer.broker_lost()
    assert not consumer.confirmed
    consumer.broker_restored(T0)
    hear(consumer, like(ACKNOWLEDGED, request_id=str(former)))
    assert not consumer.confirmed
    request = ask(consumer, T0 + RE_ASK_JITTER_NS)
    hear(consumer, like(ACKNOWLEDGED, request_id=request.request_id))
    assert consumer.confirmed


def test_after_a_reconnect_the_former_nodes_price_is_not_confirmed_by_another_nodes_answer() -> None:
    consumer = confirmed("SPY")
    hear(consumer, HEALTH, STATUS, like(QUOTE, seq=9))
    assert consumer.book.assess("SPY", T0).usable
    consumer.broker_lost()
    consumer.broker_restored(T0)
    other = {"source": "pricing-000002", "published_ns": UTC_NS + 1}
    answer = like(ACKNOWLEDGED, request_id=ask(consumer, T0 + RE_ASK_JITTER_NS).request_id, **other)
    hear(consumer, answer)
    assert consumer.confirmed
    assert consumer.book.assess("SPY", T0).reasons[0] is Unusable.NO_HEALTH
    hear(consumer, like(HEALTH, **other))
    assert Unusable.OTHER_SOURCE in consumer.book.assess("SPY", T0).reasons
    hear(consumer, like(STATUS, seq=10, **other), like(QUOTE, seq=10, **other))
    assert consumer.book.assess("SPY", T0).usable


def test_a_lapsed_lease_is_not_confirmed() -> None:
    consumer = make("SPY")
    request = ask(consumer)
    hear(consumer, like(ACKNOWLEDGED, request_id=request.request_id, lease_ms=1_000))
    assert consumer.confirmed
    for half_second in range(1, 4):
        consumer.take_due(T0 + half_second * NS_PER_S // 2, UTC_NS)
    assert not consumer.confirmed


def test_repeated_requests_carry_rising_numbers() -> None:
    consumer = make("SPY")
    requests = [ask(consumer, T0 + number * NS_PER_S) for number in range(3)]
    assert [request.seq for request in requests] == [1, 2, 3]
    assert len({request.request_id for request in requests}) == 1
    assert consumer.counters["requests_sent"] == 3


def test_refusals_returns_and_silences_are_counted() -> None:
    consumer = make("SPY")
    hear(consumer, HEALTH)
    request = ask(consumer, T0 + RE_ASK_JITTER_NS)
    for cause in ("rate_limited", "client_conflict", "too_many", "bad_request", "bad_request"):
        hear(consumer, like(ACKNOWLEDGED, request_id=request.request_id, results=(), cause=cause))
        if cause in ("too_many", "bad_request"):
            hear(consumer, like(ACKNOWLEDGED, request_id=request.request_id, results=(), cause=cause))
            consumer.broker_restored(T0)
            request = ask(consumer, T0 + RE_ASK_JITTER_NS)
    assert consumer.counters["answers_ignored"] == 3, "answered before"
    refused = [consumer.counters[f"requests_{cause}"] for cause in ("rate_limited", "client_conflict", "too_many")]
    assert (refused, consumer.counters["requests_bad_request"]) == ([1, 1, 1], 2)
    consumer.broker_restored(T0)
    for second in range(4, 8):
        consumer.take_due(T0 + second * NS_PER_S, UTC_NS)
    hear(consumer, like(HEALTH, seq=2), like(QUOTE, source="replay:pricing-3f9c2a"), at_ns=T0 + 8 * NS_PER_S)
    counted = [consumer.counters[name] for name in ("reconnects", "health_silences", "replayed")]
    assert counted == [4, 1, 1], "a silence counts once, however long it lasts"


def test_complaints_are_rare_and_counted() -> None:
    consumer = make("SPY", "QQQ")
    said = [consumer.take_warning(T0 + tenth * NS_PER_S // 10) for tenth in range(300)]
    lines = [line for line in said if line]
    assert said[0] is None, "a line that is just coming up deserves no warning"
    assert len(lines) == 3
    assert consumer.counters["line_down_warnings"] == 3
    assert lines[0] == "2 symbols wanted, but no pricing node is heard"


def test_complaints_say_what_is_the_matter_and_cease_when_nothing_is() -> None:
    consumer = make("SPY")
    later = T0 + WARN_EVERY_NS
    consumer.take_warning(T0)
    hear(consumer, like(HEALTH, state="backing_off", cause="dns"), at_ns=later)
    assert consumer.take_warning(later) == "1 symbol wanted, but the line is backing_off (dns)"
    later += WARN_EVERY_NS
    assert consumer.take_warning(later) == "1 symbol wanted, but the pricing node pricing has gone silent"
    hear(consumer, like(HEALTH, published_ns=UTC_NS + WARN_EVERY_NS), at_ns=later)
    assert consumer.take_warning(later + WARN_EVERY_NS // 10) is None
    later += 2 * WARN_EVERY_NS
    assert consumer.take_warning(later, no_broker_at="tcp://127.0.0.1:5571") == (
        "1 symbol wanted, but no broker answers at tcp://127.0.0.1:5571; start it with: quotebus up"
    )
    assert make().take_warning(T0) is None
    assert make().take_warning(T0 + 10 * WARN_EVERY_NS) is None, "who wants nothing has nothing to complain of"


def test_symbols_that_the_venue_does_not_have_are_told_once_with_those_spelt_nearly_like_them() -> None:
    consumer = make("APPL", "TWTR", *(f"X{number}" for number in range(6)))
    assert consumer.take_absent_note() is None
    near = AssetFacts(tradable=False, near=("AAPL", "no symbol"))
    rows = [
        AckRow("APPL", "refused", "no_such_symbol", None, 0, asset=near),
        AckRow("TWTR", "refused", "inactive", None, 0),
    ]
    hear(consumer, HEALTH, like(ACKNOWLEDGED, request_id=ask(consumer).request_id, results=tuple(rows)))
    said = "no price will come for APPL (no_such_symbol; did you mean AAPL?), TWTR (inactive)"
    assert consumer.take_absent_note() == said
    consumer.request(["APPL", *(f"X{number}" for number in range(6))], ("quotes",), 0, T0)
    hear(consumer, *[
        like(STATUS, symbol=f"X{number}", state="refused", cause="no_such_symbol", seq=9) for number in range(6)
    ])  # fmt: skip
    note = consumer.take_absent_note()
    assert note is not None
    assert note.endswith("X4 (no_such_symbol) and 1 more")
    assert "APPL" not in note
    assert consumer.take_absent_note() is None


def test_a_lost_last_quote_is_noticed() -> None:
    consumer = confirmed("SPY")
    assert consumer.book.assess("SPY", T0).usable
    hear(consumer, like(STATUS, seq=8, last_quote_seq=8))
    assert consumer.book.assess("SPY", T0).reasons == (Unusable.LOST_NEWER,)
    hear(consumer, like(QUOTE, seq=8))
    assert consumer.book.assess("SPY", T0).usable


@QUICK
@given(st.data())
def test_no_peer_can_make_it_fail(data: st.DataObject) -> None:
    consumer = make("SPY", channels=("quotes", "trades"))
    request = ask(consumer)
    frames = [codec.encode(event) for event in SAMPLES.values()]
    frames.append(codec.encode(like(ACKNOWLEDGED, request_id=request.request_id)))
    for _ in range(5):
        frame = bytearray(data.draw(st.sampled_from(frames)))
        start = frame.index(0) + 1
        for _ in range(data.draw(st.integers(0, 3))):
            frame[data.draw(st.integers(start, len(frame) - 1))] = data.draw(st.integers(0, 255))
        junk = data.draw(st.binary(max_size=20))
        consumer.receive([bytes(frame), junk, topics.prefix("quote.SPY") + junk], T0)
        consumer.take_warning(T0 + 60 * NS_PER_S)
        consumer.take_due(T0, UTC_NS)
        consumer.book.assess("SPY", T0)
    total = consumer.counters["received"] + consumer.counters["undecodable"]
    assert total == 15


def test_what_is_not_subscribed_to_is_dropped_and_counted_whatever_message_it_is_a_part_of() -> None:
    consumer = confirmed("SPY")
    before = consumer.counters["not_subscribed"]
    parts = [HEALTH, like(QUOTE, symbol="QQQ"), like(STATUS, symbol="QQQ"), like(TRADE, symbol="SPY"), ORDER]
    heard = consumer.receive([codec.encode(part) for part in parts], T0)
    assert (heard.quotes, heard.trades, heard.orders) == ([], [], [])
    assert consumer.counters["not_subscribed"] == before + 4


def test_known_halts_are_handed_over_in_every_request_and_a_new_one_is_asked_about() -> None:
    consumer = confirmed("SPY", "QQQ")
    known = {"halt": "halted", "halt_kind": "status", "halt_exchange_ns": UTC_NS - 9}
    hear(consumer, like(STATUS, state="halted", published_ns=UTC_NS + 1, **known), at_ns=T0 + 2 * NS_PER_S)
    assert consumer.counters["doubts"] == 1
    request = ask(consumer, T0 + 3 * NS_PER_S)
    assert [(claim.symbol, claim.halt_exchange_ns) for claim in request.halts] == [("SPY", UTC_NS - 9)]
    hear(consumer, like(STATUS, seq=8, state="halted", published_ns=UTC_NS + 2, **known), at_ns=T0 + 4 * NS_PER_S)
    assert consumer.counters["doubts"] == 1, "said again"
    consumer.request(["QQQ"], ("quotes",), 0, T0 + 5 * NS_PER_S)
    assert ask(consumer, T0 + 5 * NS_PER_S).halts == (), "no longer wanted"


def test_a_false_halt_under_the_nodes_name_ends_with_its_answer() -> None:
    consumer = confirmed("SPY", "QQQ")
    known = {"halt": "halted", "halt_kind": "status", "halt_exchange_ns": UTC_NS + 10**18}
    hear(consumer, like(STATUS, state="halted", published_ns=UTC_NS + 1, **known), at_ns=T0 + 2 * NS_PER_S)
    assert Unusable.HALTED in consumer.book.assess("SPY", T0 + 2 * NS_PER_S).reasons
    request = ask(consumer, T0 + 3 * NS_PER_S)
    row = AckRow("SPY", "live", "demand", None, 7, "presumed", "print", UTC_NS)
    answer = like(
        ACKNOWLEDGED, seq=8, request_id=request.request_id, results=(row,), published_ns=UTC_NS + 3 * NS_PER_S
    )
    hear(consumer, answer, at_ns=T0 + 3 * NS_PER_S)
    assert Unusable.HALTED not in consumer.book.assess("SPY", T0 + 3 * NS_PER_S).reasons


@pytest.mark.parametrize(
    "event",
    [
        like(HEALTH, state="suspect", cause="mute"),
        like(HEALTH, node="pricing.orders"),
        like(STATUS, halt="halted"),
        QUOTE,
        TRADE,
        ORDER,
        REPORT,
    ],
    ids=lambda event: f"{type(event).__name__}-{getattr(event, 'node', '')}",
)
def test_what_comes_below_the_newest_number_is_dropped_and_counted_whatever_its_kind(event: Event) -> None:
    """A network may bring it after a reconnect, whichever engine carries the bus."""
    consumer = make("SPY", channels=("quotes", "trades"))
    consumer.follow(b"order.")
    consumer.follow(topics.prefix(topics.report("strategy")))
    hear(consumer, HEALTH)
    request = ask(consumer, T0 + RE_ASK_JITTER_NS)
    hear(consumer, like(ACKNOWLEDGED, request_id=request.request_id))
    newer = [like(event, seq=number, published_ns=UTC_NS + number) for number in (101, 102, 103)]
    if isinstance(event, ConnectionHealth):
        newer = [like(each, state="streaming", cause="demand") for each in newer]
    if isinstance(event, SymbolStatus):
        newer = [like(each, halt="trading") for each in newer]
    hear(consumer, *newer)
    before = consumer.book.assess("SPY", T0), consumer.order_health, consumer.book.health, len(consumer.book.halts)
    repeated, lost = consumer.tracker.repeated, consumer.tracker.lost
    for number in (102, 100, 99):
        late = like(event, seq=number, published_ns=UTC_NS + number)
        heard = consumer.receive([codec.encode(late)], T0)
        assert [*heard.quotes, *heard.trades, *heard.orders, *heard.reports] == []
        assert not heard.news
    after = consumer.book.assess("SPY", T0), consumer.order_health, consumer.book.health, len(consumer.book.halts)
    assert after == before
    assert (consumer.tracker.repeated - repeated, consumer.tracker.lost - lost) == (3, 0)

"""What a player says at a position: recorded messages, and answers in the recorded node's name."""

from __future__ import annotations

from quotebus.bus import codec
from quotebus.bus.capture.format.captured import Captured
from quotebus.bus.capture.replay.playback import Playback
from quotebus.bus.events import AckRow, Quote, SymbolsAcknowledged, SymbolStatus
from tests.support.market import NODE, Market, day
from tests.support.samples import ACKNOWLEDGED, QUOTE, REQUESTED, STATUS, like

ASKED = like(REQUESTED, source="replay:w", client="w", symbols=("SPY", "QQQ", "nonsense"))


def answer(playback: Playback, **changes: object) -> SymbolsAcknowledged:
    [frame] = playback.answer(like(ASKED, **changes))
    ack = codec.decode(frame)
    assert isinstance(ack, SymbolsAcknowledged)
    return ack


def played(market: Market) -> Playback:
    playback = Playback()
    for captured in playback.look_ahead(market.entries):
        playback.make_frame(captured)
    return playback


def test_everything_is_published_in_order_but_requests_and_their_answers() -> None:
    market, playback = day(), Playback()
    frames = [playback.make_frame(captured) for captured in playback.look_ahead(market.entries)]
    published = [codec.decode(frame) for frame in frames if frame]
    recorded = [captured.event() for captured in market.entries if not captured.topic.startswith("symbols.")]
    assert published == [like(event, source=f"replay:{event.source}") for event in recorded]
    assert playback.counters["withheld"] == 2


def test_before_the_first_message_everything_is_pending_in_the_nodes_name() -> None:
    playback = Playback()
    playback.look_ahead(day().entries)
    ack = answer(playback)
    assert (ack.source, ack.seq, ack.cause) == (f"replay:{NODE}", 1, "demand")
    assert [(row.state, row.cause, row.last_quote) for row in ack.results] == [
        ("pending", "no_quote_yet", None),
        ("pending", "no_quote_yet", None),
        ("refused", "bad_symbol", None),
    ]


def test_answer_holds_state_and_quote_of_the_position_under_one_source() -> None:
    market = Market()
    market.health()
    status = market.status("SPY", "live")
    assert isinstance(status, SymbolStatus)
    market.quote("SPY")
    newest = market.quote("SPY")
    market.quote("SPY", flags=8)
    ack = answer(played(market))
    row = ack.results[0]
    assert (row.state, row.last_quote_seq) == ("live", newest.seq)
    assert (row.halt, row.halt_kind, row.halt_exchange_ns) == (STATUS.halt, STATUS.halt_kind, status.halt_exchange_ns)
    assert row.last_quote is not None
    held = codec.decode_payload("quote", row.last_quote)
    assert held == like(newest, source=f"replay:{NODE}")
    assert held.source == ack.source


def test_quotes_come_once_unless_a_snapshot_is_asked_for() -> None:
    market = Market()
    market.health()
    market.quote("SPY")
    playback = played(market)
    assert answer(playback).results[0].last_quote
    assert not answer(playback, request_id="2").results[0].last_quote
    assert answer(playback, request_id="3", snapshot=True).results[0].last_quote


def test_quote_that_only_a_recorded_answer_tells_of_is_known() -> None:
    market = Market()
    market.health()
    payload = codec.encode(like(QUOTE, source=NODE)).partition(b"\0")[2]
    market.say(like(ACKNOWLEDGED, results=(AckRow("SPY", "live", "demand", payload, 7),)))
    row = answer(played(market)).results[0]
    assert row.last_quote is not None
    quote = codec.decode_payload("quote", row.last_quote)
    assert isinstance(quote, Quote)
    assert (quote.source, quote.seq) == (f"replay:{NODE}", 7)


def test_strange_messages_are_counted_and_left_out() -> None:
    playback = Playback()
    for topic, payload in (
        ("quote.SPY", b""),
        ("quote.SPY", b"\xc1"),
        ("nonsense.X", b"\x90"),
        ("quote.\x01", b"\x90"),
    ):
        assert playback.make_frame(Captured(topic, payload, 1, 0, 0)) is None
    assert playback.counters["unreadable"] == 4
    assert playback.make_frame(Captured("quote.SPY", codec.encode(QUOTE)[10:] + b"\0" * (1 << 20), 1, 0, 0)) is None

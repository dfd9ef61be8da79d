"""`why` and the picture judge as every client does, and say what they cannot know."""

from __future__ import annotations

from rich.cells import set_cell_size

from quotebus.bus import codec
from quotebus.bus.book import Book
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.events import AckRow, AssetFacts, ConnectionHealth, Event, Quote, SymbolStatus
from quotebus.bus.tap.snapshot import take_snapshot
from quotebus.bus.tap.top.controls import Controls
from quotebus.bus.tap.top.table import render_screen, render_snapshot
from quotebus.bus.tap.usability import Usability
from quotebus.bus.tap.why.explain import explain
from quotebus.bus.tap.why.text import render_explanation
from tests.support.samples import ACKNOWLEDGED, HEALTH, QUOTE, RECORDER, REQUESTED, STATUS, UTC_NS, like
from tests.support.tap import STORY, messages, told


def text(*events: Event, symbol: str = "SPY") -> str:
    view, _, now_ns = told(*events, focus=symbol)
    return "\n".join(line.plain.rstrip() for line in render_explanation(explain(view, symbol, now_ns), 80))


def test_a_usable_price_in_full() -> None:
    assert (
        text(*STORY)
        == """\
SPY  may be used  14:30:00.017Z

quote     bid 687.30 x 3, ask 687.31 x 2; spread 0.01; 12ms old (limit 1m00s);
          pricing-3f9c2a#10 over connection 1
symbol    live (demand) for 5.0s: acknowledged upstream, with a quote on this
          connection
halt      trading by status, exchange time 2026-01-05 14:00:00.000: the exchange
          is known to trade the symbol
venue     takes orders, price step 0.01, as read 1h00m ago
line      pricing (iex) streaming (demand) for 5.0s: the upstream authenticated
          us and answered our first subscribe: the only state with usable
          prices; connection 1, 0 failures in a row; last byte 17ms ago; lag
          1.1ms
          -> no change needed
asked by  worker-1, priority 0; lease ends in 9.8s unless renewed; asked 16ms
          ago (2 symbols, quotes)"""
    )


def test_a_symbol_that_the_venue_does_not_have_is_told_with_those_spelt_nearly_like_it() -> None:
    asset = AssetFacts(tradable=False, near=("AAPL", "APP\x1b[2J"))
    refused = like(STATUS, symbol="APPL", state="refused", cause="no_such_symbol", last_quote_seq=0, asset=asset)
    said = " ".join(text(HEALTH, refused, symbol="APPL").split())
    assert "venue does not have it; did you mean AAPL? line" in said
    assert "-> ask for another symbol" in said
    shut = like(STATUS, asset=AssetFacts(tradable=False, lot="1", read_ns=UTC_NS - 60 * NS_PER_S))
    assert "venue     takes no orders for it, quantity step 1, as read 1m00s ago" in text(HEALTH, shut, QUOTE)
    assert "\nvenue" not in text(HEALTH, like(STATUS, asset=None), QUOTE)


def test_a_line_that_backs_off_says_when_it_tries_again_and_what_would_help() -> None:
    down = like(HEALTH, state="backing_off", cause="connection_limit", attempt=2, next_retry_ns=UTC_NS + 3 * NS_PER_S)
    said = " ".join(text(down, STATUS, QUOTE).split())
    assert "may NOT be used" in said
    assert "not_streaming: the newest health is of another state" in said
    assert "next try in 3.0s" in said
    assert "find out who else uses this key" in said


def test_the_reasons_are_the_books_own() -> None:
    events = [like(HEALTH, connection=2), like(STATUS, state="halted", cause="halt"), like(QUOTE, flags=18)]
    view, _, now_ns = told(*events)
    book = Book()
    for message in messages(*events):
        one = codec.decode(message.frame)
        book.on_message(one, message.received_ns)
        if isinstance(one, ConnectionHealth):
            book.on_health(one)
        elif isinstance(one, SymbolStatus):
            book.on_status(one)
        elif isinstance(one, Quote):
            book.on_quote(one)
    reasons = tuple(str(reason) for reason in book.assess("SPY", now_ns).reasons)
    assert tuple(reason.name for reason in explain(view, "SPY", now_ns).reasons) == reasons
    assert set(reasons) >= {"halted", "not_live", "other_connection", "crossed", "suspicious"}


def test_a_quote_from_before_it_listened_is_no_reason_against_the_price() -> None:
    view, _, now_ns = told(HEALTH, like(STATUS, last_quote_ns=UTC_NS - 2 * NS_PER_S))
    told_why = explain(view, "SPY", now_ns)
    assert told_why.answer is Usability.UNKNOWN
    view, intake, now_ns = told(HEALTH, like(STATUS, last_quote_ns=UTC_NS - 90 * NS_PER_S))
    told_why = explain(view, "SPY", now_ns)
    assert told_why.answer is Usability.NO
    assert [(reason.name, reason.here) for reason in told_why.reasons] == [("too_old", "1m30s old, the limit is 1m00s")]
    assert take_snapshot(view, intake, now_ns, "x", True).rows[0].reasons == ("too_old",)


def test_a_request_that_no_node_answers_is_shown() -> None:
    said = " ".join(text(REQUESTED).split())
    assert "no_health: no pricing node has been heard yet" in said
    assert "worker-1, priority 0; no lease, no node has answered" in said


def test_a_replayed_price_is_shown_and_never_usable() -> None:
    replayed = [like(event, source="replay:pricing-3f9c2a") for event in (HEALTH, STATUS, QUOTE)]
    view, intake, now_ns = told(*replayed)
    [row] = take_snapshot(view, intake, now_ns, "x", True).rows
    assert (row.usable, row.replayed, row.bid_price) == (Usability.NO, True, 687.25)
    assert explain(view, "SPY", now_ns).answer is Usability.NO
    assert "a replayed price is never usable" in " ".join(text(*replayed).split())


def test_order_stream_health_is_never_price_health() -> None:
    view, intake, now_ns = told(like(HEALTH, node="pricing.orders"), STATUS, QUOTE)
    assert view.book.health is None
    shown = take_snapshot(view, intake, now_ns, "x", True)
    assert [line.orders for line in shown.lines] == [True]
    assert "no pricing node heard" in "\n".join(line.plain for line in render_snapshot(shown, Controls(), 80))


def test_the_screen_in_80_columns() -> None:
    down = like(HEALTH, state="backing_off", cause="dns", attempt=3, next_retry_ns=UTC_NS + 4 * NS_PER_S)
    view, intake, now_ns = told(*STORY, like(STATUS, symbol="QQQ", state="halted", cause="halt"), down)
    shown = take_snapshot(view, intake, now_ns, "tcp://127.0.0.1:5571", True)
    lines = [line.plain.rstrip() for line in render_screen(shown, Controls(), 80, 12)]
    assert lines == [
        "quotebus  tcp://127.0.0.1:5571                                     14:30:00.019Z",
        "line  pricing (iex) backing_off dns  next try in 4.0s  for 5.0s",
        "      1 wanted 1 acked 1 live  connection 1  failures 3  lag 1.1ms",
        "      last byte 19ms",
        "bus   0 msg/s  0 B/s  0 quotes/s  lost here 1  bad 0",
        "count dropped 0  lost 0  bad 0  conflated 0  (counters. of 1 programs)",
        "SYMBOL^        BID       ASK  SPREAD    AGE  RATE/s STATE     CL USABLE",
        "QQQ              -         -       -      -       0 halted     1 not_streaming",
        "SPY         687.30    687.31    0.01   14ms       0 live?      1 not_streaming",
        "",
        "",
        "1/2 of 2  ? help  q quit  s sort  / filter  Enter why  u unusable  c counters",
    ]


def test_who_holds_a_symbol_is_unknown_until_its_state_was_heard() -> None:
    view, intake, now_ns = told(HEALTH, QUOTE)
    shown = take_snapshot(view, intake, now_ns, "x", True)
    assert render_snapshot(shown, Controls(), 80)[-1].plain.split()[-4:] == ["-", "not", "heard", "yet"]


def test_keys_sort_filter_and_move() -> None:
    view, intake, now_ns = told(HEALTH, *(like(STATUS, symbol=f"S{number}") for number in range(30)))
    shown = take_snapshot(view, intake, now_ns, "x", True)
    controls = Controls()
    for key in ["/", "s", "2", "enter", "down", "down"]:
        controls = controls.press(key, 11, 5)
    assert (controls.filter, controls.at) == ("s2", 2)
    assert "3/11 of 30" in render_screen(shown, controls, 80, 10)[-1].plain
    assert controls.press("esc", 11, 5).filter == ""
    assert controls.press("q", 11, 5).ended


def test_a_state_from_an_answer_to_a_client_says_nothing_of_the_quote_yet() -> None:
    """The client was told the held quote before; only a node's rotation tells a listener of it."""
    row = AckRow("SPY", "live", "demand", None, 0)
    ack = like(ACKNOWLEDGED, source=HEALTH.source, results=(row,))
    view, intake, now_ns = told(HEALTH, ack)
    assert take_snapshot(view, intake, now_ns, "x", True).rows[0].usable is Usability.UNKNOWN


def test_a_replayed_recorder_is_shown_as_such_beside_a_live_one() -> None:
    view, intake, now_ns = told(RECORDER, like(RECORDER, source=f"replay:{RECORDER.source}"))
    recorders = take_snapshot(view, intake, now_ns, "x", True).recorders
    assert [recorder.name for recorder in recorders] == [RECORDER.name, f"replay:{RECORDER.name}"]


def test_wide_characters_keep_the_columns() -> None:
    states = ("live", "\u6f22\u5b57\u6f22\u5b57\u6f22\u5b57", "e\u0301e\u0301")
    symbols = ("SPY", "QQQ", "IWM")
    view, intake, now_ns = told(
        HEALTH, *(like(STATUS, symbol=s, state=t) for s, t in zip(symbols, states, strict=True))
    )
    *_, heading, first, second, third = (
        line.plain for line in render_snapshot(take_snapshot(view, intake, now_ns, "x", True), Controls(), 80)
    )
    before = heading.index(" CL")
    for row in (first, second, third):
        left = set_cell_size(row, before)
        assert row.startswith(left)
        assert row[len(left) : len(left) + 3] == f"{len(STATUS.clients):>3}", row


def test_nodes_beyond_what_fits_are_named() -> None:
    nodes = [like(HEALTH, node=f"n{number}", source=f"n{number}-aaaaaa") for number in range(7)]
    view, intake, now_ns = told(*nodes)
    lines = "\n".join(
        line.plain for line in render_snapshot(take_snapshot(view, intake, now_ns, "x", True), Controls(), 160)
    )
    assert "and 3 more: n4 streaming, n5 streaming, n6 streaming" in lines


def test_symbols_beyond_the_bound_are_said() -> None:
    view, intake, now_ns = told(*STORY)
    view.beyond_bound = 12
    lines = [line.plain for line in render_snapshot(take_snapshot(view, intake, now_ns, "x", True), Controls(), 80)]
    assert any("12 messages of symbols beyond the first 10,000" in line for line in lines)


def test_a_halt_is_explained_with_its_evidence() -> None:
    halt = {"halt": "halted", "halt_kind": "hearsay", "halt_exchange_ns": UTC_NS - 60 * NS_PER_S}
    said = " ".join(text(HEALTH, like(STATUS, state="halted", cause="halt", **halt), QUOTE).split())
    assert f"halt halted by hearsay from {STATUS.source}, exchange time 2026-01-05 14:29:00.000" in said
    assert "a trade that proves trading" in said
    unknown = {"halt": "unknown", "halt_kind": "", "halt_exchange_ns": None}
    said = " ".join(text(HEALTH, like(STATUS, **unknown), QUOTE).split())
    assert "halt unknown: nothing is known either way -> a trade since statuses are subscribed to" in said

"""The hot path: what the upstream sends is what the bus gets, in order, numbered, and flagged where it is odd."""

from __future__ import annotations

import json
import struct
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.bus.events import Cause, Flag
from quotebus.pricing.level import STOOD_NS
from quotebus.pricing.messages import Success, UpstreamError
from quotebus.pricing.upstream import hot
from quotebus.pricing.upstream.hot import PIECE, PrintReport, SocketClosed, StatusReport
from quotebus.pricing.upstream.publisher import MAX_TICK_BYTES
from tests.support.hot_rig import SOURCE, HotRig, Make
from tests.support.pricing import EXCHANGE_NS, framed, packed, quote, stamp, trade
from tests.support.samples import QUICK


def test_every_field_of_a_quote_and_a_trade(make: Make) -> None:
    rig = make()
    rig.feed(quote(), trade())
    [q], [t] = rig.quotes(), rig.trades()
    assert (q.version, q.source, q.seq, q.symbol) == (1, SOURCE, 1, "SPY")
    assert (q.bid_price, q.bid_size, q.ask_price, q.ask_size) == (100.0, 2.0, 100.1, 3.0)
    assert (q.bid_exchange, q.ask_exchange, q.conditions, q.tape) == ("V", "Q", ("R",), "C")
    assert (q.exchange_ns, q.conflated, q.flags, q.connection) == (EXCHANGE_NS, 0, 0, 1)
    assert 0 <= q.published_ns - q.received_ns < NS_PER_S
    assert (t.source, t.seq, t.symbol, t.price, t.size) == (SOURCE, 1, "SPY", 100.05, 10.0)
    assert (t.exchange, t.conditions, t.tape, t.trade_id, t.exchange_ns, t.connection) == (
        "V",
        ("@",),
        "C",
        7,
        EXCHANGE_NS,
        1,
    )
    assert rig.shared.slots["SPY"].last_quote()[:2] == (rig.publisher.frames[0].split(b"\0", 1)[1], 1)


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_prices_and_sizes_are_float64_on_the_wire_though_the_upstream_sends_integers(make: Make, encoding: str) -> None:
    rig = make(encoding=encoding)
    q, t = quote(bp=100, bs=2, ap=101, **{"as": 3}), trade(p=100, s=10)
    if encoding == "json":
        text = json.dumps([{**q, "t": "2023-11-14T22:13:20Z"}, {**t, "t": "2023-11-14T22:13:20Z"}])
        rig.feed_bytes(framed(text.encode(), 1))
    else:
        rig.feed(q, t)
    quote_frame, trade_frame = rig.publisher.frames
    for number in (100, 2, 101, 3):
        assert struct.pack(">Bd", 0xCB, number) in quote_frame
    for number in (100, 10):
        assert struct.pack(">Bd", 0xCB, number) in trade_frame
    payload = msgpack.unpackb(quote_frame.split(b"\0", 1)[1])
    assert [type(value) for value in payload[5:9]] == [float] * 4


def test_an_absent_side_is_nil_on_the_wire(make: Make) -> None:
    rig = make()
    rig.feed(quote(bp=0, bs=5), quote(bp=0, bs=0, ap=-1, **{"as": 0}))
    one, none = (msgpack.unpackb(frame.split(b"\0", 1)[1])[5:9] for frame in rig.publisher.frames)
    assert one == [None, None, 100.1, 3.0]
    assert none == [None] * 4
    assert [q.flags for q in rig.quotes()] == [Flag.ONE_SIDED] * 2


@pytest.mark.parametrize("fragments", [1, 5])
def test_a_frame_of_seven_thousand_quotes_is_read_whole_and_the_line_stays(make: Make, fragments: int) -> None:
    rig = make(encoding="json")
    text = json.dumps([{**quote(c=["R", "A"]), "t": "2023-11-14T22:13:20.123456789Z"} for _ in range(7_000)]).encode()
    assert len(text) > 1 << 20
    size = -(-len(text) // fragments)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    for number, piece in enumerate(pieces):
        last = number == len(pieces) - 1
        rig.feed_bytes(framed(piece, 1 if number == 0 else 0, fin=last))
    assert len(rig.quotes()) == 7_000
    assert rig.path.upstream is not None


def test_numbers_count_per_symbol_and_kind(make: Make) -> None:
    rig = make("A", "B")
    rig.feed(quote("A"), quote("B"), trade("A"), quote("A"), trade("A"))
    assert [(q.symbol, q.seq) for q in rig.quotes()] == [("A", 1), ("B", 1), ("A", 2)]
    assert [t.seq for t in rig.trades()] == [1, 2]


def test_control_records_go_to_the_control_thread_in_order(make: Make) -> None:
    rig = make()
    halt = {"T": "s", "S": "SPY", "t": stamp(EXCHANGE_NS), "sc": "H"}
    rig.feed(
        {"T": "success", "msg": "connected"}, halt, {"T": "error", "code": 406, "msg": "x"}, {"T": "c"}, {"T": "x"}
    )
    assert [type(report) for report in rig.reports] == [Success, StatusReport, UpstreamError]
    assert rig.reports[1] == StatusReport(rig.reports[1].status, EXCHANGE_NS)  # type: ignore[union-attr]
    assert rig.publisher.frames == []
    assert rig.path.counters["corrections"] == 2


def test_unwanted_symbols_are_counted_and_not_published(make: Make) -> None:
    rig = make("A")
    rig.feed(quote("B"), trade("B"), quote("A"))
    assert [q.symbol for q in rig.quotes()] == ["A"]
    assert rig.path.counters["unwanted"] == 2


# watching


def test_a_watched_symbol_is_reported_once(make: Make) -> None:
    rig = make()
    rig.feed(quote(), quote())
    assert rig.ticked() == [("quote", "SPY")]
    rig.shared.slots["SPY"].watch_quote = True
    rig.feed(quote())
    assert rig.ticked() == [("quote", "SPY")] * 2


def test_a_print_is_reported_only_when_it_is_news_of_the_halt(make: Make) -> None:
    rig, halt_ns = make(), EXCHANGE_NS + 100
    slot = rig.shared.slots["SPY"]

    def prints(*records: dict[str, Any]) -> list[PrintReport]:
        slot.reopening_after_ns, slot.print_after_ns, slot.watch_print = halt_ns, halt_ns + 15, True
        before = len(rig.reports)
        rig.feed(*records)
        return [report for report in rig.reports[before:] if isinstance(report, PrintReport)]

    assert prints(trade(at_ns=halt_ns, c=["5"]), trade(at_ns=halt_ns + 15)) == []
    assert slot.watch_print, "it goes on watching"
    assert prints(trade(at_ns=halt_ns + 16), trade(at_ns=halt_ns + 17)) == [PrintReport("SPY", halt_ns + 16, False)]
    assert prints(trade(at_ns=halt_ns + 1, c=["5"])) == [PrintReport("SPY", halt_ns + 1, True)]
    assert prints(trade(at_ns=halt_ns + 99, x="D"), trade(at_ns=halt_ns + 99, c=["@", "Z"])) == []
    assert prints(trade(at_ns=halt_ns + 99, c=["@", "T"])) == []
    rig.shared.extended_hours = True
    assert prints(trade(at_ns=halt_ns + 99, c=["@", "T"])) == [PrintReport("SPY", halt_ns + 99, False)]
    slot.watch_print = False
    rig.feed(trade(at_ns=halt_ns + 100))
    assert len(rig.trades()) == 10, "all of them are published"


def test_the_first_trade_is_reported_where_it_is_awaited(make: Make) -> None:
    rig = make()
    rig.shared.slots["SPY"].watch_trade = True
    rig.feed(trade(), trade())
    assert rig.ticked() == [("trade", "SPY")]


def test_a_status_whose_time_cannot_be_read_is_reported_without_one(make: Make) -> None:
    rig = make()
    rig.feed({"T": "s", "S": "SPY", "t": "then", "sc": "H"})
    assert [report.exchange_ns for report in rig.reports if isinstance(report, StatusReport)] == [None]


# order in time


def test_a_quote_that_goes_back_in_time_is_published_flagged_and_not_held(make: Make) -> None:
    rig = make()
    rig.feed(quote(at_ns=EXCHANGE_NS + 5), quote(at_ns=EXCHANGE_NS + 4, bp=99.0), quote(at_ns=EXCHANGE_NS + 5))
    assert [q.flags for q in rig.quotes()] == [0, Flag.BACKWARD_TIME, 0]
    assert rig.shared.slots["SPY"].last_quote()[1] == 3
    rig.feed(quote(at_ns=EXCHANGE_NS))
    assert rig.quotes()[-1].flags == Flag.BACKWARD_TIME
    assert rig.shared.slots["SPY"].last_quote()[1] == 3


def test_one_quote_from_the_future_does_not_make_all_others_late(make: Make) -> None:
    rig = make()
    rig.feed(quote(at_ns=EXCHANGE_NS + 3_600 * 10**9))
    rig.feed(*(quote(at_ns=EXCHANGE_NS + number) for number in range(5)))
    late = Flag.BACKWARD_TIME
    assert [q.flags for q in rig.quotes()] == [0, late, late, late, 0, 0]
    assert rig.shared.slots["SPY"].last_quote()[1] == 6


def test_stragglers_between_newer_quotes_and_ever_older_ones_stay_late(make: Make) -> None:
    rig = make()
    for number in range(6):
        rig.feed(quote(at_ns=EXCHANGE_NS + 10**10 + number), quote(at_ns=EXCHANGE_NS + number))
    rig.feed(*(quote(at_ns=EXCHANGE_NS - number) for number in range(6)))
    assert [q.flags for q in rig.quotes()] == [0, Flag.BACKWARD_TIME] * 6 + [Flag.BACKWARD_TIME] * 6


def test_a_new_connection_may_begin_earlier(make: Make) -> None:
    rig = make()
    rig.feed(quote(at_ns=EXCHANGE_NS + 5))
    rig.attach()
    rig.feed(quote(at_ns=EXCHANGE_NS), quote(at_ns=EXCHANGE_NS - 1))
    assert [(q.connection, q.flags) for q in rig.quotes()] == [(1, 0), (2, 0), (2, Flag.BACKWARD_TIME)]


# nonsense


@pytest.mark.parametrize(
    "bad",
    [
        {"bp": float("nan")}, {"ap": float("inf")}, {"bs": -1.0}, {"bp": 1e308}, {"as": float("nan")},
        {"bp": "x"}, {"t": 5}, {"t": msgpack.Timestamp(2**40, 0)}, {"c": ["x" * MAX_TICK_BYTES]},
    ],
    ids=str,
)  # fmt: skip
def test_nonsense_is_counted_reported_and_not_published(make: Make, bad: dict[str, object]) -> None:
    rig = make("A", "B")
    rig.feed(quote("A"), quote("B"))
    rig.feed(quote("A", **bad), quote("B"))
    assert [(q.symbol, q.seq) for q in rig.quotes()] == [("A", 1), ("B", 1), ("B", 2)]
    assert rig.ticked()[2:] == [("bad_data", "A")]
    assert rig.path.counters["bad_data"] == 1
    assert rig.shared.slots["A"].last_quote()[1] == 1


def test_the_next_good_quote_is_reported_though_it_is_in_the_same_burst(make: Make) -> None:
    rig = make()
    rig.feed(quote())
    rig.feed(quote(), quote(bp=float("nan")), quote())
    assert rig.ticked() == [("quote", "SPY"), ("bad_data", "SPY"), ("quote", "SPY")]
    assert len(rig.quotes()) == 3


@pytest.mark.parametrize("bad", [{"bp": float("nan")}, {"bp": "x"}], ids=["value", "type"])
def test_a_good_quote_before_the_bad_one_is_not_the_next(make: Make, bad: dict[str, object]) -> None:
    rig = make()
    rig.feed(quote())
    rig.feed(quote(), quote(**bad))
    assert rig.ticked() == [("quote", "SPY"), ("bad_data", "SPY")]
    rig.publisher.room = 0
    rig.feed(quote(), quote(**bad))
    rig.publisher.room = None
    rig.path.tick_publisher.send_backlog()
    assert rig.ticked()[2:] == [("bad_data", "SPY")]


@pytest.mark.parametrize(
    "bad", [{"p": 0.0}, {"p": float("nan")}, {"s": -1.0}, {"t": None}, {"c": ["x" * MAX_TICK_BYTES]}], ids=str
)
def test_nonsense_trades_are_counted(make: Make, bad: dict[str, object]) -> None:
    rig = make()
    rig.feed(trade(**bad), trade())
    assert [t.seq for t in rig.trades()] == [1]
    assert rig.path.counters["bad_data"] == 1


def test_unknown_types_and_unreadable_records_lose_only_themselves(make: Make) -> None:
    rig = make()
    rig.feed({"T": "b", "S": "SPY"}, quote(), {"T": "t", "S": 5}, quote())
    assert len(rig.quotes()) == 2
    assert (rig.path.counters["unknown_types"], rig.path.counters["bad_records"]) == (1, 1)


def test_the_third_unreadable_frame_within_ten_seconds_ends_the_line(make: Make) -> None:
    rig = make()
    rig.feed_bytes(framed(b"\xc1") + framed(packed(quote())) + framed(b"nonsense"))
    assert rig.path.upstream is not None
    rig.feed_bytes(framed(packed(quote())) + framed(b""))
    assert rig.path.upstream is None
    assert rig.reports[-1] == SocketClosed(Cause.PROTOCOL)
    assert len(rig.quotes()) == 2, "what came before is published"
    assert rig.path.counters["bad_frames"] == 3


# the line


def test_what_was_received_before_the_end_is_published(make: Make) -> None:
    rig = make()
    rig.feed_bytes(framed(packed(quote())) + framed(packed(quote(), trade())) + framed(b"", 8))
    assert (len(rig.quotes()), len(rig.trades())) == (2, 1)
    assert rig.reports[-1] == SocketClosed(Cause.CLOSED)


def test_hanging_up_is_reported_once_with_no_cause(make: Make) -> None:
    rig = make()
    rig.path.hang_up(None)
    rig.path.hang_up(None)
    assert rig.reports == [SocketClosed(None)]
    for write in (rig.path.ping, rig.path.flush_upstream, lambda: rig.path.send_upstream(b"late")):
        write()
    assert rig.reports == [SocketClosed(None)]


def test_control_gets_its_turn_between_the_pieces_of_a_burst(make: Make) -> None:
    rig = make()
    turns: list[int] = []
    rig.peer.sendall(framed(packed(*[quote()] * 10)) * 100)
    rig.path.read(lambda: turns.append(len(rig.publisher.frames)))
    pieces = [b - a for a, b in zip([0, *turns], turns, strict=False)]
    assert len(rig.publisher.frames) == 1_000
    assert max(pieces) < PIECE + 10
    assert len(turns) >= 4


def test_hanging_up_in_the_middle_of_a_burst_publishes_no_more_of_it(make: Make) -> None:
    rig = make()
    rig.peer.sendall(framed(packed(*[quote()] * 10)) * 100)
    rig.path.read(lambda: rig.path.hang_up(None))
    assert PIECE <= len(rig.publisher.frames) < PIECE + 10
    assert rig.reports[-1] == SocketClosed(None)


class Clock:
    """The hot path's clock in the test's hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ns = now_ns()
        monkeypatch.setattr(hot, "now_ns", lambda: self.now_ns)


def test_a_quote_beyond_the_bands_cannot_be_executed_and_is_suspicious(make: Make) -> None:
    rig = make("SPY", "QQQ")
    bands = {"T": "l", "S": "SPY", "u": 101.0, "d": 99.0, "i": "B", "t": stamp(EXCHANGE_NS), "z": "B"}
    rig.feed(quote(bp=99.5, ap=100.5, at_ns=EXCHANGE_NS))
    rig.feed(bands)
    rig.feed(quote(bp=99.5, ap=100.5, at_ns=EXCHANGE_NS + 1))
    rig.feed(quote(bp=98.5, ap=100.5, at_ns=EXCHANGE_NS + 2))
    rig.feed(quote(bp=100.5, ap=101.5, at_ns=EXCHANGE_NS + 3))
    rig.feed(quote(bp=100.5, ap=101.0, at_ns=EXCHANGE_NS + 4))
    rig.feed(quote("QQQ", bp=98.5, ap=100.5, at_ns=EXCHANGE_NS + 4))
    rig.feed(quote(bp=98.5, ap=98.6, at_ns=EXCHANGE_NS + 601 * NS_PER_S))
    suspicious = int(Flag.SUSPICIOUS)
    assert [q.flags for q in rig.quotes()] == [0, 0, suspicious, suspicious, 0, 0, 0], "bands hold for ten minutes"
    rig.feed({**bands, "u": float("nan")})
    rig.feed({**bands, "u": "x"})
    assert rig.path.counters["bad_records"] == 1
    rig.feed({**bands, "S": "NOBODY"})
    assert rig.path.counters["unwanted"] == 1


def test_bands_that_the_symbols_own_level_is_outside_of_do_not_count(make: Make) -> None:
    """One bad record must not make every price of the next ten minutes suspicious."""
    rig = make("SPY", "QQQ")
    bands = {"T": "l", "S": "SPY", "u": 2.0, "d": 1.0, "i": "B", "t": stamp(EXCHANGE_NS), "z": "B"}
    rig.feed(bands, {**bands, "S": "QQQ"})
    rig.feed(quote(bp=99.5, ap=100.5, at_ns=EXCHANGE_NS + 1))
    rig.feed({**bands, "u": 1e6, "d": 500.0})
    rig.feed(quote(bp=99.5, ap=100.5, at_ns=EXCHANGE_NS + 2))
    rig.feed({**bands, "u": 100.0, "d": 95.0})
    rig.feed(quote(bp=99.5, ap=100.5, at_ns=EXCHANGE_NS + 3))
    rig.feed(quote("QQQ", bp=99.5, ap=100.5, at_ns=EXCHANGE_NS + 3))
    assert [q.flags for q in rig.quotes()] == [0, 0, int(Flag.SUSPICIOUS), 0]


# a level that is not believed yet


FAR = {"bp": 130.0, "ap": 130.1}


def test_a_jump_that_stands_is_published_again_clean_after_5_s(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    rig = make("SPY", "QQQ")
    rig.feed(quote(), quote("QQQ"))
    assert rig.path.wait_ms(1_000) == 1_000
    rig.feed(quote(at_ns=EXCHANGE_NS + 1, **FAR))
    assert [q.flags for q in rig.quotes()] == [0, 0, Flag.SUSPICIOUS]
    assert rig.path.wait_ms(10_000) == 5_000
    assert rig.path.wait_ms(1_000) == 1_000
    clock.now_ns += STOOD_NS - 1
    rig.feed(quote("QQQ"))
    rig.path.publish_believed()
    assert len(rig.quotes()) == 4
    assert rig.path.wait_ms(1_000) == 1
    clock.now_ns += 1
    assert rig.path.wait_ms(1_000) == 0
    rig.path.publish_believed()
    rig.path.publish_believed()
    doubted, again = rig.quotes()[2], rig.quotes()[-1]
    assert len(rig.quotes()) == 5
    assert (again.flags, again.seq, again.symbol) == (0, doubted.seq + 1, "SPY")
    for name in ("bid_price", "ask_price", "bid_size", "exchange_ns", "received_ns", "connection", "conditions"):
        assert getattr(again, name) == getattr(doubted, name)
    assert rig.shared.slots["SPY"].last_quote()[1] == again.seq
    assert rig.path.wait_ms(1_000) == 1_000
    rig.feed(quote(at_ns=EXCHANGE_NS + 2, **FAR), quote(at_ns=EXCHANGE_NS + 3))
    assert [q.flags for q in rig.quotes()[-2:]] == [0, Flag.SUSPICIOUS]


@pytest.mark.parametrize(
    "then",
    [quote(), quote(bp=0.0), quote(bp=130.2, ap=130.1), quote(bp=130.0, ap=260.0), quote(bp=float("nan"))],
    ids=["near", "one-sided", "crossed", "wide", "nonsense"],
)
def test_a_jump_that_does_not_stand_is_not_published_again(
    make: Make, monkeypatch: pytest.MonkeyPatch, then: dict[str, object]
) -> None:
    clock = Clock(monkeypatch)
    rig = make()
    rig.feed(quote(), quote(**FAR), then)
    published = len(rig.quotes())
    assert rig.path.wait_ms(10_000) == 10_000
    clock.now_ns += 2 * STOOD_NS
    rig.path.publish_believed()
    assert len(rig.quotes()) == published


def test_a_jump_of_a_former_connection_is_not_published_again(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    rig = make("SPY", "QQQ")
    rig.feed(quote(), quote(**FAR), quote("QQQ"), quote("QQQ", **FAR))
    rig.shared.retire("QQQ")
    rig.attach()
    clock.now_ns += 2 * STOOD_NS
    assert rig.path.wait_ms(10_000) == 10_000
    rig.path.publish_believed()
    assert len(rig.quotes()) == 4
    rig.feed(quote(**FAR))
    assert rig.quotes()[-1].flags == Flag.SUSPICIOUS, "the level of the session stays, and nothing is proven yet"


def test_a_symbol_that_is_released_or_begins_anew_has_nothing_to_publish_again(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    rig = make("SPY", "QQQ")
    rig.feed(quote(), quote(**FAR), quote("QQQ"), quote("QQQ", **FAR))
    rig.shared.retire("QQQ")
    rig.shared.begin_session()
    clock.now_ns += 2 * STOOD_NS
    rig.path.publish_believed()
    assert len(rig.quotes()) == 4
    assert rig.path.wait_ms(10_000) == 10_000
    rig.feed(quote(**FAR))
    assert rig.quotes()[-1].flags == 0, "a session begins without a level"


def test_a_jump_from_before_a_status_is_not_published_again(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    rig = make()
    rig.feed(quote(), quote(**FAR))
    rig.feed({"T": "s", "S": "SPY", "t": stamp(EXCHANGE_NS + 100), "sc": "T", "z": "C"})
    rig.shared.slots["SPY"].watch_quote = True
    clock.now_ns += 2 * STOOD_NS
    rig.path.publish_believed()
    rig.feed(trade(p=130.0))
    assert [q.flags for q in rig.quotes()] == [0, Flag.SUSPICIOUS]
    assert ("quote", "SPY") not in rig.ticked()[1:]


def test_a_trade_near_a_jump_publishes_it_again_before_itself(make: Make) -> None:
    rig = make()
    rig.feed(quote(), quote(**FAR), trade(p=100.0), trade(p=130.2, c=["@", "Z"]))
    assert [q.flags for q in rig.quotes()] == [0, Flag.SUSPICIOUS]
    rig.feed(trade(p=130.2))
    assert [q.flags for q in rig.quotes()] == [0, Flag.SUSPICIOUS, 0]
    assert [type(event).__name__ for event in rig.events()[-2:]] == ["Quote", "Trade"]
    rig.feed(trade(p=130.2), quote(**FAR))
    assert [q.flags for q in rig.quotes()] == [0, Flag.SUSPICIOUS, 0, 0]


def test_a_delayed_or_indicative_trade_proves_no_level(make: Make) -> None:
    rig = make(trades_prove=False)
    rig.feed(quote(), trade(p=130.2), quote(**FAR), trade(p=130.2))
    assert [q.flags for q in rig.quotes()] == [0, Flag.SUSPICIOUS]


def test_a_late_quote_neither_moves_the_level_nor_ends_a_jump(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    rig = make()
    rig.feed(quote(at_ns=EXCHANGE_NS), quote(at_ns=EXCHANGE_NS + 5, **FAR), quote(at_ns=EXCHANGE_NS + 1))
    assert [q.flags for q in rig.quotes()] == [0, Flag.SUSPICIOUS, Flag.BACKWARD_TIME]
    clock.now_ns += STOOD_NS
    rig.path.publish_believed()
    assert [q.flags for q in rig.quotes()][3:] == [0]
    assert rig.quotes()[-1].bid_price == 130.0


def test_last_byte_and_lag_are_observed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    rig = make()
    rig.feed(quote(at_ns=EXCHANGE_NS))
    assert rig.shared.last_byte_ns == clock.now_ns
    assert rig.shared.lag_ns == 0
    for _ in range(8):
        clock.now_ns += NS_PER_S
        rig.feed(quote(at_ns=EXCHANGE_NS + 1))
    assert rig.shared.lag_ns is not None
    assert 6 * NS_PER_S <= rig.shared.lag_ns < 8 * NS_PER_S
    rig.path.ping()
    clock.now_ns += NS_PER_S // 10
    sent = rig.peer.recv(1_000)
    rig.feed_bytes(framed(b"not ours", 10))
    assert rig.shared.lag_ns >= 6 * NS_PER_S, "a pong of the peer's own says nothing"
    rig.feed_bytes(framed(bytes(byte ^ sent[2 + number % 4] for number, byte in enumerate(sent[6:14])), 10))
    assert rig.shared.lag_ns == NS_PER_S // 10, "all that was sent before the ping has been read"
    whole = framed(packed(quote(at_ns=EXCHANGE_NS + 9 * NS_PER_S)))
    rig.feed_bytes(whole[:50])
    for at in range(50, 60):
        clock.now_ns += NS_PER_S
        rig.feed_bytes(whole[at : at + 1])
    assert rig.shared.lag_ns == 10 * NS_PER_S, "half a message for so long"
    rig.attach()
    assert rig.shared.lag_ns is None
    rig.shared.last_byte_ns = 0
    rig.feed_bytes(framed(b"", 9))
    assert rig.shared.last_byte_ns > 0, "any byte is proof of life"


@QUICK
@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([packed(quote()), packed(trade())])), max_size=8))
def test_no_upstream_bytes_ever_raise(messages: list[bytes]) -> None:
    rig = HotRig()
    try:
        for message in messages:
            if rig.path.upstream is not None:
                rig.feed_bytes(framed(message))
        whole = messages.count(packed(quote())) if rig.path.upstream is not None else 0
        assert len(rig.quotes()) >= whole, "the good ones come through, whatever is between them"
    finally:
        rig.close()

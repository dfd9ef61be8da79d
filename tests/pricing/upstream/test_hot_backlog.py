"""While the broker takes no more: what waits, in which order it goes, and that nothing is lost uncounted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quotebus.pricing.upstream.publisher import MAX_TRADES_WAITING
from tests.support.hot_rig import HotRig, Make
from tests.support.pricing import EXCHANGE_NS, framed, packed, quote, trade
from tests.support.samples import QUICK


@QUICK
@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 6), st.sampled_from([None, 0, 1, 3])), max_size=40))
def test_nothing_older_is_ever_held_and_every_gap_in_time_is_flagged(steps: list[tuple[str, int, int | None]]) -> None:
    rig = HotRig("A", "B")
    try:
        for symbol, at, room in steps:
            rig.publisher.room = room
            rig.feed(quote(symbol, EXCHANGE_NS + at))
        rig.publisher.room = None
        assert rig.path.tick_publisher.send_backlog()
        for symbol in "AB":
            clean = [q for q in rig.quotes() if q.symbol == symbol and not q.flags]
            times = [q.exchange_ns for q in clean]
            fed = [EXCHANGE_NS + at for name, at, _ in steps if name == symbol]
            assert times == sorted(times), "an older one after a newer one, unflagged"
            assert [q.seq for q in rig.quotes() if q.symbol == symbol] == list(
                range(1, 1 + sum(q.symbol == symbol for q in rig.quotes()))
            )
            if fed:
                assert times[-1] == max(fed), "the newest is always what is left"
                assert rig.shared.slots[symbol].last_quote()[1] == clean[-1].seq
            published = [q for q in rig.quotes() if q.symbol == symbol]
            assert len(published) + sum(q.conflated for q in published) == len(fed), "every quote is accounted for"
    finally:
        rig.close()


def test_while_the_broker_is_full_the_latest_of_each_symbol_waits_the_longest_waiting_first(make: Make) -> None:
    rig = make("A", "B", "C")
    rig.publisher.room = 0
    for number, symbol in enumerate("BACABAB"):
        rig.feed(quote(symbol, EXCHANGE_NS + number, bs=float(number + 1)))
    assert rig.publisher.frames == []
    assert rig.path.tick_publisher.has_backlog
    rig.publisher.room = 2
    assert not rig.path.tick_publisher.send_backlog()
    assert [q.symbol for q in rig.quotes()] == ["B", "A"]
    rig.publisher.room = None
    assert rig.path.tick_publisher.send_backlog()
    assert [(q.symbol, q.bid_size, q.conflated, q.seq) for q in rig.quotes()] == [
        ("B", 7.0, 2, 1), ("A", 6.0, 2, 1), ("C", 3.0, 0, 1),
    ]  # fmt: skip
    assert rig.path.counters["conflated"] == 4
    rig.feed(quote("B", EXCHANGE_NS + 9))
    assert rig.quotes()[-1].conflated == 0


def test_new_quotes_never_overtake_waiting_ones(make: Make) -> None:
    rig = make("A", "B")
    rig.publisher.room = 0
    rig.feed(quote("A", EXCHANGE_NS), trade("A", i=1), trade("A", i=2))
    rig.publisher.room = 1
    rig.feed(quote("B", EXCHANGE_NS), trade("A", i=3))
    rig.publisher.room = None
    rig.feed(quote("B", EXCHANGE_NS + 1), trade("A", i=4))
    assert [q.symbol for q in rig.quotes()] == ["A", "B", "B"]
    assert [(t.trade_id, t.seq) for t in rig.trades()] == [(1, 1), (2, 2), (3, 3), (4, 4)]


def test_a_quote_that_waited_over_a_reconnect_keeps_its_connection(make: Make) -> None:
    rig = make("A", "B")
    rig.publisher.room = 0
    rig.feed(quote("A"), trade("A"))
    rig.attach()
    rig.publisher.room = None
    rig.feed(quote("B"))
    assert [(q.symbol, q.connection) for q in rig.quotes()] == [("A", 1), ("B", 2)]
    assert rig.trades()[0].connection == 1
    assert rig.ticked() == [("quote", "B")], "A has no quote of this connection"
    rig.feed(quote("A"))
    assert rig.ticked()[-1] == ("quote", "A")


def test_without_conflation_what_is_given_up_takes_its_number_with_it(make: Make) -> None:
    rig = make(conflate=False)
    rig.feed(quote())
    rig.publisher.room = 0
    for number in range(3):
        rig.feed(quote(at_ns=EXCHANGE_NS + number))
    rig.publisher.room = None
    rig.feed(quote(at_ns=EXCHANGE_NS + 9))
    assert [(q.seq, q.conflated) for q in rig.quotes()] == [(1, 0), (5, 0)]
    assert rig.path.counters["quotes_dropped"] == 3


def test_waiting_trades_are_bounded_and_the_loss_shows_in_the_numbers(make: Make) -> None:
    rig = make()
    rig.publisher.room = 0
    many = framed(packed(*[trade(i=number) for number in range(1_000)]))
    for _ in range(MAX_TRADES_WAITING // 1_000):
        rig.feed_bytes(many)
    rig.feed(trade(i=-1), trade(i=-2), trade(i=-3))
    assert rig.path.counters["trades_dropped"] == 3
    rig.publisher.room = None
    assert rig.path.tick_publisher.send_backlog()
    trades = rig.trades()
    assert len(trades) == MAX_TRADES_WAITING
    assert (trades[0].seq, trades[0].trade_id, trades[-1].seq, trades[-1].trade_id) == (
        4,
        3,
        MAX_TRADES_WAITING + 3,
        -3,
    )

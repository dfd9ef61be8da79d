"""Who gets what, with receivers that are no sockets."""

from __future__ import annotations

import json
from collections.abc import Collection

import msgpack

from quotebus.pricing.simulator.broadcast import Broadcast
from quotebus.pricing.simulator.encoding import JSON, MSGPACK, Encoding
from quotebus.pricing.simulator.records import Quote, Record, TradingStatus

SECOND = 1_000_000_000


class Screen:
    """A receiver that keeps what it gets."""

    def __init__(self, feed: str = "iex", encoding: Encoding = JSON, **channels: list[str]) -> None:
        self.feed = feed
        self.encoding = encoding
        self.has_room = True
        self.records: list[Record] = []
        self.data: list[bytes] = []
        self._channels = channels

    def symbols(self, channel: str) -> Collection[str]:
        return self._channels.get(channel, ())

    def take(self, record: Record, data: bytes) -> None:
        self.records.append(record)
        self.data.append(data)


def run(broadcast: Broadcast, seconds: int) -> None:
    while (due_ns := broadcast.next_ns()) is not None and due_ns < seconds * SECOND:
        broadcast.run(due_ns, due_ns.__int__)


def made(*screens: Screen, rate: float = 100) -> Broadcast:
    broadcast = Broadcast(1, rate)
    new = [symbol for screen in screens for channel in ("quotes", "trades") for symbol in screen.symbols(channel)]
    broadcast.rebuild(screens, new, 0)
    return broadcast


def test_two_connections_see_the_same_values_each_in_its_encoding() -> None:
    one, two = Screen(quotes=["SPY", "AAPL"]), Screen("sip", MSGPACK, quotes=["SPY"])
    run(made(one, two), 3)
    assert [record for record in one.records if record.symbol == "SPY"] == two.records != []
    assert json.loads(one.data[0])["S"] == one.records[0].symbol
    assert msgpack.unpackb(two.data[0])["S"] == "SPY"


def test_trades_go_only_to_who_wants_them() -> None:
    one, two = Screen(quotes=["SPY"]), Screen(trades=["SPY"])
    run(made(one, two), 5)
    assert {type(record).__name__ for record in one.records} == {"Quote"}
    assert {type(record).__name__ for record in two.records} == {"Trade"}
    assert 0.1 < len(two.records) / len(one.records) < 0.35


def test_silent_symbols_and_the_test_feed() -> None:
    screen, test = Screen(quotes=["SPY", "ZZTOP", "spy"]), Screen("test", quotes=["SPY", "FAKEPACA"])
    run(made(screen, test), 2)
    assert {record.symbol for record in screen.records} == {"SPY"}
    assert {record.symbol for record in test.records} == {"FAKEPACA"}


def test_nothing_is_due_while_nobody_can_take_it() -> None:
    screen, idle = Screen(quotes=["SPY"]), Screen(quotes=["ZZTOP"], statuses=["*"])
    broadcast = made(screen, idle, rate=0)
    assert broadcast.next_ns() is not None
    screen.has_room = False
    assert broadcast.next_ns() is None
    screen.has_room = True
    broadcast.mute(True, frozenset())
    assert broadcast.next_ns() is None
    broadcast.run(0, lambda: 0)
    assert screen.records == []
    assert made().next_ns() is None
    assert made(Screen(quotes=["ZZTOP"]), rate=0).next_ns() is None


def test_injected_records_go_to_their_subscribers_also_while_muted() -> None:
    one, two = Screen(quotes=["SPY"], statuses=["*"]), Screen(quotes=["AAPL"])
    broadcast = made(one, two)
    broadcast.mute(True, frozenset())
    assert broadcast.inject(Quote("SPY", "V", 1, 1, "V", 2, 1, "B", 3)) == 1
    assert broadcast.inject(TradingStatus("XYZ", "H", "", "", "", "C", 3)) == 1
    assert broadcast.inject(Quote("QQQ", "V", 1, 1, "V", 2, 1, "B", 3)) == 0
    assert [record.symbol for record in one.records] == ["SPY", "XYZ"]
    assert two.records == []

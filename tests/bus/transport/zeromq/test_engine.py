"""The engine over real sockets: what wakes a poller, what is unread, and that a closed engine leaves nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import zmq

from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns
from quotebus.bus.transport import engines
from quotebus.bus.transport.line import News
from quotebus.bus.transport.zeromq.endpoints import Endpoints
from quotebus.bus.transport.zeromq.engine import ZmqEngine
from quotebus.bus.transport.zeromq.publisher import ZmqPublisher
from quotebus.bus.transport.zeromq.sockets import Role, bind, make
from quotebus.bus.transport.zeromq.subscriber import ZmqSubscriber
from tests.support.bus import NOBODY
from tests.support.programs import eventually

FRAME = b"intent.a\0payload"
WAIT_MS = 20_000


class Pair:
    """A subscriber and a publisher with the broker's sockets opposite, in the test's hands."""

    def __init__(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.out, self.into = (make(context, role) for role in (Role.PUBLISH, Role.BROKER_REQUEST))
        self.into.subscribe(b"intent.")
        urls = [bind(each, "tcp://127.0.0.1:0") for each in (self.out, self.into)]
        self.engine = ZmqEngine(Endpoints((), (urls[0],), (urls[1],), "here"), context)
        self.subscriber: ZmqSubscriber = self.engine.subscriber((b"intent.",), watched=True)
        self.publisher: ZmqPublisher = self.engine.requester()
        self.subscriber.connect()
        self.publisher.connect()

    def meet(self) -> None:
        news: list[News] = []
        eventually(lambda: self.subscriber.await_frame(0) or self.out.poll(0))  # a SUB subscribes when it is asked
        assert self.out.recv() == b"\1intent."
        eventually(lambda: news.extend(self.subscriber.news()) or news == [News.UP])
        eventually(lambda: self.into.poll(0) or self.publisher.news() or self.publisher.connected)


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.engine.close(0)


def test_a_poller_wakes_for_a_frame_and_names_descriptors_only(pair: Pair) -> None:
    pair.meet()
    reader, writer = os.pipe()
    poller = pair.engine.poller()
    for what in (pair.subscriber, pair.publisher, reader):
        poller.watch(what)
    assert poller.wait(0) == []
    pair.out.send(FRAME)
    assert poller.wait(WAIT_MS) == []
    assert pair.subscriber.take(10) == [FRAME]
    os.write(writer, b"x")
    assert poller.wait(WAIT_MS) == [reader]
    os.close(writer)
    poller.unwatch(reader)
    assert poller.wait(0) == []
    os.close(reader)


def test_a_poller_wakes_for_what_was_left_unread(pair: Pair) -> None:
    """The socket's own descriptor says nothing of it any more."""
    pair.meet()
    poller = pair.engine.poller()
    poller.watch(pair.subscriber)
    for _ in range(3):
        pair.out.send(FRAME)
    taken: list[bytes] = []
    while len(taken) < 3:
        poller.wait(WAIT_MS)
        assert pair.subscriber.has_unread()
        taken += pair.subscriber.take(1)
    assert not pair.subscriber.has_unread()


def test_a_poller_with_nothing_to_watch_waits_all_the_same(pair: Pair) -> None:
    """Else a tap that lets messages gather would spin."""
    poller = pair.engine.poller()
    began_ns = now_ns()
    assert poller.wait(50) == []
    assert now_ns() - began_ns >= 50 * NS_PER_MS


def test_a_publisher_is_watched_for_room_while_that_is_wanted(pair: Pair) -> None:
    pair.meet()
    poller = pair.engine.poller()
    poller.watch(pair.publisher, writable=True)
    poller.wait(WAIT_MS)
    assert pair.publisher.send(FRAME)
    pair.publisher.flush()
    assert pair.into.poll(WAIT_MS)
    assert pair.into.recv() == FRAME


def test_both_ends_tell_that_the_broker_went(pair: Pair) -> None:
    pair.meet()
    assert pair.publisher.covers(FRAME)
    assert not pair.publisher.covers(b"quote.SPY\0")
    pair.out.close(linger=0)
    pair.into.close(linger=0)
    heard: list[News] = []
    eventually(lambda: heard.extend(pair.subscriber.news()) or News.DOWN in heard)
    said: list[News] = []
    eventually(lambda: said.extend(pair.publisher.news()) or News.DOWN in said)
    assert not pair.publisher.covers(FRAME)
    assert not pair.publisher.connected


def test_what_an_event_loop_watches_is_every_socket(pair: Pair) -> None:
    assert len(pair.subscriber.descriptors()) == 2, "the monitor too"
    assert len(pair.publisher.descriptors()) == 1
    unwatched = pair.engine.subscriber()
    assert len(unwatched.descriptors()) == 1
    assert not unwatched.await_frame(NS_PER_S // 1_000)
    unwatched.close()


def test_the_shared_engine_is_one_until_it_is_closed() -> None:
    one, other = engines.shared_engine(NOBODY.bus_address), engines.shared_engine(NOBODY.bus_address)
    assert isinstance(one, ZmqEngine)
    assert isinstance(other, ZmqEngine)
    assert one.context is other.context
    own = engines.open_engine(NOBODY.bus_address)
    assert isinstance(own, ZmqEngine)
    assert own.context is not one.context
    own.close()
    assert own.context.closed
    assert not one.context.closed

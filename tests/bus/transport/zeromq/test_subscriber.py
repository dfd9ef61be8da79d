"""Reading is bounded and in order, and the monitor says that the broker came and went."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import zmq

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.transport.line import News
from quotebus.bus.transport.zeromq.sockets import Role, bind, make
from quotebus.bus.transport.zeromq.subscriber import ZmqSubscriber, drain, drain_bytes
from tests.support.programs import eventually


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield context
    context.destroy(linger=0)


def connected(context: zmq.Context[zmq.Socket[bytes]]) -> tuple[zmq.Socket[bytes], ZmqSubscriber]:
    """A broker's socket that one subscriber of `a` listens to."""
    peer = make(context, Role.PUBLISH)
    url = bind(peer, "tcp://127.0.0.1:0")
    subscriber = ZmqSubscriber(context, [b"a"], (url,), watched=True)
    subscriber.connect()
    eventually(lambda: subscriber.await_frame(0) or peer.poll(0))  # a SUB subscribes when its owner looks
    assert peer.recv() == b"\1a"
    return peer, subscriber


def test_takes_what_has_come_in_order_and_no_more_than_the_bound(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    peer, subscriber = connected(context)
    assert subscriber.take(5) == []
    for number in range(12):
        peer.send(b"a%02d" % number)
        peer.send(b"b%02d" % number)
    taken: list[bytes] = []
    while len(taken) < 12:
        assert subscriber.await_frame(5 * NS_PER_S)
        batch = subscriber.take(5)
        assert len(batch) <= 5
        taken += batch
    assert taken == [b"a%02d" % number for number in range(12)]
    assert drain(subscriber.socket, 5) == []
    subscriber.close()
    peer.close()


def test_a_bound_in_bytes_ends_with_the_message_that_reaches_it(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    one, other = make(context, Role.PROXY_CONTROL), make(context, Role.PROXY_CONTROL)
    one.bind("inproc://bytes")
    other.connect("inproc://bytes")
    for number in range(10):
        one.send(b"%d" % number * 100)
    assert other.poll(5_000)
    assert [len(frame) for frame in drain_bytes(other, 10, 250)] == [100, 100, 100]
    assert len(drain_bytes(other, 4, 10_000)) == 4
    assert len(drain_bytes(other, 10, 10_000)) == 3
    other.close()
    one.close()


def test_the_monitor_tells_that_the_broker_came_and_went(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    peer, subscriber = connected(context)
    heard: list[News] = []

    def told(news: News) -> bool:
        heard.extend(subscriber.news())
        return news in heard

    eventually(lambda: told(News.UP))
    assert heard == [News.UP]
    peer.close(linger=0)
    eventually(lambda: told(News.DOWN))
    assert heard == [News.UP, News.DOWN]
    assert len(subscriber.sockets()) == 2
    subscriber.close()


def test_unless_it_is_watched_there_is_no_monitor(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    subscriber = ZmqSubscriber(context)
    assert subscriber.sockets() == [subscriber.socket]
    assert subscriber.news() == []
    subscriber.close()


def test_a_message_of_several_parts_is_dropped_whole_and_counted(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    peer, subscriber = connected(context)
    for number in range(3):
        peer.send(b"a%d" % number)
        peer.send_multipart([b"a", b"forged", b"a more"])
    taken: list[bytes] = []
    eventually(lambda: taken.extend(subscriber.take_whole(100)) or subscriber.multipart == 3)
    assert taken == [b"a0", b"a1", b"a2"]
    subscriber.close()
    peer.close()


def test_a_part_with_another_topic_than_was_asked_for_is_dropped_and_counted(
    context: zmq.Context[zmq.Socket[bytes]],
) -> None:
    peer, subscriber = connected(context)
    peer.send_multipart([b"a0", b"forged"])
    peer.send(b"a1")
    taken: list[bytes] = []
    eventually(lambda: taken.extend(subscriber.keep_asked(subscriber.take(100))) or len(taken) == 2)
    assert taken == [b"a0", b"a1"]
    assert subscriber.not_subscribed == 1
    everything = ZmqSubscriber(context, [b""])
    assert everything.keep_asked([b"forged"]) == [b"forged"]
    subscriber.close()
    everything.close()
    peer.close()

"""A first message waits for the broker's subscription, for the grace and no longer; a loss begins it anew."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import zmq

from quotebus.bus.protocol import GRACE_NS
from quotebus.bus.transport.zeromq import publisher as module
from quotebus.bus.transport.zeromq.coverage import Coverage
from quotebus.bus.transport.zeromq.publisher import Publisher, read_subscriptions, send_now
from quotebus.bus.transport.zeromq.sockets import Role, bind, make
from tests.support.programs import eventually

FRAME = b"intent.a\0payload"


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield context
    context.destroy(linger=0)


def heard(publisher: Publisher, connected: bool) -> bool:
    publisher.read_subscriptions()
    return publisher.connected is connected


def test_a_first_message_waits_for_its_subscription_and_again_after_a_loss(
    context: zmq.Context[zmq.Socket[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1_000 * GRACE_NS]
    monkeypatch.setattr(module, "now_ns", lambda: now[0])
    peer = make(context, Role.BROKER_REQUEST)
    peer.subscribe(b"intent.")
    url = bind(peer, "tcp://127.0.0.1:0")
    publisher = Publisher(context)
    publisher.connect(url)
    assert not publisher.may_send()
    eventually(lambda: peer.poll(0) or heard(publisher, connected=True))  # a SUB subscribes when its owner looks
    assert publisher.may_send(), "the broker listens: nothing to wait for"
    assert publisher.send(FRAME)
    assert peer.poll(5_000)
    assert peer.recv() == FRAME
    now[0] += 10 * GRACE_NS
    peer.close(linger=0)
    eventually(lambda: heard(publisher, connected=False))
    assert not publisher.may_send(), "the grace begins with the loss"
    now[0] += GRACE_NS
    assert publisher.may_send()
    publisher.close()


def test_the_grace_ends_without_a_broker_and_can_be_skipped(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    publisher = Publisher(context)
    publisher.connect("tcp://127.0.0.1:1")
    publisher.await_coverage(FRAME)
    eventually(publisher.may_send)
    assert not publisher.connected
    other = Publisher(context)
    other.connect("tcp://127.0.0.1:1")
    other.skip_grace()
    assert other.may_send()
    publisher.close()
    other.close(0)


class Xpub:
    """Its subscription messages, as they would be received."""

    def __init__(self, *messages: bytes) -> None:
        self.messages = list(messages)

    def recv(self, flags: int) -> bytes:
        assert flags == zmq.NOBLOCK
        if not self.messages:
            raise zmq.Again
        return self.messages.pop(0)


def test_counts_how_often_the_peer_went_also_within_one_reading() -> None:
    coverage = Coverage()
    socket = Xpub(b"\1a", b"\1b", b"\0a", b"\0b", b"\1a", b"\0a", b"\1c")
    assert read_subscriptions(socket, coverage) == 2  # type: ignore[arg-type]
    assert coverage.covers(b"c\0")
    assert read_subscriptions(socket, coverage) == 0  # type: ignore[arg-type]


def test_a_full_socket_is_false_and_not_an_error(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    socket = make(context, Role.INPROC)
    assert not send_now(socket, FRAME)
    socket.bind("inproc://room")
    other = make(context, Role.INPROC)
    other.connect("inproc://room")
    eventually(lambda: send_now(socket, FRAME))
    other.close()
    socket.close()

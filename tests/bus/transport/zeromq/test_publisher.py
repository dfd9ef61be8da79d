"""What an XPUB's peer has subscribed to is read, with how often it came and went; a full socket is no error."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import zmq

from quotebus.bus.transport.line import News
from quotebus.bus.transport.zeromq.coverage import Coverage
from quotebus.bus.transport.zeromq.publisher import read_subscriptions, send_now
from quotebus.bus.transport.zeromq.sockets import Role, make
from tests.support.programs import eventually

FRAME = b"intent.a\0payload"


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield context
    context.destroy(linger=0)


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
    assert read_subscriptions(socket, coverage) == [News.UP, News.DOWN, News.UP, News.DOWN, News.UP]  # type: ignore[arg-type]
    assert coverage.covers(b"c\0")
    assert read_subscriptions(socket, coverage) == []  # type: ignore[arg-type]


def test_a_full_socket_is_false_and_not_an_error(context: zmq.Context[zmq.Socket[bytes]]) -> None:
    socket = make(context, Role.PROXY_CONTROL)
    assert not send_now(socket, FRAME)
    socket.bind("inproc://room")
    other = make(context, Role.PROXY_CONTROL)
    other.connect("inproc://room")
    eventually(lambda: send_now(socket, FRAME))
    other.close()
    socket.close()

"""A server that is behind with what it is sent answers our PING late: it is alive as long as it takes more."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns
from quotebus.bus.transport.line import News
from quotebus.bus.transport.nats import line as lines
from quotebus.bus.transport.nats.access import NatsAccess
from quotebus.bus.transport.nats.ends import NatsPublisher
from quotebus.bus.transport.nats.engine import NatsEngine
from tests.support.programs import eventually

LARGE = b"quote.L\0" + bytes(10_000)
GREETING = b'INFO {"max_payload":1048576}\r\n'


class BusyServer:
    """Lets one client in, and afterwards reads when it is told to and says nothing."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(10)
        self.port: int = self._listener.getsockname()[1]
        self._inside = threading.Event()
        self._peer: socket.socket
        self._thread = threading.Thread(target=self._let_in, daemon=True)
        self._thread.start()

    def _let_in(self) -> None:
        self._peer, _ = self._listener.accept()
        self._peer.settimeout(10)
        self._peer.sendall(GREETING)
        said = b""
        while not said.endswith(b"PING\r\n"):
            said += self._peer.recv(10_000)
        self._peer.sendall(b"PONG\r\n")
        self._inside.set()

    def read(self, most: int) -> None:
        """So many bytes."""
        assert self._inside.wait(10)
        while most > 0:
            most -= len(self._peer.recv(min(most, 1 << 16)))

    def close(self) -> None:
        self._thread.join(10)
        self._peer.close()
        self._listener.close()


@pytest.fixture
def server() -> Iterator[BusyServer]:
    server = BusyServer()
    yield server
    server.close()


@pytest.fixture
def publisher(server: BusyServer) -> Iterator[NatsPublisher]:
    engine = NatsEngine(NatsAccess((("127.0.0.1", server.port),)))
    publisher = engine.requester()
    publisher.connect()
    eventually(lambda: publisher.news() == [News.UP] or publisher.line.wait(NS_PER_MS))
    yield publisher
    engine.close(0)


def fill(publisher: NatsPublisher) -> None:
    """Send until nothing more is taken; the kernel may take some more for a moment."""
    refused = 0
    while refused < 20:
        refused = 0 if publisher.send(LARGE) else refused + 1
        if refused:
            publisher.await_room(5 * NS_PER_MS)


def test_one_that_takes_more_is_alive_and_one_that_does_not_is_left(
    server: BusyServer, publisher: NatsPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead_ns = 0
    monkeypatch.setattr(lines, "now_ns", lambda: now_ns() + ahead_ns)
    fill(publisher)
    for _ in range(10):
        server.read(300_000)  # much of what the kernel holds
        fill(publisher)
        ahead_ns += NS_PER_S
        assert publisher.news() == [], "it answers no PING, but it reads"
    for _ in range(4):
        assert not publisher.send(LARGE)
        ahead_ns += NS_PER_S
        publisher.line.tend()
    assert publisher.news() == [News.DOWN]


def test_one_that_takes_all_and_answers_nothing_is_left(
    server: BusyServer, publisher: NatsPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead_ns = 0
    monkeypatch.setattr(lines, "now_ns", lambda: now_ns() + ahead_ns)
    for _ in range(3):
        assert publisher.send(LARGE)
        publisher.flush()
        assert publisher.line.unsent_bytes == 0
        ahead_ns += NS_PER_S
        publisher.line.tend()
    assert publisher.news() == [News.DOWN], "the kernel would take more, which proves nothing"

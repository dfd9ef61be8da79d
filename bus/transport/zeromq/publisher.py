"""The bus's publisher over ZeroMQ: an XPUB socket with one peer, the broker, and what that has subscribed to.

Why a message can be too early: see `coverage`.
"""

from __future__ import annotations

import zmq

from quotebus.bus.clock import NS_PER_MS
from quotebus.bus.transport.line import News
from quotebus.bus.transport.zeromq.coverage import Coverage
from quotebus.bus.transport.zeromq.endpoints import Urls
from quotebus.bus.transport.zeromq.key_files import KeyPair
from quotebus.bus.transport.zeromq.monitor import BURST, read_monitor
from quotebus.bus.transport.zeromq.redial import REFUSALS, Redial
from quotebus.bus.transport.zeromq.sockets import Role, connect, make
from quotebus.bus.transport.zeromq.subscriber import readable

_NOBLOCK = int(zmq.NOBLOCK)
_POLLOUT = int(zmq.POLLOUT)


class ZmqPublisher:
    """Owned by the thread that connects it."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        urls: Urls = (),
        role: Role = Role.REQUEST,
        keys: KeyPair | None = None,
    ) -> None:
        """`urls`: where `connect` looks for the broker."""
        self.socket = make(context, role)
        self.coverage = Coverage()
        self._urls = urls
        self._redial: Redial | None = None
        self._monitor: zmq.Socket[bytes] | None = None
        if keys is not None:
            self._redial = Redial(self.socket, urls, keys)
            self._monitor = self.socket.get_monitor_socket(REFUSALS | zmq.EVENT_HANDSHAKE_SUCCEEDED)

    def connect(self) -> None:
        connect(self.socket, self._urls)

    @property
    def connected(self) -> bool:
        return len(self.coverage) > 0

    def covers(self, frame: bytes) -> bool:
        return self.coverage.covers(frame)

    def send(self, frame: bytes) -> bool:
        try:
            self.socket.send(frame, _NOBLOCK)
        except zmq.Again:
            return False
        return True

    def flush(self) -> None:
        """ZeroMQ's I/O thread writes what there is in one go by itself."""

    def news(self) -> list[News]:
        if self._redial is not None and self._monitor is not None:
            self._redial.look(read_monitor(self._monitor))
        return read_subscriptions(self.socket, self.coverage) if readable(self.socket) else []

    def has_unread(self) -> bool:
        return readable(self.socket)

    def sockets(self) -> list[zmq.Socket[bytes]]:
        """What to poll."""
        return [self.socket]

    def descriptors(self) -> list[int]:
        return [int(self.socket.getsockopt(zmq.FD))]

    def await_room(self, wait_ns: int) -> None:
        self.socket.poll(wait_ns // NS_PER_MS, _POLLOUT)

    def await_news(self, wait_ns: int) -> None:
        self.socket.poll(wait_ns // NS_PER_MS + 1)

    def close(self, linger_ms: int | None = None) -> None:
        if self._monitor is not None:
            self.socket.disable_monitor()
            self._monitor.close(linger=0)
        self.socket.close(linger=linger_ms)


def read_subscriptions(socket: zmq.Socket[bytes], coverage: Coverage) -> list[News]:
    """Feed `coverage` with the subscription messages of an XPUB; how its peer came and went meanwhile."""
    news: list[News] = []
    try:
        for _ in range(BURST):
            covered = len(coverage) > 0
            coverage.feed(socket.recv(_NOBLOCK))
            if covered != (len(coverage) > 0):
                news.append(News.DOWN if covered else News.UP)
    except zmq.Again:
        pass
    return news


def send_now(socket: zmq.Socket[bytes], frame: bytes) -> bool:
    """Send without waiting; False when the socket takes no more."""
    try:
        socket.send(frame, _NOBLOCK)
    except zmq.Again:
        return False
    return True

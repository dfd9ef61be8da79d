"""Who is connected to one of the broker's endpoints, as its socket monitor tells, and how to end one connection.

libzmq tells nothing of a single peer of the C proxy, but its monitor names each connection's descriptor. Of that the
kernel knows how much has come in (TCP on Linux), what waits in it can be looked at without taking it from libzmq, and a
descriptor that is shut down is a peer that has left. A descriptor is only used after its peer's address has been
compared, since its number may stand for another one by now.
"""

from __future__ import annotations

import logging
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass

import zmq

from quotebus.bus.transport.zeromq.broker_limits import SUBSCRIBER_BURST_BYTES, SUBSCRIBER_BYTES_PER_S, SubscriberLimit
from quotebus.bus.transport.zeromq.monitor import read_monitor

log = logging.getLogger(__name__)

MONITORED: dict[int, str] = {
    zmq.EVENT_HANDSHAKE_SUCCEEDED: "connects",
    zmq.EVENT_DISCONNECTED: "disconnects",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "handshakes_failed",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "handshakes_failed",
}
_FAILED = [event for event, what in MONITORED.items() if what == "handshakes_failed"]
COUNTED = (*dict.fromkeys(MONITORED.values()), "cut", "refused")
"""What is counted of each endpoint, by name."""
EVENTS = zmq.EVENT_ACCEPTED | sum(MONITORED)
"""What the monitor must tell."""

_TCP_INFO_BYTES = 192
_BYTES_RECEIVED_AT = 128
"""Of `tcpi_bytes_received` in Linux's `struct tcp_info`."""
_DISCARD_BYTES, _DISCARDS = 64 << 10, 64
"""What is taken away from a connection that was cut, in one go and at most: what a kernel's receive buffer holds."""


@dataclass(slots=True)
class EndpointPeer:
    """One peer. `address`: its network address, or the process behind it where it has none."""

    descriptor: int
    address: object
    bytes_in: int = 0
    limit: SubscriberLimit | None = None
    ended: bool = False

    def __str__(self) -> str:
        """Host and port, where there are any."""
        if not isinstance(self.address, tuple):
            return "a peer"
        host, port, *_ = self.address
        return f"{host}:{port}"


class EndpointPeers:
    """The peers of one endpoint. `on_change` is told each descriptor that begins or ceases to stand for a peer."""

    def __init__(
        self,
        endpoint: str,
        monitor: zmq.Socket[bytes],
        descriptor_bound: int,
        *,
        bounded: bool = False,
        on_change: Callable[[int], None] = lambda _: None,
    ) -> None:
        """A descriptor of `descriptor_bound` or more is refused; with `bounded` what a peer sends has a bound."""
        self.endpoint = endpoint
        self.monitor = monitor
        self.counters = dict.fromkeys(COUNTED, 0)
        self.bytes_in = 0
        self._descriptor_bound = descriptor_bound
        self._bounded = bounded
        self._on_change = on_change
        self._peers: dict[int, EndpointPeer] = {}

    @property
    def peers(self) -> int:
        """Peers connected now, handshake done."""
        counted = self.counters
        return max(0, counted["connects"] - max(0, counted["disconnects"] - counted["handshakes_failed"]))

    def __contains__(self, descriptor: int) -> bool:
        return descriptor in self._peers

    def read(self) -> bool:
        """Take what the monitor has told; whether a peer came."""
        came = False
        for event, value in read_monitor(self.monitor):
            if event in MONITORED:
                self.counters[MONITORED[event]] += 1
            if event == zmq.EVENT_ACCEPTED:
                came = True
                self._begin(value)
            elif event == zmq.EVENT_DISCONNECTED:
                self._end(value)
                self._on_change(value)
            elif event in _FAILED:
                log.debug("%s: a connection that was no ZeroMQ peer", self.endpoint)
        return came

    def cut(self, descriptor: int) -> bool:
        """End a connection; False when it has ended already."""
        connection = self._peers.get(descriptor)
        if connection is None or connection.ended or not _shut_down(connection):
            return False
        connection.ended = True
        self.counters["cut"] += 1
        return True

    def check_bytes(self, now_ns: int) -> bool:
        """Cut who has sent more than a subscriber has to say; True while somebody sends much."""
        busy = False
        for connection in list(self._peers.values()):
            received = _bytes_received(connection)
            if received is None or received == connection.bytes_in:
                continue
            more, connection.bytes_in = received - connection.bytes_in, received
            self.bytes_in += more
            busy = busy or more > SUBSCRIBER_BYTES_PER_S
            if self._bounded:
                self._charge(connection, more, now_ns)
        return busy

    def _charge(self, connection: EndpointPeer, more: int, now_ns: int) -> None:
        if connection.ended:
            _discard(connection)  # the kernel goes on receiving, and libzmq ends only what it finds empty
            return
        if connection.limit is None:
            connection.limit = SubscriberLimit()
        if not connection.limit.spend(more, _waiting(connection), now_ns):
            self.cut(connection.descriptor)
            _discard(connection)

    def _begin(self, descriptor: int) -> None:
        self._on_change(descriptor)
        connection = EndpointPeer(descriptor, _address_of(descriptor))
        self._peers[descriptor] = connection
        log.debug("%s: %s connected", self.endpoint, connection)
        if descriptor >= self._descriptor_bound and _shut_down(connection):
            self.counters["refused"] += 1

    def _end(self, descriptor: int) -> None:
        if (connection := self._peers.pop(descriptor, None)) is not None:
            log.debug("%s: %s left", self.endpoint, connection)


def _borrow(descriptor: int) -> socket.socket | None:
    try:
        return socket.socket(fileno=descriptor)
    except OSError:
        return None


def _address_of(descriptor: int) -> object:
    borrowed = _borrow(descriptor)
    if borrowed is None:
        return None
    try:
        if borrowed.family == socket.AF_UNIX and sys.platform == "linux":
            return borrowed.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        return borrowed.getpeername()
    except OSError:
        return None
    finally:
        borrowed.detach()


def _shut_down(connection: EndpointPeer) -> bool:
    """Shut a connection down; its I/O thread finds it at its end, and closes it.

    Only what comes in ends: of a connection shut down both ways epoll tells a hang-up, also while libzmq has stopped to
    read it, and libzmq then aborts the process (`!_io_error`).
    """
    if connection.address is None or _address_of(connection.descriptor) != connection.address:
        return False
    borrowed = _borrow(connection.descriptor)
    if borrowed is None:
        return False
    try:
        borrowed.shutdown(socket.SHUT_RD)
    except OSError:
        return False
    finally:
        borrowed.detach()
    return True


def _bytes_received(connection: EndpointPeer) -> int | None:
    """What the kernel has received from this peer; None where it does not tell."""
    if sys.platform != "linux" or connection.address is None or isinstance(connection.address, bytes):
        return None
    borrowed = _borrow(connection.descriptor)
    if borrowed is None:
        return None
    try:
        if borrowed.getpeername() != connection.address:
            return None
        told = borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
    except OSError:
        return None
    finally:
        borrowed.detach()
    if len(told) < _BYTES_RECEIVED_AT + 8:
        return None
    return int(struct.unpack_from("=Q", told, _BYTES_RECEIVED_AT)[0])


def _waiting(connection: EndpointPeer) -> bytes:
    """What this peer has sent and libzmq has not read yet. It stays there."""
    return _receive(connection, SUBSCRIBER_BURST_BYTES, socket.MSG_PEEK)


def _discard(connection: EndpointPeer) -> None:
    """Take away what libzmq has not read yet: it reads on to the end, also of a connection that is shut down."""
    for _ in range(_DISCARDS):
        if not _receive(connection, _DISCARD_BYTES):
            return


def _receive(connection: EndpointPeer, limit: int, flags: int = 0) -> bytes:
    if _address_of(connection.descriptor) != connection.address:
        return b""
    borrowed = _borrow(connection.descriptor)
    if borrowed is None:
        return b""
    try:
        return borrowed.recv(limit, flags | socket.MSG_DONTWAIT)
    except OSError:
        return b""
    finally:
        borrowed.detach()

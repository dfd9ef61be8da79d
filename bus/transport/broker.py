"""The broker: sole binder of the bus's three endpoints.

Data crosses libzmq's own proxy in C, from the publish endpoint to the subscribe endpoint. Requests enter by a small
loop here that subscribes to the admitted kinds always, so that a client's first message finds a subscription, and
passes on nothing else, so that no client can forge a quote or a health.
"""

from __future__ import annotations

import logging
import os
import struct
import threading
from socket import AF_INET, SOCK_STREAM
from socket import socket as KernelSocket

import zmq

from quotebus.bus import topics
from quotebus.bus.clock import NS_PER_S, now_ns, utc_ns
from quotebus.bus.errors import ConfigError
from quotebus.bus.events import Counters
from quotebus.bus.process.open_files import allow_open_files
from quotebus.bus.sequence import Stamper, source_name
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.attendance import Attendance
from quotebus.bus.transport.publisher import send_now
from quotebus.bus.transport.sockets import Role, bind, make
from quotebus.bus.transport.subscriber import BURST, Change, drain, read_monitor

log = logging.getLogger(__name__)

_INPROC_ADMIT = "inproc://admit"
_INPROC_CONTROL = "inproc://proxy-control"
_OPEN_FILES = 65_536
_MONITORED: dict[int, str] = {
    zmq.EVENT_HANDSHAKE_SUCCEEDED: "connects",
    zmq.EVENT_DISCONNECTED: "disconnects",
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: "handshakes_failed",
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: "handshakes_failed",
}
_ENDPOINTS = ("publish", "subscribe", "request")
_STATISTICS = (
    "published_messages_in",
    "published_bytes_in",
    "subscriptions_out",
    "subscriptions_bytes_out",
    "subscriptions_in",
    "subscriptions_bytes_in",
    "published_messages_out",
    "published_bytes_out",
)
COUNTERS = (
    *("requests_admitted", "requests_dropped"),
    *(f"{endpoint}_{what}" for endpoint in _ENDPOINTS for what in dict.fromkeys(_MONITORED.values())),
)


class Broker:
    """Bound when constructed, running in `run` until `stop`. Raises ConfigError when an endpoint is taken."""

    def __init__(self, settings: BusSettings) -> None:
        allow_open_files(_OPEN_FILES)  # a broker out of descriptors spins in accept
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._stopping = threading.Event()
        self._stamper = Stamper(source_name("broker", int.from_bytes(os.urandom(3))))
        self._counters = dict.fromkeys(COUNTERS, 0)
        self._monitors: dict[zmq.Socket[bytes], str] = {}
        self._peers: dict[tuple[str, int], str] = {}
        self._attendance = Attendance()
        sockets = [
            make(self.context, role) for role in (Role.BROKER_PUBLISH, Role.BROKER_SUBSCRIBE, Role.BROKER_REQUEST)
        ]
        self._publish, self._subscribe, self._request = sockets
        wanted = (settings.bus_publish_url, settings.bus_subscribe_url, settings.bus_request_url)
        bound: list[str] = []
        for socket, url in zip(sockets, wanted, strict=True):
            try:
                bound.append(bind(socket, url))
            except zmq.ZMQError as error:
                self.context.destroy(linger=0)
                raise ConfigError(
                    f"cannot bind {url}: {zmq.strerror(error.errno or 0)}; is a broker already running?"
                ) from None
        self.publish_url, self.subscribe_url, self.request_url = bound
        for socket, endpoint in zip(sockets, _ENDPOINTS, strict=True):
            self._monitors[socket.get_monitor_socket(sum({*_MONITORED, zmq.EVENT_ACCEPTED}))] = endpoint
        for admitted in topics.ADMITTED_REQUEST_KINDS:
            exact = not admitted.endswith(".")
            self._request.subscribe(topics.prefix(admitted) if exact else admitted.encode())

    def stop(self) -> None:
        """End `run` within 100 ms; may be called from any thread and from a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Carry messages until `stop`, then close everything within a second."""
        self._publish.bind(_INPROC_ADMIT)
        admit = make(self.context, Role.BROKER_ADMIT)
        admit.connect(_INPROC_ADMIT)
        control = make(self.context, Role.PROXY_CONTROL)
        control.bind(_INPROC_CONTROL)
        proxy = threading.Thread(target=self._proxy, name="proxy")
        proxy.start()
        try:
            self._carry_requests(admit, control)
        finally:
            control.send(b"TERMINATE")
            proxy.join(timeout=2)
            self.context.destroy(linger=0)

    def _proxy(self) -> None:
        control = make(self.context, Role.PROXY_CONTROL)
        control.connect(_INPROC_CONTROL)
        zmq.proxy_steerable(self._publish, self._subscribe, None, control)
        for socket in (control, self._publish, self._subscribe):
            socket.close()

    def _carry_requests(self, admit: zmq.Socket[bytes], control: zmq.Socket[bytes]) -> None:
        poller = zmq.Poller()
        poller.register(self._request, zmq.POLLIN)
        poller.register(admit, zmq.POLLIN)
        for monitor in self._monitors:
            poller.register(monitor, zmq.POLLIN)
        next_counters_ns = now_ns() + NS_PER_S
        while not self._stopping.is_set():
            ready = dict(poller.poll(100))
            if admit in ready:
                for message in drain(admit, BURST):  # they must be read, or they pile up
                    self._attendance.on_subscription(message)
            if self._request in ready:
                self._admit(admit)
            for monitor in self._monitors:
                if monitor in ready:
                    self._watch(monitor)
            if now_ns() >= next_counters_ns:
                next_counters_ns = now_ns() + NS_PER_S
                self._send_counters(admit, control)
                for line in self._attendance.changes():
                    log.info("%s", line)
        self._request.close()
        admit.close()

    def _admit(self, admit: zmq.Socket[bytes]) -> None:
        for frame in drain(self._request, BURST):
            self._forward(admit, frame)

    def _forward(self, admit: zmq.Socket[bytes], frame: bytes) -> None:
        self._counters["requests_admitted" if send_now(admit, frame) else "requests_dropped"] += 1

    def _watch(self, monitor: zmq.Socket[bytes]) -> None:
        """Count who comes and goes."""
        endpoint = self._monitors[monitor]
        for change in read_monitor(monitor):
            if log.isEnabledFor(logging.DEBUG):
                self._log_peer(endpoint, change)
            if change.event in _MONITORED:
                self._counters[f"{endpoint}_{_MONITORED[change.event]}"] += 1

    def _log_peer(self, endpoint: str, change: Change) -> None:
        """One connection with its address, which the descriptor that a monitor tells of still has when it comes."""
        key = (endpoint, change.value)
        if change.event == zmq.EVENT_ACCEPTED:
            self._peers[key] = _peer_address(change.value)
            log.debug("%s: %s connected", endpoint, self._peers[key])
        elif change.event == zmq.EVENT_DISCONNECTED:
            log.debug("%s: %s left", endpoint, self._peers.pop(key, "a peer"))
        elif change.event in _MONITORED and _MONITORED[change.event] == "handshakes_failed":
            log.debug("%s: a connection that was no ZeroMQ peer", endpoint)

    def _send_counters(self, admit: zmq.Socket[bytes], control: zmq.Socket[bytes]) -> None:
        control.send(b"STATISTICS")
        counted = self._counters
        values = [struct.unpack("=Q", part)[0] for part in control.recv_multipart()]
        gauges = {
            f"{endpoint}_peers": max(0, counted[f"{endpoint}_connects"] - counted[f"{endpoint}_disconnects"])
            for endpoint in _ENDPOINTS
        }
        counters = {**counted, **gauges, **dict(zip(_STATISTICS, values, strict=True))}
        self._forward(admit, self._stamper.frame(Counters(program="broker", counters=counters), utc_ns()))


def _peer_address(descriptor: int) -> str:
    """Where the other end of a TCP connection of ZeroMQ's is."""
    try:
        with KernelSocket(AF_INET, SOCK_STREAM, fileno=os.dup(descriptor)) as connection:
            host, port = connection.getpeername()[:2]
    except (OSError, ValueError):  # gone already, or no TCP
        return "a peer"
    return f"{host}:{port}"

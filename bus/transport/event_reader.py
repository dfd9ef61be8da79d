"""Everything of some kinds that is said on the bus, in order, for a program that reads it in its own loop."""

from __future__ import annotations

import zmq

from quotebus.bus import codec
from quotebus.bus.clock import NS_PER_MS, now_ns
from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import Event
from quotebus.bus.transport.sockets import Role, make

_BATCH = 1_000


class EventReader:
    """A subscriber owned by the thread that makes it. `breaks` counts lost connections to the broker."""

    def __init__(self, subscribe_url: str, *prefixes: bytes) -> None:
        self.undecodable = 0
        self.breaks = 0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = make(self._context, Role.SUBSCRIBE)
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        for prefix in prefixes:
            self._socket.subscribe(prefix)
        self._socket.connect(subscribe_url)

    def take(self, timeout_s: float) -> list[Event]:
        """What has been said, waiting up to `timeout_s` for the first; what cannot be read is counted and dropped."""
        deadline_ns = now_ns() + int(timeout_s * 1e9)
        while not self._socket.poll(max(0, (deadline_ns - now_ns()) // NS_PER_MS)):
            self._watch()
            if now_ns() >= deadline_ns:
                return []
        self._watch()
        events: list[Event] = []
        try:
            for _ in range(_BATCH):
                frame = self._socket.recv(zmq.NOBLOCK)
                try:
                    events.append(codec.decode(frame))
                except UndecodableMessage:
                    self.undecodable += 1
        except zmq.Again:
            pass
        return events

    def close(self) -> None:
        self._socket.disable_monitor()
        self._monitor.close(linger=0)
        self._socket.close()
        self._context.destroy()

    def _watch(self) -> None:
        while self._monitor.poll(0):
            self._monitor.recv_multipart()
            self.breaks += 1

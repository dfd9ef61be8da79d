"""A player's two sockets: messages out at the publish endpoint, requests and health in from the subscribe endpoint."""

from __future__ import annotations

import os

import zmq

from quotebus.bus import codec, topics
from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns, utc_ns
from quotebus.bus.errors import ConfigError, UndecodableMessage
from quotebus.bus.events import ConnectionHealth, Counters, SymbolsRequested
from quotebus.bus.protocol import GRACE_NS
from quotebus.bus.sequence import Stamper, source_name
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.coverage import Coverage
from quotebus.bus.transport.sockets import Role, make

_BATCH = 256
_REACH_NS = 3 * NS_PER_S
_LINGER_MS = 5_000
Incoming = SymbolsRequested | ConnectionHealth


class PlayerSockets:
    """Made, used and closed by one thread."""

    def __init__(self, settings: BusSettings) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._stamper = Stamper(source_name("player", int.from_bytes(os.urandom(3))))
        self._coverage = Coverage()
        self._publisher = make(self._context, Role.PUBLISH)
        self._subscriber = make(self._context, Role.SUBSCRIBE)
        self._own = topics.prefix(topics.counters(self._stamper.source))
        for topic in (topics.prefix(topics.REQUESTED), b"health.", self._own):
            self._subscriber.subscribe(topic)
        self._settings = settings
        self._publisher.connect(settings.bus_publish_url)
        self._subscriber.connect(settings.bus_subscribe_url)
        self.undecodable = 0

    def reach(self) -> None:
        """Wait until a message of ours has come back, so that requests reach us too. Raises ConfigError."""
        deadline_ns = now_ns() + _REACH_NS
        while now_ns() < deadline_ns:
            self._read_coverage()
            if self._coverage.covers(self._own):
                self.send(self._stamper.frame(Counters(program="player", counters={}), utc_ns()))
            if self._subscriber.poll(50) and self._subscriber.recv().startswith(self._own):
                self._subscriber.unsubscribe(self._own)
                return
        raise ConfigError(f"no broker answers at {self._settings.bus_publish_url}")

    @property
    def connected(self) -> bool:
        """Whether a broker takes what is sent, as of the last `listen`: it always wants our own subscriptions."""
        return bool(self._coverage)

    def listen(self, wait_ns: int) -> list[Incoming]:
        """Requests and healths that have come, waiting for the first for at most so long (in whole milliseconds)."""
        heard: list[Incoming] = []
        self._subscriber.poll(max(0, wait_ns // NS_PER_MS))
        self._read_coverage()
        try:
            for _ in range(_BATCH):
                event = self._decode(self._subscriber.recv(zmq.NOBLOCK))
                if isinstance(event, (SymbolsRequested, ConnectionHealth)):
                    heard.append(event)
        except zmq.Again:
            pass
        return heard

    def send(self, frame: bytes) -> bool:
        """Send; False when the broker takes no more at the moment."""
        try:
            self._publisher.send(frame, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def await_room(self, wait_ns: int) -> None:
        """Wait until the broker takes more, for at most so long."""
        self._publisher.poll(wait_ns // NS_PER_MS, zmq.POLLOUT)

    def await_subscription(self, frame: bytes) -> None:
        """Wait until somebody has subscribed to this frame's topic, for at most the publisher's grace."""
        deadline_ns = now_ns() + GRACE_NS
        while not self._coverage.covers(frame) and (left_ns := deadline_ns - now_ns()) > 0:
            self._publisher.poll(left_ns // NS_PER_MS + 1)
            self._read_coverage()

    def close(self) -> None:
        """Send what still waits, within five seconds, and close."""
        self._subscriber.close()
        self._publisher.close(linger=_LINGER_MS)
        self._context.term()

    def _read_coverage(self) -> None:
        try:
            while True:
                self._coverage.feed(self._publisher.recv(zmq.NOBLOCK))
        except zmq.Again:
            return

    def _decode(self, frame: bytes) -> object:
        try:
            return codec.decode(frame)
        except UndecodableMessage:
            self.undecodable += 1
            return None

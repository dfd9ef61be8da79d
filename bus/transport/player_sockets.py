"""A player's two sockets: messages out at the publish endpoint, requests and health in from the subscribe endpoint."""

from __future__ import annotations

import os

from quotebus.bus import codec, topics
from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns, utc_ns
from quotebus.bus.errors import ConfigError, UndecodableMessage
from quotebus.bus.events import ConnectionHealth, Counters, SymbolsRequested
from quotebus.bus.sequence import Stamper, source_name
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.engines import find_own_name, open_engine
from quotebus.bus.transport.patient_publisher import PatientPublisher

_BATCH = 256
_REACH_NS = 3 * NS_PER_S
_LINGER_MS = 5_000
Incoming = SymbolsRequested | ConnectionHealth


class PlayerSockets:
    """Made, used and closed by one thread."""

    def __init__(self, settings: BusSettings) -> None:
        self.undecodable = 0
        self._engine = open_engine(settings.bus_address)
        own = find_own_name(settings.bus_address) or "player"
        self._stamper = Stamper(source_name(own, int.from_bytes(os.urandom(3))))
        self._own = topics.prefix(topics.counters(self._stamper.source))
        self._requester = PatientPublisher(self._engine.publisher())
        self._subscriber = self._engine.subscriber((topics.prefix(topics.REQUESTED), b"health.", self._own))
        self._subscriber.connect()

    def reach(self) -> None:
        """Wait until a message of ours has come back, so that requests reach us too. Raises ConfigError."""
        deadline_ns = now_ns() + _REACH_NS
        while now_ns() < deadline_ns:
            self._requester.look()
            if self._requester.publisher.covers(self._own):
                self.send(self._stamper.frame(Counters(program="player", counters={}), utc_ns()))
            self._subscriber.await_frame(50 * NS_PER_MS)
            if any(frame.startswith(self._own) for frame in self._subscriber.take(1)):
                self._subscriber.unsubscribe((self._own,))
                return
        raise ConfigError(f"no broker answers at {self._engine.place}")

    @property
    def connected(self) -> bool:
        """Whether a broker takes what is sent, as of the last `listen`: it always wants our own subscriptions."""
        return self._requester.connected

    def listen(self, wait_ns: int) -> list[Incoming]:
        """Requests and healths that have come, waiting for the first for at most so long (in whole milliseconds)."""
        self._subscriber.await_frame(wait_ns)
        self._requester.look()
        events = [self._decode(frame) for frame in self._subscriber.take_whole(_BATCH)]
        return [event for event in events if isinstance(event, (SymbolsRequested, ConnectionHealth))]

    def send(self, frame: bytes) -> bool:
        """Send; False when the broker takes no more at the moment."""
        return self._requester.send(frame)

    def await_room(self, wait_ns: int) -> None:
        """Wait until the broker takes more, for at most so long."""
        self._requester.publisher.await_room(wait_ns)

    def await_subscription(self, frame: bytes) -> None:
        """Wait until somebody has subscribed to this frame's topic, for at most the publisher's grace."""
        self._requester.await_coverage(frame)

    def close(self) -> None:
        """Send what still waits, within five seconds, and close."""
        self._subscriber.close()
        self._requester.close(_LINGER_MS)
        self._engine.close()

    def _decode(self, frame: bytes) -> object:
        try:
            return codec.decode(frame)
        except UndecodableMessage:
            self.undecodable += 1
            return None

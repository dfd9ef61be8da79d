"""A recorder's two sockets: it hears topics by prefix, and can send events to the request endpoint."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from quotebus.bus.clock import NS_PER_MS, utc_ns
from quotebus.bus.events import Event
from quotebus.bus.sequence import Stamper
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.engines import open_engine
from quotebus.bus.transport.patient_publisher import PatientPublisher

_BATCH_BYTES = 4 << 20
_OUTBOX_BOUND = 100


class RecorderSockets:
    """Two sockets of one thread. It asks for nothing and holds no lease, so nobody notices whether it is there."""

    def __init__(self, settings: BusSettings, source: str, topics: Iterable[str] = ()) -> None:
        """Connect in the background. `topics`: prefixes to hear; none means everything."""
        self.dropped = 0
        """Events that could not be sent: no broker listened for long."""
        self._stamper = Stamper(source)
        self._outbox: deque[Event] = deque()
        self._engine = open_engine(settings.bus_address)
        self._subscriber = self._engine.subscriber([topic.encode() for topic in tuple(topics) or ("",)])
        self._subscriber.connect()
        self._requester = PatientPublisher(self._engine.requester())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        """Whether a broker listens to us, as of the last `send`."""
        return self._requester.connected

    @property
    def not_subscribed(self) -> int:
        """Messages dropped: parts of a message whose first part has a topic that was asked for, and they have not."""
        return self._subscriber.not_subscribed

    @property
    def forged(self) -> int:
        """Messages dropped: in another's name than that of the user who sent them."""
        return self._subscriber.forged

    def receive(self, limit: int, timeout_ms: int) -> list[bytes]:
        """Up to `limit` frames, or 4 MiB of them; waits for the first one. Empty after `timeout_ms`."""
        frames = self._subscriber.take_bytes(limit, _BATCH_BYTES)
        if not frames and self._subscriber.await_frame(timeout_ms * NS_PER_MS):
            frames = self._subscriber.take_bytes(limit, _BATCH_BYTES)
        return self._subscriber.keep_asked(frames)

    def publish(self, event: Event) -> None:
        """Queue an event for `send`; the oldest one goes when nothing can be sent for long."""
        if len(self._outbox) >= _OUTBOX_BOUND:
            self._outbox.popleft()
            self.dropped += 1
        self._outbox.append(event)

    def send(self) -> bool:
        """Send what is queued, once the broker listens or has been waited for; True when all is gone."""
        self._requester.look()
        if not self._requester.may_send():
            return not self._outbox
        while self._outbox:
            if not self._requester.send(self._stamper.frame(self._outbox[0], utc_ns())):
                self.dropped += len(self._outbox)  # no broker: what is said each second will be said again
                self._outbox.clear()
                break
            self._outbox.popleft()
        return True

    def close(self) -> None:
        """Close both sockets; a last message gets half a second to leave."""
        self._subscriber.close()
        self._requester.close()
        self._engine.close()

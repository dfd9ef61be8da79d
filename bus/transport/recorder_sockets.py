"""A plain subscriber with a voice of its own: hears topics by prefix, and can send events to the request endpoint."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Self

import zmq

from quotebus.bus.clock import now_ns, utc_ns
from quotebus.bus.events import Event
from quotebus.bus.protocol import GRACE_NS
from quotebus.bus.sequence import Stamper
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.coverage import Coverage
from quotebus.bus.transport.sockets import Role, make

_BATCH_BYTES = 4 << 20
_OUTBOX_BOUND = 100


class RecorderSockets:
    """Two sockets of one thread. It asks for nothing and holds no lease, so nobody notices whether it is there."""

    def __init__(self, settings: BusSettings, source: str, topics: Iterable[str] = ()) -> None:
        """Connect in the background. `topics`: prefixes to hear; none means everything."""
        self.dropped = 0
        self._stamper = Stamper(source)
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._subscriber, self._requester = (make(self._context, role) for role in (Role.SUBSCRIBE, Role.REQUEST))
        for topic in tuple(topics) or ("",):
            self._subscriber.subscribe(topic.encode())
        self._subscriber.connect(settings.bus_subscribe_url)
        self._requester.connect(settings.bus_request_url)
        self._coverage = Coverage()
        self._outbox: deque[Event] = deque()
        self._send_after_ns = now_ns() + GRACE_NS

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        """Whether a broker listens to us, as of the last `send`."""
        return bool(self._coverage)

    def receive(self, limit: int, timeout_ms: int) -> list[bytes]:
        """Up to `limit` frames, or 4 MiB of them; waits for the first one. Empty after `timeout_ms`."""
        receive = self._subscriber.recv
        frames: list[bytes] = []
        size = 0
        try:
            while len(frames) < limit and size < _BATCH_BYTES:
                frames.append(receive(zmq.NOBLOCK))
                size += len(frames[-1])
        except zmq.Again:
            if not frames and self._subscriber.poll(timeout_ms):
                return self.receive(limit, 0)
        return frames

    def publish(self, event: Event) -> None:
        """Queue an event for `send`; the oldest one goes when nothing can be sent for long."""
        if len(self._outbox) >= _OUTBOX_BOUND:
            self._outbox.popleft()
            self.dropped += 1
        self._outbox.append(event)

    def send(self) -> bool:
        """Send what is queued, once the broker listens or that was waited for; True when all is gone."""
        while self._requester.poll(0):
            self._coverage.feed(self._requester.recv())
        if not self._coverage and now_ns() < self._send_after_ns:
            return not self._outbox
        while self._outbox:
            try:
                self._requester.send(self._stamper.frame(self._outbox[0], utc_ns()), zmq.NOBLOCK)
            except zmq.Again:
                self._outbox.clear()  # no broker: what is said each second will be said again
                self.dropped += 1
                break
            self._outbox.popleft()
        return True

    def close(self) -> None:
        """Close both sockets; a last message gets half a second to leave."""
        self._subscriber.close()
        self._requester.close()
        self._context.term()

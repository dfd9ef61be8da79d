"""The events of some kinds, in order, for a program that reads them in its own loop."""

from __future__ import annotations

from quotebus.bus import codec
from quotebus.bus.address import BusAddress
from quotebus.bus.clock import now_ns, seconds
from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import Event
from quotebus.bus.transport.engines import open_engine
from quotebus.bus.transport.line import News

_BATCH = 1_000


class EventReader:
    """A subscriber owned by the thread that makes it. `breaks` counts lost connections to the broker.

    `undecodable`, `multipart` and `forged` count what was dropped: it could not be read, had more than one part, or was
    in another's name than its sender's.
    """

    def __init__(self, address: BusAddress, *prefixes: bytes) -> None:
        self.undecodable = 0
        self.breaks = 0
        self._engine = open_engine(address)
        self._subscriber = self._engine.subscriber(prefixes, watched=True)
        self._subscriber.connect()

    def take(self, timeout_s: float) -> list[Event]:
        """What has come, waiting up to `timeout_s` for the first; what cannot be read is counted and dropped."""
        deadline_ns = now_ns() + seconds(timeout_s)
        while not self._subscriber.await_frame(deadline_ns - now_ns()):
            self._count_breaks()
            if now_ns() >= deadline_ns:
                return []
        self._count_breaks()
        events: list[Event] = []
        for frame in self._subscriber.take_whole(_BATCH):
            try:
                events.append(codec.decode(frame))
            except UndecodableMessage:
                self.undecodable += 1
        return events

    @property
    def multipart(self) -> int:
        """Messages dropped because they had more than one part."""
        return self._subscriber.multipart

    @property
    def forged(self) -> int:
        """Messages dropped because they were in another's name than that of the user who sent them."""
        return self._subscriber.forged

    def close(self) -> None:
        self._subscriber.close()
        self._engine.close()

    def _count_breaks(self) -> None:
        self.breaks += self._subscriber.news().count(News.DOWN)

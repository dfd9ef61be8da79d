"""The node's reading end of the bus: healths at once, requests into the inbox, what cannot be read into the log."""

from __future__ import annotations

import logging
from collections.abc import Callable

from quotebus.bus import codec
from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import ConnectionHealth, SymbolsRequested
from quotebus.bus.transport.line import Subscriber
from quotebus.pricing.counters import ControlCounters
from quotebus.pricing.inbox import Inbox

log = logging.getLogger(__name__)
MOST = 4_096
"""Messages read before the next requests are answered: about 60 ms of work."""
_BATCH = 32


class BusReader:
    """Reads on though requests wait for their answers: the broker throws away what is left with it for too long, and
    the connection to a server that hears nothing of us is lost.
    """

    def __init__(
        self,
        subscriber: Subscriber,
        counters: ControlCounters,
        on_health: Callable[[ConnectionHealth], None],
        give_way: Callable[[], None],
    ) -> None:
        """`give_way` is called before each piece of the work."""
        self.inbox = Inbox()
        self._subscriber = subscriber
        self._counters = counters
        self._on_health = on_health
        self._give_way = give_way
        self._told_unreadable = False

    def read(self) -> bool:
        """Take what has come, up to a bound; True when more waits."""
        for _ in range(0, MOST, _BATCH):
            if self.inbox.is_full:
                break
            self._give_way()
            frames = self._subscriber.take_whole(_BATCH)
            for frame in frames:
                self._take(frame)
            if len(frames) < _BATCH and not self._subscriber.has_unread():
                return False
        return True

    def _take(self, frame: bytes) -> None:
        try:
            event = codec.decode(frame)
        except UndecodableMessage as error:
            self._note_undecodable(error)
            return
        if type(event) is SymbolsRequested:
            self._counters.add("requests")
            self.inbox.put(event)
        elif type(event) is ConnectionHealth:
            self._on_health(event)

    def _note_undecodable(self, error: UndecodableMessage) -> None:
        if self._counters.count_undecodable(error):
            log.warning("dropped a message of another wire version (%s); further ones are only counted", error)
        elif error.kind != "version" and not self._told_unreadable:
            self._told_unreadable = True
            log.warning("dropped a message that cannot be read (%s); further ones are only counted", error)

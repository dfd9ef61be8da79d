"""Who listens to a replay and how far each has come, so that a fast replay never runs away from a consumer.

A consumer of a replay asks anew from time to time, and each new request shows that it has read what was sent before the
answer to its former one: both travel the same way. The player lets nobody fall further behind than a window that the
broker's queues can hold, so that nothing is dropped at any speed. Pure.
"""

from __future__ import annotations

from quotebus.bus import topics
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.consumer import REPLAYED
from quotebus.bus.events import SymbolsRequested

WINDOW = 20_000
"""Messages that may be under way to one consumer: well below the high-water mark of 50,000, well above RENEW_EVERY."""
PATIENCE_NS = 5 * NS_PER_S
"""A consumer that is this long at the end of its window is taken to be gone."""
MAX_LISTENERS = 1_000


class FlowWindow:
    """One consumer: how many messages were sent to it, and how many of them it has certainly read."""

    def __init__(self, request: SymbolsRequested) -> None:
        self.request = request
        self.sent = 0
        self.read = 0
        self.answered_at = 0

    @property
    def full(self) -> bool:
        return self.sent - self.read >= WINDOW


class FlowControl:
    """All consumers of a replay. Those that follow live prices are none: they take nothing replayed."""

    def __init__(self) -> None:
        self.listeners: dict[str, FlowWindow] = {}
        self.lost = 0
        self._by_topic: dict[bytes, tuple[FlowWindow, ...]] = {}
        self._full_since_ns: int | None = None

    def on_request(self, request: SymbolsRequested) -> None:
        """Take note of a request; call before it is answered."""
        if not request.source.startswith(REPLAYED):
            return
        listener = self.listeners.get(request.client)
        if not request.symbols:
            self._drop(request.client)
        elif listener is None or listener.request.source != request.source:
            if len(self.listeners) < MAX_LISTENERS:
                self.listeners[request.client] = FlowWindow(request)
                self._by_topic.clear()
        elif request.request_id != listener.request.request_id:
            listener.read = max(listener.read, listener.answered_at)
            if request.symbols != listener.request.symbols or request.channels != listener.request.channels:
                self._by_topic.clear()
            listener.request = request

    def on_answered(self, client: str) -> None:
        """The answer to this client's newest request is on its way."""
        listener = self.listeners.get(client)
        if listener is not None:
            listener.answered_at = listener.sent

    def on_sent(self, frame: bytes) -> None:
        """A message was sent to whoever subscribed to its topic."""
        topic = frame[: frame.find(topics.END) + 1]
        hearing = self._by_topic.get(topic)
        if hearing is None:
            hearing = self._by_topic[topic] = self._hearing(topic)
        for listener in hearing:
            listener.sent += 1

    def must_wait(self, now_ns: int) -> bool:
        """Whether somebody is at the end of its window; who stays there for too long is let go and counted."""
        full = [client for client, listener in self.listeners.items() if listener.full]
        if not full:
            self._full_since_ns = None
            return False
        if self._full_since_ns is None:
            self._full_since_ns = now_ns
        if now_ns - self._full_since_ns <= PATIENCE_NS:
            return True
        for client in full:
            self._drop(client)
            self.lost += 1
        self._full_since_ns = None
        return False

    def _drop(self, client: str) -> None:
        if self.listeners.pop(client, None) is not None:
            self._by_topic.clear()

    def _hearing(self, topic: bytes) -> tuple[FlowWindow, ...]:
        kind, _, rest = topic[:-1].decode("ascii", "replace").partition(".")
        if kind == "health":
            return tuple(self.listeners.values())
        return tuple(
            listener
            for listener in self.listeners.values()
            if rest in listener.request.symbols
            and (kind in ("quote", "symbol") or (kind == "trade" and "trades" in listener.request.channels))
        )

"""How far each consumer of a replay has read, so that a fast replay never outruns one. Pure.

A consumer of a replay repeats its request from time to time. A new request proves that it has read everything sent
before the answer to its previous one, since both travel the same way. The player lets no consumer fall further behind
than a window that the broker's queues can hold, so nothing is dropped at any speed.
"""

from __future__ import annotations

from quotebus.bus import topics
from quotebus.bus.clock import NS_PER_S
from quotebus.bus.consumer import REPLAYED
from quotebus.bus.events import SymbolsRequested

WINDOW = 20_000
"""Most messages in flight to one consumer: well below the high-water mark of 50,000, well above RENEW_EVERY."""
PATIENCE_NS = 5 * NS_PER_S
"""A consumer whose window has been full for this long is taken to be gone."""
MAX_CONSUMERS = 1_000


class FlowWindow:
    """One consumer: how many messages were sent to it, and how many it has certainly read."""

    def __init__(self, request: SymbolsRequested) -> None:
        self.request = request
        self.sent = 0
        self.read = 0
        self.answered_at = 0

    @property
    def full(self) -> bool:
        return self.sent - self.read >= WINDOW


class FlowControl:
    """The windows of all consumers of a replay. Clients of live prices have none: they ignore what is replayed."""

    def __init__(self) -> None:
        self.windows: dict[str, FlowWindow] = {}
        self.lost = 0
        self._by_topic: dict[bytes, tuple[FlowWindow, ...]] = {}
        self._full_since_ns: int | None = None

    def on_request(self, request: SymbolsRequested) -> None:
        """Note a request. Call before answering it."""
        if not request.source.startswith(REPLAYED):
            return
        window = self.windows.get(request.client)
        if not request.symbols:
            self._drop(request.client)
        elif window is None or window.request.source != request.source:
            if len(self.windows) < MAX_CONSUMERS:
                self.windows[request.client] = FlowWindow(request)
                self._by_topic.clear()
        elif request.request_id != window.request.request_id:
            window.read = max(window.read, window.answered_at)
            if request.symbols != window.request.symbols or request.channels != window.request.channels:
                self._by_topic.clear()
            window.request = request

    def on_answered(self, client: str) -> None:
        """Note that the answer to this client's newest request was sent."""
        window = self.windows.get(client)
        if window is not None:
            window.answered_at = window.sent

    def on_sent(self, frame: bytes) -> None:
        """Count a message as sent to every consumer that subscribes to its topic."""
        topic = frame[: frame.find(topics.END) + 1]
        receivers = self._by_topic.get(topic)
        if receivers is None:
            receivers = self._by_topic[topic] = self._find_receivers(topic)
        for window in receivers:
            window.sent += 1

    def must_wait(self, now_ns: int) -> bool:
        """Whether a window is full. A consumer whose window stays full for too long is dropped and counted."""
        full = [client for client, window in self.windows.items() if window.full]
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
        if self.windows.pop(client, None) is not None:
            self._by_topic.clear()

    def _find_receivers(self, topic: bytes) -> tuple[FlowWindow, ...]:
        kind, _, rest = topic[:-1].decode("ascii", "replace").partition(".")
        if kind == "health":
            return tuple(self.windows.values())
        return tuple(
            window
            for window in self.windows.values()
            if rest in window.request.symbols
            and (kind in ("quote", "symbol") or (kind == "trade" and "trades" in window.request.channels))
        )

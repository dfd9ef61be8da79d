"""How long a first message waits for the broker's subscription to it.

A message that is sent before that has arrived is gone without a trace. It waits for at most `bus.protocol.GRACE_NS`,
again after every loss of the broker, and is then sent anyway: the protocol repeats what matters.
"""

from __future__ import annotations

from quotebus.bus.clock import now_ns
from quotebus.bus.protocol import GRACE_NS
from quotebus.bus.transport.line import News, Publisher


class PatientPublisher:
    """A publisher with its grace. Owned by the thread that makes it."""

    def __init__(self, publisher: Publisher) -> None:
        """Connect in the background, and again after every loss; the grace begins now."""
        self.publisher = publisher
        publisher.connect()
        self.grace_ends_ns = now_ns() + GRACE_NS

    def look(self) -> None:
        """Take what the broker has subscribed to and withdrawn; when it went, the grace begins anew."""
        if News.DOWN in self.publisher.news():
            self.grace_ends_ns = now_ns() + GRACE_NS

    @property
    def connected(self) -> bool:
        """Whether a broker listens, as of the last `look`."""
        return self.publisher.connected

    def may_send(self) -> bool:
        """Whether a broker listens, or has been waited for."""
        return self.publisher.connected or now_ns() >= self.grace_ends_ns

    def skip_grace(self) -> None:
        """Wait for nobody: the program ends."""
        self.grace_ends_ns = 0

    def send(self, frame: bytes) -> bool:
        """Send; False when the broker takes no more at the moment, or is not there."""
        sent = self.publisher.send(frame)
        self.publisher.flush()
        return sent

    def await_coverage(self, frame: bytes) -> None:
        """Wait until somebody has subscribed to this frame's topic, for at most the grace."""
        deadline_ns = now_ns() + GRACE_NS
        while not self.publisher.covers(frame) and (left_ns := deadline_ns - now_ns()) > 0:
            self.publisher.await_news(left_ns)
            self.look()

    def close(self, linger_ms: int | None = None) -> None:
        """Close; what still waits gets `linger_ms`, by default what the engine gives a requester, to leave."""
        self.publisher.close(linger_ms)

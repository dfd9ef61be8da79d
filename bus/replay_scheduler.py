"""Acts at instants of the stream for a consumer: every decision then depends on the messages alone.

An instant is a multiple of the interval in the publishers' time. It is reached when the first message published at or
after it comes; what is decided there knows exactly the messages before that one. So neither the speed of a replay, nor
a pause, nor the machine has any part in it. Pure.
"""

from __future__ import annotations

from collections.abc import Callable

from quotebus.bus import codec, topics
from quotebus.bus.consumer import REPLAYED, Consumer
from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import Event
from quotebus.bus.sequence import Stamper
from quotebus.bus.stream_clock import STEP_NS

MAX_INSTANTS = 1_000
"""After a hole in the stream no more than so many instants are made up for; the others are skipped."""
SKIPPED = "instants_skipped"
"""The counter of those, among the consumer's."""
Act = Callable[[int], list[Event]]
"""What to publish at an instant of the stream, UTC nanoseconds."""


class ReplayScheduler:
    """Feeds a consumer of a replay and calls `act` at each instant, from the first answer on."""

    def __init__(self, consumer: Consumer, interval_ns: int, act: Act) -> None:
        self._consumer = consumer
        consumer.counters[SKIPPED] = 0
        self._interval_ns = interval_ns
        self._act = act
        self._next_ns: int | None = None
        # Without chance in it, and of the stream's time: the same decisions are the same bytes.
        self._stamper = Stamper(f"{REPLAYED}{consumer.interest.client}")

    def take(self, frames: list[bytes], received_ns: int) -> list[bytes]:
        """Frames in the order they came; the frames to send."""
        said: list[bytes] = []
        for frame in frames:
            said += self._reach(frame)
            self._consumer.receive([frame], received_ns)
        return said

    def _reach(self, frame: bytes) -> list[bytes]:
        if not self._consumer.joined or frame.startswith(topics.ACKNOWLEDGED.encode()):
            return []
        try:
            _, envelope = codec.envelope(frame)
        except UndecodableMessage:
            return []
        if not envelope.source.startswith(REPLAYED):
            return []
        stream_ns = self._consumer.stream.peek(envelope.published_ns)
        if self._next_ns is None or self._next_ns > stream_ns + self._interval_ns + STEP_NS:
            self._next_ns = self._after(stream_ns)
        said: list[bytes] = []
        for _ in range(MAX_INSTANTS):
            if self._next_ns > stream_ns:
                return said
            said += [self._stamper.frame(event, self._next_ns) for event in self._act(self._next_ns)]
            self._next_ns += self._interval_ns
        if self._next_ns <= stream_ns:
            self._consumer.counters[SKIPPED] += (stream_ns - self._next_ns) // self._interval_ns + 1
            self._next_ns = self._after(stream_ns)
        return said

    def _after(self, published_ns: int) -> int:
        return (published_ns // self._interval_ns + 1) * self._interval_ns

"""A recording in the place of a client's sockets: it is played as far as the client waits, and no further.

Time is the recording's. Nothing happens unless the caller waits for something: a quote, an answer, some seconds. Then
one message after the other is read, until what was waited for is there. So a strategy misses nothing however slow it
is, and does the same each time.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator

from quotebus.bus import codec
from quotebus.bus.capture.format.captured import Captured
from quotebus.bus.capture.reader import Capture
from quotebus.bus.capture.replay.playback import Playback
from quotebus.bus.capture.replay.player import LOOK_BACK_NS
from quotebus.bus.clock import now_ns, seconds
from quotebus.bus.consumer import Consumer
from quotebus.bus.events import Event, SymbolsRequested
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.client_sockets import BlockingSockets, ClientSockets, LoopSockets

log = logging.getLogger(__name__)
TURN = 256
"""A task lets the rest of its loop run after so many messages."""


class ReplayedSockets(ClientSockets):
    """Plays a capture to one consumer. `play_next` is the only thing that moves it on."""

    def __init__(self, capture: Capture, from_ns: int | None, to_ns: int | None, consumer: Consumer) -> None:
        super().__init__(BusSettings.model_construct(), consumer)
        self.published: list[Event] = []
        self._capture = capture
        self._playback = Playback()
        self._playing = threading.RLock()
        self._ended = False
        self._entries = self._playback.look_ahead(self._read(from_ns, to_ns))
        self._next = next(self._entries, None)
        self._at_ns = now_ns() if self._next is None else self._next.received_ns
        consumer.stream.advance(0 if self._next is None else self._next.published_ns)

    def _read(self, from_ns: int | None, to_ns: int | None) -> Iterator[Captured]:
        """What is to be played; the minute before it is read for the quotes and states that stood then."""
        before_ns = None if from_ns is None else from_ns - LOOK_BACK_NS
        for captured in self._capture.read(before_ns, to_ns):
            if from_ns is not None and captured.received_ns < from_ns:
                self._playback.make_frame(captured)
                continue
            yield captured

    @property
    def is_over(self) -> bool:
        return self._closing or self._ended

    def play_next(self, until_ns: int | None = None) -> bool:
        """Play one message, or let the time reach `until_ns` if none came before it; False at the end."""
        with self._playing:
            captured = self._next
            if self._closing or captured is None:
                self._end()
                return False
            if until_ns is not None and captured.received_ns > until_ns:
                self._consumer.stream.advance(until_ns)
                return True
            self._at_ns = captured.received_ns
            frame = self._playback.make_frame(captured)
            if frame is not None and self._hears(frame):
                self._deliver([frame], self._at_ns)
            self._ask()
            self._next = next(self._entries, None)
            return True

    def _end(self) -> None:
        if self.is_over:
            return
        self._ended = True
        with self.lock:
            self._end_feeds()
        for damage in self._capture.damages:
            log.warning("%s: %s", self._name, damage)

    def _hears(self, frame: bytes) -> bool:
        wanted = self._consumer.topics()
        topic = frame[: frame.find(b"\0") + 1]
        return topic in wanted or any(topic.startswith(each) for each in wanted if each[-1:] == b".")

    def _ask(self) -> None:
        """Have the recording answer what the consumer asks, at this place of it."""
        with self.lock:
            request = self._consumer.take_due(self._at_ns, self._at_ns)
        if request is None:
            return
        event = codec.decode(request)
        assert isinstance(event, SymbolsRequested)
        self._consumer.joined = False  # every answer counts, since its place in the stream is no chance here
        for frame in self._playback.answer(event):
            self._deliver([frame], self._at_ns)

    # what a client asks of its sockets

    def wake(self) -> None:
        """Answer what is asked for at once: a request is due by the clock of this boot, long before the recording's."""
        with self._playing:
            self._ask()

    def drain(self, timeout_s: float) -> bool:  # noqa: ARG002 -- nothing is on its way
        return not self._closing

    def abandon(self) -> bool:
        return False

    def publish(self, event: Event) -> bool:
        """Keep it, numbered and stamped with the recording's time; nobody else hears it."""
        with self.lock:
            frame = self._consumer.stamper.frame(event, self._consumer.stream_ns)
        self.published.append(codec.decode(frame))
        return True

    def _notify(self) -> None:
        pass

    def _begin_close(self) -> None:
        with self._playing:
            self._closing = True
            with self.lock:
                self._end_feeds()

    def _until_ns(self, timeout_s: float | None) -> int | None:
        return None if timeout_s is None else self._consumer.stream_ns + seconds(timeout_s)


class BlockingReplay(ReplayedSockets, BlockingSockets):
    """For a client whose methods block."""

    def wait(self, done: Callable[[], bool], timeout_s: float | None) -> bool:
        until_ns = self._until_ns(timeout_s)
        while not (finished := self._is_done(done)):
            if (until_ns is not None and self._consumer.stream_ns >= until_ns) or not self.play_next(until_ns):
                return self._is_done(done)
        return finished

    def _is_done(self, done: Callable[[], bool]) -> bool:
        with self.lock:
            return done() or self._closing

    def close(self) -> None:
        self._begin_close()


class LoopReplay(ReplayedSockets, LoopSockets):
    """For a client whose methods are awaited."""

    def start(self) -> None:
        """There is nothing to connect to."""

    async def wait(self, done: Callable[[], bool], timeout_s: float | None) -> bool:
        until_ns = self._until_ns(timeout_s)
        played = 0
        while not (done() or self._closing):
            if (until_ns is not None and self._consumer.stream_ns >= until_ns) or not self.play_next(until_ns):
                break
            played += 1
            if played % TURN == 0:
                await asyncio.sleep(0)
        return done() or self._closing

    async def close(self) -> None:
        self._begin_close()

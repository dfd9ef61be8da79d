"""A bus without sockets or threads that plays a capture to consumers in one process, for tests and notebooks.

    with Capture(path) as capture:
        bus = InProcessBus(capture)
        consumer = bus.consumer("notebook", ["SPY", "QQQ"])
        for event in bus.play():
            print(consumer.book.assess("SPY", consumer.stream_ns).usable)

Consumers receive the same messages and answers as from `quotebus replay`. Pure: time is the capture's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from quotebus.bus import codec
from quotebus.bus.book import MAX_AGE_NS
from quotebus.bus.capture.format.captured import Captured
from quotebus.bus.capture.replay.playback import Playback
from quotebus.bus.consumer import REPLAYED, Consumer
from quotebus.bus.errors import UndecodableMessage
from quotebus.bus.events import Event, SymbolsRequested

Take = Callable[[list[bytes], int], list[bytes]]
"""Takes frames and their receive time; returns the frames published in response. `ReplayScheduler.take` is one."""


@dataclass(slots=True)
class _Seat:
    consumer: Consumer
    take: Take
    topics: frozenset[bytes] = field(default_factory=frozenset)


class InProcessBus:
    """Plays once. `published` collects what the consumers published, in order, except their requests."""

    def __init__(self, entries: Iterable[Captured]) -> None:
        self.published: list[bytes] = []
        self._playback = Playback()
        self._entries = entries
        self._seats: list[_Seat] = []

    def consumer(
        self, client: str, symbols: list[str], *, channels: tuple[str, ...] = ("quotes",), max_age_ns: int = MAX_AGE_NS
    ) -> Consumer:
        """Make a consumer of these symbols and seat it."""
        consumer = Consumer(client, f"{REPLAYED}{client}", jitter=0, max_age_ns=max_age_ns, replayed=True)
        consumer.request(symbols, channels, 0, 0)

        def take(frames: list[bytes], received_ns: int) -> list[bytes]:
            consumer.receive(frames, received_ns)
            return []

        self.seat(consumer, take)
        return consumer

    def seat(self, consumer: Consumer, take: Take) -> None:
        """Deliver what a consumer has subscribed to, through `take`."""
        self._seats.append(_Seat(consumer, take))

    def play(self) -> Iterator[Event]:
        """Play to the end; yields each event once all consumers have received it, except those that do not decode."""
        entries = self._playback.look_ahead(self._entries)
        for seat in sorted(self._seats, key=lambda seat: seat.consumer.interest.client):
            self._ask(seat, 0)
        for captured in entries:
            frame = self._playback.make_frame(captured)
            if frame is None:
                continue
            topic = frame[: frame.find(b"\0") + 1]
            for seat in self._seats:
                wanted = seat.consumer.topics()
                if topic in wanted or (topic.startswith(b"health.") and b"health." in wanted):
                    self.published += seat.take([frame], captured.received_ns)
                    self._ask(seat, captured.received_ns)
            try:
                event = codec.decode(frame)
            except UndecodableMessage:
                continue
            yield event

    def _ask(self, seat: _Seat, at_ns: int) -> None:
        request = seat.consumer.take_due(at_ns, at_ns)
        if request is None:
            return
        event = codec.decode(request)
        assert isinstance(event, SymbolsRequested)
        for frame in self._playback.answer(event):
            self.published += seat.take([frame], at_ns)

"""A consumer of a replay and its two sockets, in the caller's thread: what it says depends on what it hears alone.

`BusClient` reads in a thread of its own, so that what its owner decides depends on when the owner looks. Here each
batch is handed over where it is read and what comes of it is sent before the next is read; nothing is dropped, the
reader is held up instead, and through its requests the player.
"""

from __future__ import annotations

from collections.abc import Callable

from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns, utc_ns
from quotebus.bus.consumer import Consumer
from quotebus.bus.events import Counters
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.engines import open_engine
from quotebus.bus.transport.line import Engine
from quotebus.bus.transport.patient_publisher import PatientPublisher

_BATCH = 256
_POLL_MS = 50
Take = Callable[[list[bytes], int], list[bytes]]
"""Frames in the order they came, and when; the frames to send."""


def follow(settings: BusSettings, consumer: Consumer, take: Take, stopping: Callable[[], bool]) -> None:
    """Subscribe, ask, and hand everything over to `take` until `stopping`; then release the symbols."""
    engine = open_engine(settings.bus_address)
    try:
        _ReplaySockets(engine, consumer).run(take, stopping)
    finally:
        engine.close()


class _ReplaySockets:
    def __init__(self, engine: Engine, consumer: Consumer) -> None:
        self._consumer = consumer
        # The answer's topic last, so that an answer proves all others.
        self._subscriber = engine.subscriber((*consumer.topics(), consumer.ack_topic()))
        self._subscriber.connect()
        self._requester = PatientPublisher(engine.requester())
        self._poller = engine.poller()
        self._poller.watch(self._subscriber)
        self._poller.watch(self._requester.publisher)
        self._next_counters_ns = now_ns() + NS_PER_S
        self._dropped = 0

    def run(self, take: Take, stopping: Callable[[], bool]) -> None:
        while not stopping():
            self._poller.wait(_POLL_MS)
            self._requester.look()
            for frame in take(self._subscriber.take(_BATCH), now_ns()):
                self._send(frame, stopping)
            if self._requester.may_send():
                self._send_request(stopping)
                self._publish_counters()
        self._consumer.request([], self._consumer.interest.wanted.channels, 0, now_ns())
        self._send_request(lambda: True)

    def _publish_counters(self) -> None:
        """Once a second, as every program does; not waited for."""
        if now_ns() >= self._next_counters_ns:
            self._next_counters_ns = now_ns() + NS_PER_S
            stamper, counted = self._consumer.stamper, {**self._consumer.counters, "send_dropped": self._dropped}
            counters = Counters(program=self._consumer.interest.client, counters=counted)
            self._dropped += not self._requester.send(stamper.frame(counters, utc_ns()))

    def _send_request(self, stopping: Callable[[], bool]) -> None:
        request = self._consumer.take_due(now_ns(), utc_ns())
        if request is not None:
            self._send(request, stopping)

    def _send(self, frame: bytes, stopping: Callable[[], bool]) -> None:
        """Send, however long the broker takes no more, until `stopping`."""
        while not self._requester.send(frame) and not stopping():
            self._requester.publisher.await_room(_POLL_MS * NS_PER_MS)

"""A consumer of a replay and its two sockets, in the caller's thread: what it says depends on what it hears alone.

`BusClient` reads in a thread of its own, so that what its owner decides depends on when the owner looks. Here each
batch is handed over where it is read and what comes of it is sent before the next is read; nothing is dropped, the
reader is held up instead, and through its requests the player.
"""

from __future__ import annotations

from collections.abc import Callable

import zmq

from quotebus.bus.clock import now_ns, utc_ns
from quotebus.bus.consumer import Consumer
from quotebus.bus.protocol import GRACE_NS
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.coverage import Coverage
from quotebus.bus.transport.sockets import Role, make

_BATCH = 256
_POLL_MS = 50
Take = Callable[[list[bytes], int], list[bytes]]
"""Frames in the order they came, and when; the frames to send."""


def follow(settings: BusSettings, consumer: Consumer, take: Take, stopping: Callable[[], bool]) -> None:
    """Subscribe, ask, and hand everything over to `take` until `stopping`; then release the symbols."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    try:
        _Line(context, settings, consumer).run(take, stopping)
    finally:
        context.destroy()


class _Line:
    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], settings: BusSettings, consumer: Consumer) -> None:
        self._consumer = consumer
        self._coverage = Coverage()
        self._subscriber, self._requester = make(context, Role.SUBSCRIBE), make(context, Role.REQUEST)
        for topic in (*consumer.topics(), consumer.ack_topic()):  # the answer's last, so that it proves all others
            self._subscriber.subscribe(topic)
        self._subscriber.connect(settings.bus_subscribe_url)
        self._requester.connect(settings.bus_request_url)
        self._send_after_ns = now_ns() + GRACE_NS

    def run(self, take: Take, stopping: Callable[[], bool]) -> None:
        poller = zmq.Poller()
        poller.register(self._subscriber, zmq.POLLIN)
        poller.register(self._requester, zmq.POLLIN)
        while not stopping():
            poller.poll(_POLL_MS)
            self._read_coverage()
            for frame in take(self._batch(), now_ns()):
                self._send(frame, stopping)
            if len(self._coverage) or now_ns() >= self._send_after_ns:
                request = self._consumer.take_due(now_ns(), utc_ns())
                if request is not None:
                    self._send(request, stopping)
        self._consumer.request([], self._consumer.interest.wanted.channels, 0, now_ns())
        release = self._consumer.take_due(now_ns(), utc_ns())
        if release is not None:
            self._send(release, lambda: True)

    def _batch(self) -> list[bytes]:
        frames: list[bytes] = []
        try:
            for _ in range(_BATCH):
                frames.append(self._subscriber.recv(zmq.NOBLOCK))  # noqa: PERF401 - the exception ends the loop
        except zmq.Again:
            pass
        return frames

    def _send(self, frame: bytes, stopping: Callable[[], bool]) -> None:
        while True:
            try:
                self._requester.send(frame, zmq.NOBLOCK)
                return
            except zmq.Again:
                if stopping():
                    return
                self._requester.poll(_POLL_MS, zmq.POLLOUT)

    def _read_coverage(self) -> None:
        try:
            while True:
                self._coverage.feed(self._requester.recv(zmq.NOBLOCK))
        except zmq.Again:
            return

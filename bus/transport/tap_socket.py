"""The tap's SUB socket: it asks for nothing, answers nothing, and gives up what it cannot take in time.

A tap that is slow or frozen loses messages at its own bound, and the broker drops for it alone; what it lost shows as
gaps in the numbers. The thread that makes it must be the one that uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import zmq

from quotebus.bus.clock import NS_PER_MS, now_ns
from quotebus.bus.transport.zeromq.sockets import Role
from quotebus.bus.transport.zeromq.subscriber import Subscriber
from quotebus.bus.transport.zeromq.threshold import EVENTS, WakeThreshold

BATCH = 1_000
"""Frames taken in one go, so that keys and the screen get their turn at full load."""
_FETCH_MS = 10
"""How long the I/O thread may take to be given a processor."""


class TapSubscriber:
    """Hears every frame that begins with one of `prefixes`; `b""` is everything."""

    def __init__(
        self,
        url: str,
        prefixes: Sequence[bytes],
        *,
        gather_ms: int = 0,
        pace: Callable[[Iterable[int]], Iterable[int]] = iter,
    ) -> None:
        """With `gather_ms` it is woken at most once in so long, and takes what has gathered: a tenth of the work.

        `pace` may rest between frames that are taken together.
        """
        self.connected = False
        self._threshold = WakeThreshold()
        self._gather_ns = gather_ms * NS_PER_MS
        self._pace = pace
        self._next_ns = 0
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._subscriber = Subscriber(self._context, prefixes, role=Role.TAP, events=EVENTS)
        self._socket, self._monitor = self._subscriber.sockets()
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(self._monitor, zmq.POLLIN)
        self._others = zmq.Poller()
        self._others.register(self._monitor, zmq.POLLIN)
        self._subscriber.connect(url)

    @property
    def not_subscribed(self) -> int:
        """Messages dropped: parts of a message whose first part has a topic that was asked for, and they have not."""
        return self._subscriber.not_subscribed

    def also_wake_on(self, descriptor: int) -> None:
        """`receive` returns early, perhaps with nothing, when this descriptor can be read."""
        self._poller.register(descriptor, zmq.POLLIN)
        self._others.register(descriptor, zmq.POLLIN)

    def receive(self, timeout_ms: int) -> list[bytes]:
        """At most BATCH frames, in the order they came; empty when none came in time."""
        deadline_ns = now_ns() + timeout_ms * NS_PER_MS
        while True:
            now = now_ns()
            gathering = now < self._next_ns
            if gathering:
                self._threshold.high()
            until_ns = min(self._next_ns, deadline_ns) if gathering else deadline_ns
            ready = dict((self._others if gathering else self._poller).poll(max(0, -((now - until_ns) // NS_PER_MS))))
            self._threshold.low()  # never while the program is elsewhere: heartbeats want answers
            if self._monitor in ready:
                self._watch()
            if self._socket in ready:
                return self._drain()
            if ready.keys() - {self._monitor} or now_ns() >= deadline_ns:
                return []

    def close(self) -> None:
        self._subscriber.close()
        self._threshold.close()
        self._context.destroy(linger=0)

    def _drain(self) -> list[bytes]:
        """All there is, at most BATCH. The I/O thread may not have fetched all of it from the kernel yet."""
        frames: list[bytes] = []
        receive = self._socket.recv
        for _ in self._pace(range(BATCH)):
            try:
                frames.append(receive(zmq.NOBLOCK))
            except zmq.Again:
                if not self._threshold.unread() or not self._socket.poll(_FETCH_MS):
                    self._next_ns = now_ns() + self._gather_ns
                    break
        return self._subscriber.keep_asked(frames)

    def _watch(self) -> None:
        for event, value in self._subscriber.changes():
            self._threshold.on_event(event, value)
            if event != zmq.EVENT_CONNECTED:
                self.connected = event == zmq.EVENT_HANDSHAKE_SUCCEEDED

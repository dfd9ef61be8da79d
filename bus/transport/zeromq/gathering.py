"""A SUB socket for a program that looks at its messages now and then, and that may be slow: see `threshold`."""

from __future__ import annotations

from collections.abc import Iterable

import zmq

from quotebus.bus.transport.line import News
from quotebus.bus.transport.zeromq.endpoints import Urls
from quotebus.bus.transport.zeromq.key_files import KeyPair
from quotebus.bus.transport.zeromq.sockets import Role
from quotebus.bus.transport.zeromq.subscriber import ZmqSubscriber, make_news
from quotebus.bus.transport.zeromq.threshold import EVENTS, WakeThreshold

_FETCH_MS = 10
"""How long the I/O thread may take to be given a processor."""


class ZmqGatheringSubscriber(ZmqSubscriber):
    """Loses messages at its own bound when it is slow, and is not disconnected for it."""

    def __init__(
        self,
        context: zmq.Context[zmq.Socket[bytes]],
        prefixes: Iterable[bytes],
        urls: Urls,
        keys: KeyPair | None = None,
    ) -> None:
        super().__init__(context, prefixes, urls, watched=True, role=Role.TAP, events=EVENTS, keys=keys)
        self._threshold = WakeThreshold()

    def gather(self, wanted: bool) -> None:
        if wanted:
            self._threshold.high()
        else:
            self._threshold.low()

    def take_gathered(self, turns: Iterable[int]) -> list[bytes]:
        """The I/O thread may not have fetched all of it from the kernel yet, so it is given a moment."""
        frames: list[bytes] = []
        receive = self.socket.recv
        for _ in turns:
            try:
                frames.append(receive(zmq.NOBLOCK))
            except zmq.Again:
                if not self._threshold.unread() or not self.socket.poll(_FETCH_MS):
                    break
        return frames

    def news(self) -> list[News]:
        changes = self._read_monitor()
        for event, value in changes:
            self._threshold.on_event(event, value)
        return make_news(changes)

    def close(self, linger_ms: int | None = None) -> None:
        super().close(linger_ms)
        self._threshold.close()

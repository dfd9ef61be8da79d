"""The tap's SUB socket: it asks for nothing, answers nothing, and gives up what it cannot take in time.

A tap that is slow or frozen loses messages at its own bound, and the broker drops for it alone; what it lost shows as
gaps in the numbers. The thread that makes it must be the one that uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from quotebus.bus.clock import NS_PER_MS, now_ns
from quotebus.bus.transport.line import Engine, News

BATCH = 1_000
"""Frames taken in one go, so that keys and the screen get their turn at full load."""


class TapSubscriber:
    """Hears every frame that begins with one of `prefixes`; `b""` is everything."""

    def __init__(
        self,
        engine: Engine,
        prefixes: Sequence[bytes],
        *,
        gather_ms: int = 0,
        pace: Callable[[Iterable[int]], Iterable[int]] = iter,
    ) -> None:
        """With `gather_ms` it is woken at most once in so long, and takes what has gathered: a tenth of the work.

        `pace` may rest between frames that are taken together. `engine` is closed with it.
        """
        self.connected = False
        self._gather_ns = gather_ms * NS_PER_MS
        self._pace = pace
        self._next_ns = 0
        self._engine = engine
        self._subscriber = self._engine.gathering_subscriber(prefixes)
        self._poller, self._others = self._engine.poller(), self._engine.poller()
        self._poller.watch(self._subscriber)
        self._subscriber.connect()

    @property
    def not_subscribed(self) -> int:
        """Messages dropped: parts of a message whose first part has a topic that was asked for, and they have not."""
        return self._subscriber.not_subscribed

    @property
    def forged(self) -> int:
        """Messages dropped: in another's name than that of the user who sent them."""
        return self._subscriber.forged

    def also_wake_on(self, descriptor: int) -> None:
        """`receive` returns early, perhaps with nothing, when this descriptor can be read."""
        self._poller.watch(descriptor)
        self._others.watch(descriptor)

    def receive(self, timeout_ms: int) -> list[bytes]:
        """At most BATCH frames, in the order they came; empty when none came in time."""
        deadline_ns = now_ns() + timeout_ms * NS_PER_MS
        while True:
            now = now_ns()
            gathering = now < self._next_ns
            if gathering:
                self._subscriber.gather(True)
            until_ns = min(self._next_ns, deadline_ns) if gathering else deadline_ns
            ready = (self._others if gathering else self._poller).wait(max(0, -((now - until_ns) // NS_PER_MS)))
            self._subscriber.gather(False)  # never while the program is elsewhere: heartbeats want answers
            for news in self._subscriber.news():
                self.connected = news is News.UP
            if not gathering and self._subscriber.await_frame(0):
                return self._drain()
            if ready or now_ns() >= deadline_ns:
                return []

    def close(self) -> None:
        self._subscriber.close()
        self._engine.close(0)

    def _drain(self) -> list[bytes]:
        frames = self._subscriber.take_gathered(self._pace(range(BATCH)))
        if len(frames) < BATCH:  # there is no more
            self._next_ns = now_ns() + self._gather_ns
        return self._subscriber.keep_asked(frames)

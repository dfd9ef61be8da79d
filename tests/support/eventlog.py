"""A plain subscriber that keeps everything it hears, with the instant it heard it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import zmq

from quotebus.bus import codec
from quotebus.bus.clock import now_ns
from quotebus.bus.events import ConnectionHealth, Event, Quote
from quotebus.bus.transport.zeromq.sockets import Role, make
from tests.support.programs import DEADLINE_S

EventT = TypeVar("EventT", bound=Event)


@dataclass(frozen=True)
class Heard:
    """One event and when it arrived."""

    at_ns: int
    event: Event


class EventLog:
    """Subscribes to everything on the bus from its own thread."""

    def __init__(self, subscribe_url: str, *prefixes: bytes, forbidden: bytes = b"") -> None:
        """`forbidden`: bytes that no frame may hold; topics of those that do are in `leaks`."""
        self.heard: list[Heard] = []
        self.leaks: list[bytes] = []
        self._forbidden = forbidden
        self._changed = threading.Condition()
        self._ending = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(subscribe_url, prefixes or (b"",)), daemon=True)
        self._thread.start()
        assert self._ready.wait(DEADLINE_S)

    def close(self) -> None:
        self._ending.set()
        self._thread.join(5)

    def all(self, kind: type[EventT], where: Callable[[EventT], bool] = lambda _: True, since: int = 0) -> list[EventT]:
        """Every event of a kind so far, from position `since` of `heard` on."""
        return [h.event for h in list(self.heard[since:]) if isinstance(h.event, kind) and where(h.event)]

    def position(self) -> int:
        """Where the log stands now, for `since`."""
        return len(self.heard)

    def wait(
        self,
        kind: type[EventT],
        where: Callable[[EventT], bool] = lambda _: True,
        *,
        within_s: float = DEADLINE_S,
        since: int = 0,
    ) -> tuple[EventT, int]:
        """Wait for an event; returns it and when it arrived. AssertionError at the deadline."""
        position = since

        def find() -> Heard | None:
            nonlocal position
            while position < len(self.heard):
                heard = self.heard[position]
                if isinstance(heard.event, kind) and where(heard.event):
                    return heard
                position += 1
            return None

        with self._changed:
            found = self._changed.wait_for(find, within_s)
        if found is None:
            raise AssertionError(f"no such {kind.__name__} within {within_s} s; last: {self._last(kind)}")
        assert isinstance(found.event, kind)
        return found.event, found.at_ns

    def health(self, state: str, *, within_s: float = DEADLINE_S, since: int = 0) -> tuple[ConnectionHealth, int]:
        """Wait for the connection to be in a state."""
        return self.wait(ConnectionHealth, lambda health: health.state == state, within_s=within_s, since=since)

    def quote(self, symbol: str, *, within_s: float = DEADLINE_S, since: int = 0) -> tuple[Quote, int]:
        return self.wait(Quote, lambda quote: quote.symbol == symbol, within_s=within_s, since=since)

    def _last(self, kind: type[Event]) -> list[Event]:
        return self.all(kind)[-3:]

    def _run(self, url: str, prefixes: tuple[bytes, ...]) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        socket = make(context, Role.SUBSCRIBE)
        for prefix in prefixes:
            socket.subscribe(prefix)
        monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        socket.connect(url)
        assert monitor.poll(int(DEADLINE_S * 1000))
        socket.disable_monitor()
        monitor.close(linger=0)
        socket.poll(1)  # a SUB subscribes when its owner looks
        self._ready.set()
        while not self._ending.is_set():
            if not socket.poll(50):
                continue
            batch: list[Heard] = []
            try:
                for _ in range(1000):
                    frame = socket.recv(zmq.NOBLOCK)
                    if self._forbidden and self._forbidden in frame:
                        self.leaks.append(frame.partition(b"\0")[0])
                    batch.append(Heard(now_ns(), codec.decode(frame)))
            except zmq.Again:
                pass
            with self._changed:
                self.heard += batch
                self._changed.notify_all()
        context.destroy(linger=0)

"""A plain subscriber that keeps everything it hears, with the instant it heard it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import zmq

from quotebus.bus import codec
from quotebus.bus.clock import NS_PER_MS, now_ns, seconds
from quotebus.bus.events import ConnectionHealth, Event, Quote
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.engines import open_engine
from quotebus.bus.transport.line import Engine, News
from quotebus.bus.transport.nats.ends import NatsSubscriber
from quotebus.bus.transport.nats.protocol import PING
from quotebus.bus.transport.zeromq.sockets import Role, make
from quotebus.bus.transport.zeromq.subscriber import drain
from tests.support.programs import DEADLINE_S

EventT = TypeVar("EventT", bound=Event)


@dataclass(frozen=True)
class Heard:
    """One event and when it arrived."""

    at_ns: int
    event: Event


class EventLog:
    """Subscribes to everything on the bus from its own thread."""

    def __init__(self, bus: str | BusSettings, *prefixes: bytes, forbidden: bytes = b"") -> None:
        """`bus`: a broker's subscribe endpoint, or what every program is told.

        `forbidden`: bytes that no frame may hold; topics of those that do are in `leaks`."""
        self.heard: list[Heard] = []
        self.leaks: list[bytes] = []
        self._forbidden = forbidden
        self._changed = threading.Condition()
        self._ending = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(bus, prefixes or (b"",)), daemon=True)
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

    def _run(self, bus: str | BusSettings, prefixes: tuple[bytes, ...]) -> None:
        if isinstance(bus, BusSettings):
            self._run_on_engine(open_engine(bus.bus_address), prefixes)
        else:
            self._run_on_zeromq(bus, prefixes)

    def _run_on_engine(self, engine: Engine, prefixes: tuple[bytes, ...]) -> None:
        subscriber = engine.subscriber(prefixes, watched=True)
        subscriber.connect()
        deadline_ns = now_ns() + seconds(DEADLINE_S)
        while News.UP not in subscriber.news() and now_ns() < deadline_ns:
            subscriber.await_frame(NS_PER_MS)
        if isinstance(subscriber, NatsSubscriber):  # its answer is behind what was subscribed to
            asked_ns = now_ns()
            subscriber.line.say(PING)
            subscriber.line.flush()
            while subscriber.line._heard_ns < asked_ns and now_ns() < deadline_ns:
                subscriber.await_frame(NS_PER_MS)
        self._ready.set()
        while not self._ending.is_set():
            subscriber.news()
            if subscriber.await_frame(50 * NS_PER_MS):
                self._keep(subscriber.take(1_000))
        subscriber.close()
        engine.close(0)

    def _keep(self, frames: list[bytes]) -> None:
        self.leaks += [frame.partition(b"\0")[0] for frame in frames if self._forbidden and self._forbidden in frame]
        batch = [Heard(now_ns(), codec.decode(frame)) for frame in frames]
        with self._changed:
            self.heard += batch
            self._changed.notify_all()

    def _run_on_zeromq(self, url: str, prefixes: tuple[bytes, ...]) -> None:
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
            self._keep(drain(socket, 1_000))
        context.destroy(linger=0)

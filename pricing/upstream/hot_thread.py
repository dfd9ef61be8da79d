"""The thread around the hot path: its publisher, its poll loop, and the queue from the control thread.

In that queue a message that begins with a printable byte is a finished frame for the bus; one of the bytes below
is a command.
"""

from __future__ import annotations

import threading
from collections import deque

from quotebus.bus import topics
from quotebus.bus.clock import NS_PER_MS, now_ns
from quotebus.bus.protocol import GRACE_NS
from quotebus.bus.transport.line import Engine, News
from quotebus.pricing.upstream.control_queue import ControlQueue
from quotebus.pricing.upstream.hot import HotPath
from quotebus.pricing.upstream.upstream_socket import UpstreamSocket

ATTACH, SEND, PING, HANG_UP, STOP = b"\x01", b"\x02", b"\x03", b"\x04", b"\x05"
MAX_HELD = 10_000
"""Frames that may wait for their subscription, or for the broker to accept more."""
CONTROL_SLOT_NS = 2 * NS_PER_MS
"""Without this limit a busy control thread, answering 100 clients at a time, would hold quotes back."""
LOOK_EVERY_NS = NS_PER_MS
"""How often the publisher's news are read in the middle of a burst: to ask costs two system calls, found or not."""
RIGHT_OF_WAY_S = 0.002
"""How long control waits for quotes; a connection that never pauses must not silence it."""
_ACKS = topics.ACKNOWLEDGED.encode()
_IDLE_POLL_MS = 1_000


class HotThread:
    """Owns the node's publisher. The control thread puts frames and commands into `control`."""

    def __init__(self, engine: Engine) -> None:
        self.sockets: deque[tuple[UpstreamSocket, int]] = deque()
        self.counters = dict.fromkeys(("control_dropped", "acks_held", "bus_losses", "bus_full"), 0)
        self.path: HotPath
        self.control = ControlQueue()
        self.publisher = engine.publisher()
        self._poller = engine.poller()
        self._grace_until_ns = 0
        self._look_ns = 0
        self._held: deque[tuple[int, bytes]] = deque()
        self._full = False
        self._stopping = False
        self._at_rest = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hot", daemon=True)

    def start(self, path: HotPath) -> None:
        """Start the thread, which from now on owns everything here."""
        self.path = path
        self._thread.start()

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def give_way(self) -> None:
        """Called by the control thread before each piece of its work: quotes go first, for a moment.

        Two threads that both want the interpreter hand it over at each switch interval, and on a busy machine each
        hand-over waits for a processor: a burst of quotes would take ten times as long.
        """
        self._at_rest.wait(RIGHT_OF_WAY_S)

    def count_held(self) -> int:
        """Frames of the control thread that wait for their subscription or for the broker."""
        return len(self._held)

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        self.publisher.connect()
        self._grace_until_ns = now_ns() + GRACE_NS
        poller, control = self._poller, self.control
        poller.watch(control)
        polled: UpstreamSocket | None = None
        path = self.path
        try:
            while not self._stopping:
                blocked = path.tick_publisher.has_backlog or bool(self._held)
                poller.watch(self.publisher, writable=path.tick_publisher.has_backlog)
                if path.upstream is not polled:
                    if polled is not None:
                        poller.unwatch(polled)
                    polled = path.upstream
                if polled is not None:
                    poller.watch(polled, writable=polled.has_unsent)
                self._at_rest.set()
                ready = poller.wait(0 if control else path.wait_ms(10 if blocked else _IDLE_POLL_MS))
                self._at_rest.clear()
                self._look_ns = 0 if poller.has_sign(self.publisher) else now_ns() + LOOK_EVERY_NS
                if control.fileno() in ready:
                    control.clear()
                self._between()
                if path.tick_publisher.has_backlog and not self._full:
                    path.tick_publisher.send_backlog()
                    self.publisher.flush()
                if path.upstream is not None:
                    if path.upstream.has_unsent:
                        path.flush_upstream()
                    path.read(self._between)
                path.publish_believed()
        finally:
            self._at_rest.set()
            path.hang_up(None)
            self.publisher.close(500)
            self.control.close()

    def _between(self) -> None:
        """What goes before data: subscriptions, held frames, and messages of the control thread, for one time slot."""
        at_ns = now_ns()
        if at_ns >= self._look_ns:
            self._look_ns = at_ns + LOOK_EVERY_NS
            self._read_news()
        if self._held:
            self._send_held()
        until_ns = at_ns + CONTROL_SLOT_NS
        control = self.control
        while control and not self._stopping and now_ns() < until_ns:
            message = control.take()
            if message[0] >= 0x20:
                self._publish(message)
            else:
                self._obey(message)
        self.publisher.flush()

    def _obey(self, message: bytes) -> None:
        command = message[:1]
        if command == ATTACH:
            self.path.attach(*self.sockets.popleft())
        elif command == SEND:
            self.path.send_upstream(message[1:])
        elif command == PING:
            self.path.ping()
        elif command == HANG_UP:
            self.path.hang_up(None)
        elif command == STOP:
            self.path.hang_up(None)  # or a connection that never pauses would keep us
            self._send_held(at_once=True)
            self._stopping = True

    def _read_news(self) -> None:
        if losses := self.publisher.news().count(News.DOWN):
            self.counters["bus_losses"] += losses
            self._grace_until_ns = now_ns() + GRACE_NS

    def _publish(self, frame: bytes) -> None:
        """Send, or hold back for a moment what no subscriber seems to have subscribed to yet."""
        at_ns = now_ns()
        until_ns = at_ns + GRACE_NS if frame.startswith(_ACKS) else self._grace_until_ns
        if at_ns < until_ns and not self.publisher.covers(frame):
            self.counters["acks_held"] += 1
            self._hold(until_ns, frame)
        elif self._full:  # nothing overtakes what waits for the broker
            self._hold(at_ns, frame)
        elif not self.publisher.send(frame):
            self._full = True
            self.counters["bus_full"] += 1
            self._hold(at_ns, frame)

    def _hold(self, until_ns: int, frame: bytes) -> None:
        if len(self._held) >= MAX_HELD:
            self._held.popleft()
            self.counters["control_dropped"] += 1
        self._held.append((until_ns, frame))

    def _send_held(self, *, at_once: bool = False) -> None:
        at_ns = now_ns()
        waiting, self._held, self._full = self._held, deque(), False
        for until_ns, frame in waiting:
            if not self._full and (at_once or at_ns >= until_ns or self.publisher.covers(frame)):
                if self.publisher.send(frame):
                    continue
                self._full = True
            self._held.append((until_ns, frame))

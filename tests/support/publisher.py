"""A thread that publishes numbered quotes at an even pace, and keeps every frame it sent."""

from __future__ import annotations

import threading

import zmq

from quotebus.bus.clock import NS_PER_MS, now_ns, utc_ns
from quotebus.bus.sequence import Stamper
from quotebus.bus.transport.zeromq.coverage import Coverage
from quotebus.bus.transport.zeromq.sockets import Role, make
from tests.support.samples import QUOTE, like

SYMBOLS = 20
_TICK_MS = 5
_PROBE = b"quote.S0\0"


class Publisher:
    """Sends only while somebody hears it. `sent` are the frames in order; `hold` stops for a while."""

    def __init__(self, url: str, rate: int, *, source: str = "pricing-3f9c2a") -> None:
        self.sent: list[bytes] = []
        self.skip: set[int] = set()
        """Numbers of frames that are stamped and not sent: losses on the way."""
        self._url, self._rate, self._source = url, rate, source
        self._ending, self._running = threading.Event(), threading.Event()
        self._running.set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def hold(self) -> None:
        self._running.clear()

    def resume(self) -> None:
        self._running.set()

    def close(self) -> None:
        self._ending.set()
        self._running.set()
        self._thread.join(5)

    def _run(self) -> None:
        context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        socket = make(context, Role.PUBLISH)
        socket.connect(self._url)
        coverage, stamper, number = Coverage(), Stamper(self._source), 0
        last_ns = now_ns()
        while not self._ending.is_set():
            if socket.poll(_TICK_MS):
                coverage.feed(socket.recv())
            at_ns = now_ns()
            due = self._rate * (at_ns - last_ns) // (1000 * NS_PER_MS)
            heard = coverage.covers(_PROBE)
            if not due or not heard:
                last_ns = last_ns if heard else at_ns
                continue
            last_ns = at_ns
            if not self._running.is_set():
                continue
            for _ in range(due):
                frame = stamper.frame(like(QUOTE, symbol=f"S{number % SYMBOLS}"), utc_ns())
                if number not in self.skip:
                    socket.send(frame)
                    self.sent.append(frame)
                number += 1
        context.destroy(linger=0)

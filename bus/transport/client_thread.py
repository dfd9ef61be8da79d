"""The thread that owns a client's two sockets."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from weakref import WeakSet

from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns, seconds
from quotebus.bus.consumer import Consumer
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.client_sockets import BlockingSockets
from quotebus.bus.transport.engines import open_engine
from quotebus.bus.transport.line import Engine
from quotebus.bus.transport.waker import Waker

END_S = 2.0
"""How long `close`, and the end of the program, wait for the release to be sent; it takes milliseconds."""
_running: WeakSet[ClientThread] = WeakSet()


class ClientThread(BlockingSockets):
    """A client's sockets with a thread of their own."""

    def __init__(self, settings: BusSettings, consumer: Consumer) -> None:
        super().__init__(settings, consumer)
        self._changed = threading.Condition(self.lock)
        self._engine = open_engine(settings.bus_address)
        self._waker = Waker()
        self._drain_wanted = self._drain_done = 0
        self._thread = threading.Thread(target=self._run, name="bus-client", daemon=True)

    # for other threads

    def start(self) -> None:
        self._thread.start()
        _running.add(self)

    def wake(self) -> None:
        self._waker.wake()

    def close(self) -> None:
        """Send the release, close the sockets, end the feeds."""
        with self.lock:
            self._closing = True
        self.wake()
        self._thread.join(timeout=END_S)

    def abandon(self) -> bool:
        if self.is_inherited:
            self._waker.close()  # this process's copies only
            return False
        if self._closing:
            return False
        self._closing = True
        self.wake()
        return True

    def join(self, timeout_s: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(timeout_s)

    def wait(self, done: Callable[[], bool], timeout_s: float | None) -> bool:
        """Wait until `done` under the lock, for at most `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(lambda: done() or self._closing, timeout_s)

    def drain(self, timeout_s: float) -> bool:
        """Wait until the thread has read all that had been received when this was called."""
        with self._changed:
            self._drain_wanted += 1
            wanted = self._drain_wanted
        self.wake()
        return self.wait(lambda: self._drain_done >= wanted, timeout_s) and not self._closing

    # the thread

    def _run(self) -> None:
        engine = self._engine
        try:
            self._open(engine)
            self._run_until_closed(engine)
            self._release()
            self._close_sockets()
        finally:
            self._waker.close()
            engine.close()
            with self._changed:
                self._closing = True
                self._end_feeds()
                self._changed.notify_all()

    def _run_until_closed(self, engine: Engine) -> None:
        poller = engine.poller()
        for waitable in (*self._ends(), self._waker):
            poller.watch(waitable)
        while not self._closing:
            wait_ms = max(0, -((now_ns() - self._next_turn_ns()) // NS_PER_MS))  # rounded up
            if poller.wait(wait_ms):
                self._waker.clear()
            with self.lock:
                drain_wanted = self._drain_wanted
            if self._turn(self._next_second_ns):
                with self._changed:
                    self._drain_done = drain_wanted
                    self._changed.notify_all()

    def _notify(self) -> None:
        self._changed.notify_all()


@atexit.register
def _end_all() -> None:
    """The program ends: release what its clients hold, since a lease that nobody renews lasts until it expires."""
    left = [sockets for sockets in list(_running) if sockets.abandon()]
    until_ns = now_ns() + seconds(END_S)
    for sockets in left:
        sockets.join(max(0, until_ns - now_ns()) / NS_PER_S)

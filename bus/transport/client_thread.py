"""A client's two sockets, read by the thread that waits for what they bring, or else by a thread of their own."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from weakref import WeakSet

from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns, seconds
from quotebus.bus.consumer import Consumer
from quotebus.bus.feed import Driver
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.client_sockets import BlockingSockets
from quotebus.bus.transport.engines import open_engine
from quotebus.bus.transport.seat import Seat
from quotebus.bus.transport.waker import Waker

END_S = 2.0
"""How long `close`, and the end of the program, wait for the release to be sent; it takes milliseconds."""
_running: WeakSet[ClientThread] = WeakSet()


class ClientThread(BlockingSockets):
    """Who waits drives: a thread in `drive` or `wait` reads the sockets itself. The client's own stands by."""

    def __init__(self, settings: BusSettings, consumer: Consumer) -> None:
        super().__init__(settings, consumer)
        self._changed = threading.Condition(self.lock)  # entered by the lock, whose `with` no handler can break
        self._engine = open_engine(settings.bus_address)
        self._poller = self._engine.poller()
        self._waker = Waker()
        self._seat = Seat(_SITTING)
        self._asked = False
        self._in_turn = False
        self._in_hand = 0
        self._drain_wanted = self._drain_done = 0
        self._thread = threading.Thread(target=self._run, name="bus-client", daemon=True)

    # for other threads

    def start(self) -> None:
        self._thread.start()
        _running.add(self)

    def wake(self) -> None:
        self._asked = True  # before the look at the seat: who leaves it looks here afterwards
        if self._seat.sit():
            try:
                self._take_turn(0)  # nobody reads at the moment, so what is to be sent leaves from here
            finally:
                self._leave()
        else:
            self._waker.wake()

    def close(self) -> None:
        """Send the release, close the sockets, end the feeds."""
        with self.lock:
            self._closing = True
        self._ring()
        if not self._seat.is_mine:  # or this is a signal handler's call, and the thread that it has interrupted drives
            self._thread.join(timeout=END_S)

    def abandon(self) -> bool:
        if self.is_inherited:
            self._waker.close()  # this process's copies only
            self._seat.close()
            return False
        if self._closing:
            return False
        self._closing = True
        self._ring()
        return True

    def _ring(self) -> None:
        """Wake whoever sits, or the stand-by. Takes no lock."""
        self._waker.wake()
        self._seat.call()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(timeout_s)

    def wait(self, done: Callable[[], bool], timeout_s: float | None) -> bool:
        """Wait until `done` under the lock, for at most `timeout_s`."""
        until_ns = None if timeout_s is None else now_ns() + seconds(timeout_s)
        while True:
            with self.lock:
                if done() or self._closing:
                    return True
            left_s = None if until_ns is None else max(0, until_ns - now_ns()) / NS_PER_S
            if left_s == 0:
                return False
            if not self.drive(done, left_s):
                break
        with self._seat.waiting(), self.lock:
            return self._changed.wait_for(lambda: done() or self._closing, left_s)

    def drive(self, done: Callable[[], bool], timeout_s: float | None) -> bool:
        """Read the sockets until `done` under the lock, or the time; False when another thread does, and at the end."""
        until_ns = None if timeout_s is None else now_ns() + seconds(timeout_s)
        if not self._seat.claim(self._waker.wake):
            return False
        try:
            while True:
                with self.lock:
                    if done():
                        return True
                if self._closing:
                    return False
                left_ns = NS_PER_S if until_ns is None else until_ns - now_ns()
                if left_ns <= 0:
                    return True
                self._drive_once(left_ns, 0)
        finally:
            self._leave()

    def drain(self, timeout_s: float) -> bool:
        """Read all that had been received when this was called."""
        until_ns = now_ns() + seconds(timeout_s)
        if self._seat.sit():
            try:
                while not self._closing and now_ns() < until_ns:
                    if self._take_turn(until_ns):
                        return True
                return False
            finally:
                self._leave()
        with self.lock:
            self._drain_wanted += 1
            wanted = self._drain_wanted
        self._ring()
        with self.lock:
            self._changed.wait_for(lambda: self._drain_done >= wanted or self._closing, timeout_s)
            return self._drain_done >= wanted and not self._closing

    @property
    def driver(self) -> Driver:
        return self

    def waiting(self) -> AbstractContextManager[None]:
        """Within, this thread waits for what another one reads."""
        return self._seat.waiting()

    # whoever sits

    def _drive_once(self, most_ns: int, until_ns: int) -> None:
        """Sleep until something comes or is due, and take a turn that reads no longer than `until_ns`."""
        wait_ns = min(most_ns, self._next_turn_ns() - now_ns())
        if self._poller.wait(max(0, -(-wait_ns // NS_PER_MS))):
            self._waker.clear()
        with self.lock:
            drain_wanted = self._drain_wanted
        if self._take_turn(until_ns) and drain_wanted != self._drain_done:
            with self.lock:
                self._drain_done = drain_wanted
                self._changed.notify_all()

    def _take_turn(self, until_ns: int) -> bool:
        if self._in_turn:
            self._mend()
        self._asked = False
        self._in_turn = True
        drained = self._turn(until_ns)
        self._in_turn = False
        return drained

    def _deliver(self, frames: list[bytes], received_ns: int) -> None:
        self._in_hand = len(frames)
        super()._deliver(frames, received_ns)
        self._in_hand = 0

    def _mend(self) -> None:
        """The last turn ended in its middle: a signal's handler raised, as for Ctrl-C, in the thread that drove.

        What it had in hand may be read or not, so it counts, and everything is asked anew. What it had not looked at
        shows as a gap in the numbers.
        """
        with self.lock:
            self._consumer.counters["interrupted"] += self._in_hand
            self._in_hand = 0
            self._consumer.confirmed = False
            self._consumer.interest.ask_again(now_ns(), anew=True)

    def _leave(self) -> None:
        self._seat.rise()
        if self._asked or self._closing:
            self._seat.call()

    # the thread

    def _run(self) -> None:
        try:
            self._open(self._engine)
            for waitable in (*self._ends(), self._waker):
                self._poller.watch(waitable)
            while not self._closing:
                self._drive_once(NS_PER_S, self._next_second_ns)
                if self._seat.is_claimed and not self._closing:
                    self._leave()
                    self._seat.stand_by(lambda: self._closing)
            self._release()
            self._close_sockets()
        finally:
            self._waker.close()
            self._seat.close()
            self._engine.close()
            with self.lock:
                self._closing = True
                self._end_feeds()
                self._changed.notify_all()

    def _gives_way(self) -> bool:
        return self._seat.is_claimed

    def _notify(self) -> None:
        self._changed.notify_all()


_SITTING = (ClientThread.wake.__code__, ClientThread.drive.__code__, ClientThread.drain.__code__)
"""Where a thread may sit, beside the stand-by."""


@atexit.register
def _end_all() -> None:
    """The program ends: release what its clients hold, since a lease that nobody renews lasts until it expires."""
    left = [sockets for sockets in list(_running) if sockets.abandon()]
    until_ns = now_ns() + seconds(END_S)
    for sockets in left:
        sockets.join(max(0, until_ns - now_ns()) / NS_PER_S)

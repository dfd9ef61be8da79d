"""Who reads a client's sockets: whoever waits for what they bring, or a thread that stands by.

A loop that another thread reads for waits twice, once on another core and once for the interpreter. So the thread
that waits takes the seat and reads itself; while it computes, the seat is free. If it does not come back soon, the
stand-by sits down, so that leases are renewed and nothing piles up, until somebody wants the seat again.
"""

from __future__ import annotations

import select
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import CodeType

from quotebus.bus.clock import NS_PER_MS, now_ns, seconds
from quotebus.bus.transport.waker import Waker

TAKE_OVER_MS = 20
"""How long a free seat is left to the thread that rose from it."""
CLAIM_S = 1.0
"""How long the stand-by may take to give the seat up; it takes one turn."""
LOOK_MS = 1_000
"""How often the stand-by looks whether who sits has been thrown out of the seat."""


class Seat:
    """For one sitter at a time, at first the stand-by. Its lock makes one see what another did to the sockets.

    What a signal's handler raises, as for Ctrl-C, may throw a thread out between any two steps, also between taking the
    seat and being ready to leave it. So who waits or claims is known by thread, for a time, and the stand-by looks at
    the threads' stacks whether anybody is there who could sit.
    """

    def __init__(self, sitting: Collection[CodeType] = ()) -> None:
        """`sitting`: the functions within which a thread may sit; it does in no other."""
        self._sitting = frozenset(sitting)
        self._taken = threading.Lock()
        self._taken.acquire()
        self._bell = Waker()
        self._sittings = 0
        self._sitter = 0
        self._left_ns = 0
        self._stand_by_sits = True
        self._sleeps = False
        self._called = False
        self._claims: dict[int, int] = {}
        self._waits: set[int] = set()

    # for threads that wait

    def sit(self) -> bool:
        """Take the seat if it is free."""
        if not self._taken.acquire(blocking=False):
            return False
        self._note()
        return True

    def claim(self, wake: Callable[[], None]) -> bool:
        """Take the seat if it is free, or if the stand-by has it, whom `wake` wakes; not where another thread waits.

        Of several that wait each would have to wake the next one: for them the stand-by reads.
        """
        if self._waits or self.is_mine:
            return False
        if self.sit():
            return True
        if not self._stand_by_sits:
            return False
        thread = threading.get_ident()
        self._claims[thread] = now_ns() + seconds(CLAIM_S)
        try:
            wake()
            if not self._taken.acquire(timeout=CLAIM_S):
                return False
            self._note()
            return True
        finally:
            self._claims.pop(thread, None)

    def rise(self) -> None:
        """Leave the seat. The stand-by is rung for where others wait, and where it had gone to sleep."""
        self._left_ns = now_ns()
        self._sitter = 0
        self._stand_by_sits = False
        self._taken.release()
        if self._sleeps or self._waits:
            self._bell.wake()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Within, this thread waits without the seat for what the sitter hears."""
        thread = threading.get_ident()
        self._waits.add(thread)
        try:
            if not self._taken.locked():
                self._bell.wake()
            yield
        finally:
            self._waits.discard(thread)

    @property
    def is_mine(self) -> bool:
        """Whether this thread sits. Asked by who may have interrupted it: a signal handler, the garbage collector."""
        return self._sitter == threading.get_ident()

    def call(self) -> None:
        """There is something to do: the stand-by sits down at once if the seat is free. Takes no lock."""
        self._called = True
        if not self._taken.locked():
            self._bell.wake()

    # for the stand-by

    @property
    def is_claimed(self) -> bool:
        """Whether a thread waits for the stand-by to rise."""
        return bool(self._claims) and any(until_ns > now_ns() for until_ns in list(self._claims.values()))

    def stand_by(self, is_over: Callable[[], bool]) -> None:
        """Wait, and sit down: where others wait, when called, when the seat was left for long, or it `is_over`."""
        poller = select.poll()
        poller.register(self._bell.fileno(), select.POLLIN)
        seen, still, empty = -1, False, False
        while True:
            rung = poller.poll(LOOK_MS if still and self._may_sleep(seen) else TAKE_OVER_MS)
            self._sleeps = False
            if rung:
                self._bell.clear()
            if is_over() and self._taken.acquire(timeout=CLAIM_S):
                break
            due = self._called or self._waits or now_ns() - self._left_ns >= TAKE_OVER_MS * NS_PER_MS
            if due and not self.is_claimed and self._taken.acquire(blocking=False):
                break
            still = seen == self._sittings
            seen = self._sittings
            was_empty, empty = empty, still and not rung and self._is_empty()
            if empty and was_empty and seen == self._sittings and self._taken.locked():
                break  # twice, a look apart: who had it was thrown out of it
        self._called = False
        self._note()
        self._stand_by_sits = True

    def close(self) -> None:
        self._bell.close()

    def _may_sleep(self, seen: int) -> bool:
        """Whether the one who has been sitting since the last look still does: it rings when it rises."""
        self._sleeps = True  # before the look, so that who rises after it rings
        return seen == self._sittings and self._taken.locked()

    def _is_empty(self) -> bool:
        """Whether no thread is anywhere in a function within which one sits."""
        for frame in sys._current_frames().values():
            below = frame
            while below is not None:
                if below.f_code in self._sitting and getattr(below.f_locals.get("self"), "_seat", None) is self:
                    return False
                below = below.f_back  # type: ignore[assignment]
        return True

    def _note(self) -> None:
        self._sittings += 1
        self._sitter = threading.get_ident()

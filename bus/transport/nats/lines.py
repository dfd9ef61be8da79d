"""The connections of one engine: a subscriber and a publisher of the same thread share one."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns
from quotebus.bus.transport.nats.access import NatsAccess
from quotebus.bus.transport.nats.line import NatsLine
from quotebus.bus.transport.nats.subjects import ANYONE, escape, make_root


class _Shared:
    """A line, the thread that uses it, and the ends on it: `hear`, `say`."""

    def __init__(self, line: NatsLine) -> None:
        self.line = line
        self.thread = threading.get_ident()
        self.ends: set[str] = set()
        self.linger_ms = 0


class NatsLines:
    """`leaving` are threads that send last words; several engines may have one list of them."""

    def __init__(self, access: NatsAccess, leaving: list[threading.Thread]) -> None:
        self.root = make_root(access.bus)
        self.user = escape((access.user or ANYONE).encode())
        self._access = access
        self._shared: list[_Shared] = []
        self._leaving = leaving

    def join(self, end: str) -> NatsLine:
        """A line for such an end, to be used by the thread that asks."""
        own = [each for each in self._shared if each.thread == threading.get_ident() and end not in each.ends]
        if not own:
            own.append(_Shared(NatsLine(self._access, _own_name())))
            self._shared.append(own[0])
        own[0].ends.add(end)
        return own[0].line

    def leave(self, end: str, line: NatsLine, linger_ms: int) -> None:
        """This end is closed; the line is, with the last one, and gets the longest time that one asked for."""
        shared = next((each for each in self._shared if each.line is line), None)
        if shared is None:
            return
        shared.ends.discard(end)
        shared.linger_ms = max(shared.linger_ms, linger_ms)
        if not shared.ends:
            self._end(shared)

    def close(self, linger_ms: int | None) -> None:
        """Close all, and wait until what was said has left or its time is over."""
        for shared in self._shared.copy():
            if linger_ms is not None:
                shared.linger_ms = linger_ms
            self._end(shared)
        wait_for(self._leaving, linger_ms)

    def _end(self, shared: _Shared) -> None:
        self._shared.remove(shared)
        leaving = shared.line.close(shared.linger_ms)
        self._leaving[:] = [thread for thread in self._leaving if thread.is_alive()]
        if leaving is not None:
            self._leaving.append(leaving)


def _own_name() -> str:
    """What the server lists its connections by: program and process."""
    started = Path(sys.argv[0])
    program = started.parent.name if started.stem == "__main__" else started.stem
    return f"{program or 'python'}-{os.getpid()}"


def wait_for(leaving: list[threading.Thread], linger_ms: int | None) -> None:
    """Wait for the ends of these, which have their own deadlines; five seconds is the longest that anybody asks for."""
    deadline_ns = now_ns() + (5_000 if linger_ms is None else linger_ms) * NS_PER_MS
    while leaving:
        leaving.pop().join(max(0, deadline_ns - now_ns()) / NS_PER_S)

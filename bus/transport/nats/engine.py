"""NATS as an engine of the bus: connections, the ends on them, and poll(2)."""

from __future__ import annotations

import contextlib
import select
import threading
from collections.abc import Iterable
from typing import Self

from quotebus.bus.address import NatsAddress
from quotebus.bus.clock import NS_PER_MS, now_ns
from quotebus.bus.transport.line import Publisher, Subscriber, Waitable
from quotebus.bus.transport.nats.access import NatsAccess
from quotebus.bus.transport.nats.ends import NatsPublisher, NatsRequester, NatsSubscriber
from quotebus.bus.transport.nats.lines import NatsLines, wait_for

_leaving_of_all: list[threading.Thread] = []


class NatsEngine:
    """The servers of one bus, and who we are there."""

    def __init__(self, access: NatsAccess, leaving: list[threading.Thread] | None = None) -> None:
        self.place = access.place
        self._lines = NatsLines(access, [] if leaving is None else leaving)

    @classmethod
    def at(cls, address: NatsAddress) -> Self:
        """Raises ConfigError when a certificate or a key cannot be used."""
        return cls(NatsAccess.find(address))

    @classmethod
    def shared(cls, address: NatsAddress) -> Self:
        """An engine for one of several users of a thread. Raises ConfigError."""
        return cls(NatsAccess.find(address), _leaving_of_all)

    @classmethod
    def close_shared(cls) -> None:
        """Wait until the last words of all these users have left, or their time is over."""
        wait_for(_leaving_of_all, None)

    def subscriber(self, prefixes: Iterable[bytes] = (), *, watched: bool = False) -> NatsSubscriber:
        return NatsSubscriber(self._lines, prefixes, watched=watched)

    def gathering_subscriber(self, prefixes: Iterable[bytes]) -> NatsSubscriber:
        return NatsSubscriber(self._lines, prefixes, watched=True)

    def publisher(self) -> NatsPublisher:
        return NatsPublisher(self._lines)

    def requester(self) -> NatsRequester:
        return NatsRequester(self._lines)

    def poller(self) -> NatsPoller:
        return NatsPoller()

    def close(self, linger_ms: int | None = None) -> None:
        self._lines.close(linger_ms)


class NatsPoller:
    """poll(2). What an end holds already, and when it must be looked after, its descriptor does not show."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._ends: dict[NatsSubscriber | NatsPublisher, bool] = {}
        self._others: dict[object, int] = {}
        self._signs: set[int] = set()

    def watch(self, what: Waitable, *, writable: bool = False) -> None:
        if isinstance(what, (NatsSubscriber, NatsPublisher)):
            self._ends[what] = writable  # its descriptor it has when it is connected
            return
        number = what if isinstance(what, int) else what.fileno()  # type: ignore[union-attr]
        self._others[what] = number
        self._poll.register(number, select.POLLIN | (select.POLLOUT if writable else 0))

    def unwatch(self, what: Waitable) -> None:
        if isinstance(what, (NatsSubscriber, NatsPublisher)):
            self._ends.pop(what, None)
            return
        with contextlib.suppress(KeyError):
            self._poll.unregister(self._others.pop(what))

    def wait(self, most_ms: int) -> list[int]:
        lines = {end.line.fileno(): end.line for end in self._ends if end.is_open}
        for number, line in lines.items():
            self._poll.register(number, select.POLLIN)
            due_ms = 0 if line.holds_unread() else -((now_ns() - line.next_ns()) // NS_PER_MS)
            most_ms = max(0, min(most_ms, due_ms))
        if any(writable and isinstance(end, NatsPublisher) and end.has_room() for end, writable in self._ends.items()):
            most_ms = 0
        ready = {number for number, _ in self._poll.poll(most_ms)}
        for number, line in lines.items():
            self._poll.unregister(number)
            line.tend()
        self._signs = ready & lines.keys()
        return [number for number in ready if number not in lines]

    def has_sign(self, end: Subscriber | Publisher) -> bool:
        assert isinstance(end, (NatsSubscriber, NatsPublisher))
        return end.line.fileno() in self._signs or end.has_news or end.line.holds_unread()

"""How many connections there may be, and how long one may stay that asks for nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

IDLE_NS = 10_000_000_000


class _Refused(asyncio.Protocol):
    """One connection too many: closed at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


class ConnectionLimit:
    """A factory of protocols for a listening socket."""

    def __init__(
        self, make: Callable[[], asyncio.Protocol], list_open: Callable[[], Collection[asyncio.Protocol]], most: int
    ) -> None:
        """`make` makes a protocol of the server's own, `list_open` lists those that have a connection."""
        self._make, self._list_open, self._most = make, list_open, most
        self._waiting: dict[asyncio.Protocol, int] = {}
        self._now_ns = 0
        self.refused = 0

    def __call__(self) -> asyncio.Protocol:
        if len({*self._list_open(), *self._waiting}) >= self._most:  # of a burst none is connected yet
            self.refused += 1
            return _Refused()
        protocol = self._make()
        self._waiting[protocol] = self._now_ns
        return protocol

    def note_request(self, protocol: object) -> None:
        """A connection has asked for something."""
        self._waiting.pop(protocol, None)  # type: ignore[call-overload]

    def sweep(self, now_ns: int) -> None:
        """End what has asked for nothing for ten seconds; call it every second."""
        there = set(self._list_open())
        for protocol, since_ns in list(self._waiting.items()):
            if protocol not in there and since_ns != self._now_ns:
                del self._waiting[protocol]
            elif now_ns - since_ns > IDLE_NS:
                del self._waiting[protocol]
                transport = getattr(protocol, "transport", None)
                if transport is not None:
                    transport.abort()
        self._now_ns = now_ns

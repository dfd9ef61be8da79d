"""Addresses of a host name: looked up beside the attempt, with a deadline, and the last good ones when that fails.

A name server that does not answer keeps getaddrinfo(3) for half a minute, and nothing can interrupt it. So the look-up
has a thread of its own, an attempt waits two seconds for it, and a thread that still hangs is not joined by another.
"""

from __future__ import annotations

import encodings.idna  # noqa: F401 - else the first look-up imports it, in the way of the first quote for 2 to 4 ms
import logging
import socket
import threading
from collections.abc import Sequence

from quotebus.bus.events import Cause
from quotebus.pricing.upstream.dial_failed import DialFailed

log = logging.getLogger(__name__)
TIMEOUT_S = 2.0

SocketAddress = tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]
Address = tuple[socket.AddressFamily, socket.SocketKind, int, str, SocketAddress]


class Resolver:
    """Of one host and port. `resolve` is called by one thread at a time."""

    def __init__(self, host: str, port: int, *, timeout_s: float = TIMEOUT_S) -> None:
        self._host = host
        self._port = port
        self._timeout_s = timeout_s
        self._good: Sequence[Address] = ()
        self._lookup: _LookUp | None = None

    def resolve(self) -> Sequence[Address]:
        """The host's addresses, in the order to try them. Raises DialFailed when none were ever found."""
        lookup = self._lookup
        if lookup is None or lookup.done.is_set():  # one that hangs since the last attempt is waited for again
            lookup = self._lookup = _LookUp(self._host, self._port)
        if not lookup.done.wait(self._timeout_s):
            return self._fall_back("no answer from the name server")
        self._lookup = None
        if lookup.failure is not None:
            return self._fall_back(lookup.failure)
        self._good = lookup.found
        return self._good

    def _fall_back(self, why: str) -> Sequence[Address]:
        if not self._good:
            raise DialFailed(Cause.DNS, detail=f"{self._host}: {why}")
        log.debug("%s: %s; the last good address is used", self._host, why)
        return self._good


class _LookUp:
    """One call of getaddrinfo(3) in a thread of its own."""

    def __init__(self, host: str, port: int) -> None:
        self.done = threading.Event()
        self.found: Sequence[Address] = ()
        self.failure: str | None = None
        threading.Thread(target=self._run, args=(host, port), name="resolver", daemon=True).start()

    def _run(self, host: str, port: int) -> None:
        try:
            self.found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            self.failure = error.strerror or "not found"
        except UnicodeError:  # a label that is empty or too long
            self.failure = "not a host name"
        finally:
            self.done.set()

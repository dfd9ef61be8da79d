"""Keeps the order stream running: one whose thread has died is reported, and another is started after a wait.

Prices do not depend on orders, so an error there must not end the node. The first wait is a second, doubling to a
minute; ten minutes without an error forgive all. Pure.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from quotebus.bus.clock import NS_PER_S, to_utc_ns
from quotebus.bus.events import Cause, ConnectionHealth, ConnectionState
from quotebus.bus.protocol import HEALTH_EVERY_NS

log = logging.getLogger(__name__)
FIRST_WAIT_NS = NS_PER_S
LONGEST_WAIT_NS = 60 * NS_PER_S
FORGIVEN_NS = 600 * NS_PER_S
"""A thread that lives this long has proven that the next error is another one."""


class RunningOrderStream(Protocol):
    """What the supervisor needs of an order thread."""

    counters: dict[str, int]
    ended_by: str

    @property
    def connection(self) -> int: ...
    def start(self) -> None: ...
    def is_alive(self) -> bool: ...
    def allow(self, active: bool) -> None: ...
    def end(self) -> None: ...


class OrderSupervisor:
    """One order stream after the other. `make` builds the next, given how many connections its predecessors opened."""

    def __init__(
        self, make: Callable[[int], RunningOrderStream], node: str, publish: Callable[[ConnectionHealth], None]
    ) -> None:
        """`node` is the name in the order stream's health."""
        self._make = make
        self._node = node
        self._publish = publish
        self._stream: RunningOrderStream | None = None
        self._counted: dict[str, int] = {"restarts": 0}
        self._connections = 0
        self._failures = 0
        self._started_ns = self._failed_ns = self._next_ns = self._health_ns = 0
        self._why = ""

    def start(self, now_ns: int) -> None:
        """Start the first one; it does not dial before it is allowed to."""
        self._begin(now_ns)

    def watch(self, active: bool, now_ns: int) -> None:
        """See that it runs, and tell it whether this node is the active one, which alone may dial."""
        if self._stream is not None and not self._stream.is_alive():
            self._bury(self._stream, now_ns)
        if self._stream is None:
            if now_ns >= self._next_ns:
                self._begin(now_ns)
            elif now_ns - self._health_ns >= HEALTH_EVERY_NS:
                self._publish_health(now_ns)
        if self._stream is not None:
            self._stream.allow(active)

    def end(self) -> None:
        """End it; by then its last health has been published."""
        if self._stream is not None:
            self._stream.end()

    def count(self) -> dict[str, int]:
        """Counters of all streams together, and `restarts`."""
        counts = dict(self._counted)
        for name, count in (self._stream.counters if self._stream is not None else {}).items():
            counts[name] = counts.get(name, 0) + count
        return counts

    def _begin(self, now_ns: int) -> None:
        self._stream = self._make(self._connections)
        self._started_ns = now_ns
        self._stream.start()

    def _bury(self, stream: RunningOrderStream, now_ns: int) -> None:
        self._counted = self.count()
        self._counted["restarts"] += 1
        self._connections, self._why = stream.connection, stream.ended_by
        self._stream = None
        if now_ns - self._started_ns >= FORGIVEN_NS:
            self._failures = 0
        wait_ns = min(FIRST_WAIT_NS << min(self._failures, 10), LONGEST_WAIT_NS)
        self._failures += 1
        self._failed_ns, self._next_ns = now_ns, now_ns + wait_ns
        log.error("the order stream has ended by %s: started again in %.0f s", self._why, wait_ns / NS_PER_S)
        self._publish_health(now_ns)

    def _publish_health(self, now_ns: int) -> None:
        self._health_ns = now_ns
        self._publish(
            ConnectionHealth(
                node=self._node,
                feed="orders",
                state=ConnectionState.BACKING_OFF,
                cause=Cause.PROTOCOL,
                detail=f"ended by {self._why}",
                since_ns=to_utc_ns(self._failed_ns),
                connection=self._connections,
                attempt=self._failures,
                next_retry_ns=to_utc_ns(self._next_ns),
                last_frame_ns=None,
                desired=1,
                acknowledged=0,
                live=0,
                gap_start_ns=None,
                gap_end_ns=None,
                lag_ns=None,
            )
        )

"""What a connection needs of the exchange around it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from quotebus.pricing.simulator.faults import Faults
from quotebus.pricing.simulator.pace import Pace
from quotebus.pricing.simulator.records import Written
from quotebus.pricing.simulator.session import Session
from quotebus.pricing.simulator.trading.order_session import OrderSession
from quotebus.pricing.simulator.wire import Upgrade

if TYPE_CHECKING:
    from quotebus.pricing.simulator.connection import Connection
    from quotebus.pricing.simulator.tls import Endpoint


class Host(Protocol):
    """The exchange as a connection sees it. `now_ns` is the time of this turn of the loop."""

    now_ns: int
    faults: Faults
    batch: int
    room_bytes: int
    ping_interval_ns: int
    pong_timeout_ns: int
    slow_client_ns: int

    def upgrade(self, connection: Connection, upgrade: Upgrade) -> Session | OrderSession | int:
        """A session for this request, or the HTTP status that it gets instead."""

    def rejection_headers(self, status: int) -> dict[str, str]:
        """Headers of a response that is no upgrade."""

    def pace(self) -> Pace | None:
        """The pace of a connection's line, None for full speed."""

    def opened(self, connection: Connection) -> int:
        """The upgrade was answered with 101: the connection's number."""

    def authenticated(self, connection: Connection) -> None:
        """The client was let in."""

    def subscribed(self, connection: Connection, new: list[str]) -> None:
        """The client's set changed."""

    def written(self, connection: Connection, records: Sequence[Written]) -> None:
        """The socket took a whole frame with these records."""

    def gone(self, connection: Connection, why: str) -> None:
        """The connection is over."""

    def count(self, name: str) -> None:
        """One more of what `COUNTERS` in `exchange.py` calls by this name."""

    def park(self, sock: Endpoint) -> None:
        """Keep a socket open whose line is dead."""

"""What a connection needs of the exchange around it. Pure.

`ConnectionT` is the class of the connections: it is a parameter, so that this file need not import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from quotebus.pricing.simulator.bandwidth import BandwidthLimit
from quotebus.pricing.simulator.faults import Faults
from quotebus.pricing.simulator.records import Written
from quotebus.pricing.simulator.session import Session
from quotebus.pricing.simulator.trading.order_session import OrderSession
from quotebus.pricing.simulator.wire import Upgrade

if TYPE_CHECKING:
    from quotebus.pricing.simulator.tls import Endpoint

ConnectionT = TypeVar("ConnectionT", contravariant=True)


class SendLimits(Protocol):
    """How much one connection may send.

    `now_ns` is the time of this turn of the loop, `batch` the most records in a frame, `room_bytes` how much may be
    queued for a client before it gets no more data.
    """

    now_ns: int
    batch: int
    room_bytes: int


class Host(SendLimits, Protocol[ConnectionT]):
    """The exchange as a connection sees it."""

    faults: Faults
    ping_interval_ns: int
    pong_timeout_ns: int
    slow_client_ns: int

    def upgrade(self, connection: ConnectionT, upgrade: Upgrade) -> Session | OrderSession | int:
        """A session for this request, or the HTTP status that it gets instead."""

    def rejection_headers(self, status: int) -> dict[str, str]:
        """The headers of a response that rejects an upgrade."""

    def limit_bandwidth(self) -> BandwidthLimit | None:
        """The bandwidth limit of a new connection, None for full speed."""

    def on_open(self, connection: ConnectionT) -> int:
        """The upgrade was answered with 101: the connection's number."""

    def on_authenticated(self, connection: ConnectionT) -> None:
        """The client is authenticated."""

    def on_subscribed(self, connection: ConnectionT, new: list[str], *, ticking: bool) -> None:
        """The client's subscriptions changed; `new` symbols want their first tick. Only quotes and trades tick."""

    def on_written(self, connection: ConnectionT, records: Sequence[Written]) -> None:
        """The socket took a whole frame with these records."""

    def on_closed(self, connection: ConnectionT, why: str) -> None:
        """The connection has ended."""

    def count(self, name: str) -> None:
        """Add one to the counter of this name."""

    def park(self, sock: Endpoint) -> None:
        """Keep a socket open whose client hung up while it was frozen."""

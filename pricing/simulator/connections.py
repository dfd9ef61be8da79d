"""The connections of the exchange: which are open, of which kind, and how many there have been."""

from __future__ import annotations

from collections import deque

from quotebus.pricing.simulator.connection import Connection
from quotebus.pricing.simulator.tls import Endpoint
from quotebus.pricing.simulator.trading.order_session import FEED

MOST_PARKED = 64


class Connections:
    """All open connections, and sockets that stay open although their client has hung up.

    Totals count since the start. `max_upgraded` and `max_tcp` are the most that were ever open at once.
    """

    def __init__(self) -> None:
        self.open: list[Connection] = []
        self.accepted_total = self.upgraded_total = self.authenticated_total = 0
        self.max_tcp = self.max_upgraded = 0
        self._sweeping = False
        self._parked: deque[Endpoint] = deque()

    def add(self, connection: Connection) -> None:
        """A client has connected."""
        self.accepted_total += 1
        self.open.append(connection)
        self.max_tcp = max(self.max_tcp, len(self.open))

    def remove(self, connection: Connection) -> None:
        """A connection has ended."""
        self.open.remove(connection)

    def market_data(self) -> list[Connection]:
        """The upgraded connections for market data."""
        return [c for c in self.open if c.number and c.feed != FEED]

    def order_streams(self) -> list[Connection]:
        """The upgraded connections for order updates."""
        return [c for c in self.open if c.number and c.feed == FEED]

    def number(self, connection: Connection) -> int:
        """Count an upgrade to market data, and return its number."""
        self.upgraded_total += 1
        open_now = 1 + sum(1 for other in self.market_data() if other is not connection)
        self.max_upgraded = max(self.max_upgraded, open_now)
        return self.upgraded_total

    def sweep(self, but: Connection | None = None) -> None:
        """Notice which clients have hung up, so that a new connection is not counted together with one that ended."""
        if self._sweeping:
            return
        self._sweeping = True
        for connection in list(self.open):
            if connection is not but and not connection.socket.closed:
                connection.read()
        self._sweeping = False

    def park(self, sock: Endpoint) -> None:
        """Keep a socket open whose client hung up while it was frozen, so that no FIN is sent."""
        self._parked.append(sock)
        if len(self._parked) > MOST_PARKED:
            self._parked.popleft().close()

    def unpark(self) -> None:
        """Close the parked sockets."""
        while self._parked:
            self._parked.popleft().close()

    def counters(self) -> dict[str, int]:
        """The counters of connections."""
        return {
            "accepted": self.accepted_total,
            "upgraded": self.upgraded_total,
            "authenticated": self.authenticated_total,
            "connections": len(self.open),
            "parked": len(self._parked),
            "buffered_bytes": sum(connection.socket.buffered() for connection in self.open),
        }

    def state(self) -> dict[str, object]:
        """The totals for display; `opened_total` is the older name of `tcp_accepted_total`."""
        return {
            "opened_total": self.accepted_total,
            "tcp_accepted_total": self.accepted_total,
            "upgraded_total": self.upgraded_total,
            "authenticated_total": self.authenticated_total,
            "max_simultaneous": self.max_upgraded,
            "max_simultaneous_tcp": self.max_tcp,
        }

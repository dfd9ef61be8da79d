"""Who is on the bus: clients by the connection their requests come over, nodes by the health they publish. Pure.

A client that connects anew, as after a restart of its own, comes over another connection; it has left only when it is
missing at the next look too.
"""

from __future__ import annotations

from quotebus.bus.protocol import HEALTH_SILENCE_NS
from quotebus.bus.settings import CLIENT_NAME

MAX_NAMES = 10_000
MAX_LINES = 20
"""What one look tells; a hundred clients that come at once are not a hundred lines."""
_NODE = ""
"""Stands for whoever answers requests, since a client's name is never empty."""


class Attendance:
    """Fed with what the broker sees; `changes` is one look, to be called once a second."""

    def __init__(self) -> None:
        self._connections: dict[str, set[int]] = {}
        self._health_ns: int | None = None
        self._told: set[str] = set()
        self._missing: set[str] = set()

    def on_client(self, connection: int, name: str) -> None:
        """A client asks for symbols over this connection."""
        if CLIENT_NAME.match(name) and (name in self._connections or len(self._connections) < MAX_NAMES):
            self._connections.setdefault(name, set()).add(connection)

    def on_end(self, connection: int) -> None:
        """A connection has ended."""
        for name, connections in list(self._connections.items()):
            connections.discard(connection)
            if not connections:
                del self._connections[name]

    def on_health(self, now_ns: int) -> None:
        """Some node has published its health."""
        self._health_ns = now_ns

    def changes(self, now_ns: int) -> list[str]:
        """A line for each that came or left since the last look, at most MAX_LINES and one that counts the others."""
        here = set(self._connections)
        if self._health_ns is not None and now_ns - self._health_ns < HEALTH_SILENCE_NS:
            here.add(_NODE)
        came, missing = here - self._told, self._told - here
        left, self._missing = missing & self._missing, missing - self._missing
        self._told = (self._told | came) - left
        lines = [_line(name, "connected") for name in sorted(came)] + [_line(name, "left") for name in sorted(left)]
        if len(lines) > MAX_LINES:
            lines[MAX_LINES:] = [f"and {len(lines) - MAX_LINES} more that connected or left"]
        return lines


def _line(name: str, what: str) -> str:
    if name != _NODE:
        return f"client {name} {what}"
    return "a node answers requests" if what == "connected" else "no node answers requests any more"

"""Who is on the bus, by the subscriptions that cross it: a client listens to its own answers, a node to requests. Pure.

A client subscribes to its answers anew whenever it adds a symbol, so one that is missing has left only when it is
missing at the next look too.
"""

from __future__ import annotations

from quotebus.bus import topics
from quotebus.bus.settings import CLIENT_NAME

MAX_NAMES = 10_000
MAX_LINES = 20
"""What one look tells; a hundred clients that come at once are not a hundred lines."""
_ANSWERS = f"{topics.ACKNOWLEDGED}.".encode()
_REQUESTS = topics.prefix(topics.REQUESTED)
_NODE = ""
"""Stands for whoever answers requests, since a client's name is never empty."""


class Attendance:
    """Fed with subscription messages as an XPUB reads them; `changes` is one look, to be called once a second."""

    def __init__(self) -> None:
        self._here: set[str] = set()
        self._told: set[str] = set()
        self._missing: set[str] = set()

    def on_subscription(self, message: bytes) -> None:
        """Take one message: 1 or 0, and the topic."""
        topic = message[1:]
        if topic == _REQUESTS:
            name = _NODE
        elif topic.startswith(_ANSWERS) and topic.endswith(topics.END):
            name = topic[len(_ANSWERS) : -1].decode("ascii", "replace")
            if not CLIENT_NAME.match(name):
                return
        else:
            return
        if message[0] == 0:
            self._here.discard(name)
        elif len(self._here) < MAX_NAMES:
            self._here.add(name)

    def changes(self) -> list[str]:
        """A line for each that came or left since the last look, at most MAX_LINES and one that counts the others."""
        came, missing = self._here - self._told, self._told - self._here
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

"""The server's side of one order-update connection, `/stream`: takes messages, returns answers. Pure.

    new ── authenticate ──▶ authorized ── listen ──▶ waiting ── the updates are known to arrive ──▶ listening
     ╰─ none in time ──▶ ended                          ╰─ not known in time ──▶ ended

Unlike on the market-data stream there is no greeting, a message is one object, and an error ends the connection. What
is asked for is acknowledged once updates are known to arrive, so that `listening` means it.
"""

from __future__ import annotations

from quotebus.bus.edge.edge_session import Answer, Entry, Message

TRADE_UPDATES = "trade_updates"


def authorization(status: str, action: str) -> Message:
    """Whether a key was accepted; `action` is the one that is answered."""
    return {"stream": "authorization", "data": {"status": status, "action": action}}


def error(text: str) -> Answer:
    """The venue's error, after which it closes."""
    return Answer([{"action": "error", "data": {"error_message": text}}], ends=True)


class OrderStreamSession:
    """The protocol of one connection."""

    def __init__(self, entry: Entry, is_full: bool) -> None:
        """`is_full`: there are more connections than may be."""
        self._entry, self._is_full = entry, is_full
        self.authenticated = False
        self.wants_updates = False
        """Whether updates are sent: also before they are acknowledged, since nobody is harmed by one that is early."""
        self.is_waiting = False
        """Whether `listen` still has to be acknowledged."""

    def open(self, header_key: str | None, header_secret: str | None) -> Answer:
        """Keys in the upgrade request's headers authenticate at once."""
        return Answer() if header_key is None else self._authenticate("authenticate", header_key, header_secret)

    def expire(self) -> Answer:
        """The time to authenticate is over."""
        return Answer() if self.authenticated else error("authentication timeout")

    def receive(self, message: object) -> Answer:
        """Answer one message."""
        if not isinstance(message, dict):
            return error("invalid message")
        action, data = message.get("action"), message.get("data")
        if action == "auth":
            return self._authenticate("auth", message.get("key"), message.get("secret"))
        if action == "authenticate":
            given = data if isinstance(data, dict) else {}
            return self._authenticate("authenticate", given.get("key_id"), given.get("secret_key"))
        if action != "listen":
            return error("unknown action")
        if not self.authenticated:
            return Answer([authorization("unauthorized", "listen")])
        streams = data.get("streams") if isinstance(data, dict) else None
        if not isinstance(streams, list):
            return error("invalid streams")
        self.wants_updates = self.is_waiting = TRADE_UPDATES in streams
        return Answer([] if self.is_waiting else [self._list_streams()], changed=True)

    def acknowledge(self) -> Answer:
        """Updates are known to arrive."""
        if not self.is_waiting:
            return Answer()
        self.is_waiting = False
        return Answer([self._list_streams()])

    def _authenticate(self, action: str, key: object, secret: object) -> Answer:
        if not self.authenticated:
            if not self._entry.admits(key, secret):
                return Answer([authorization("unauthorized", action)])
            if self._is_full:
                return error("connection limit exceeded")
        self.authenticated = True
        return Answer([authorization("authorized", action)])

    def _list_streams(self) -> Message:
        """The list replaces the former one; streams that do not exist here are left out."""
        return {"stream": "listening", "data": {"streams": [TRADE_UPDATES] if self.wants_updates else []}}

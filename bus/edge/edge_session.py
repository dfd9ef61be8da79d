"""The server's side of one SDK's connection after the upgrade: takes messages, returns answers. Pure.

    greeted ── auth ──▶ authenticated ── subscribe, unsubscribe ──▶ authenticated
       ╰─ no auth in time ──▶ ended

Errors of a request never end a connection, as at the venue.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Set
from dataclasses import dataclass, field

from quotebus.bus import topics

Message = dict[str, object]
ERRORS = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
    500: "internal error",
}
SERVED = ("trades", "quotes")
"""The channels that the bus carries."""
KNOWN = (
    *("bars", "updatedBars", "dailyBars", "statuses", "lulds"),
    *("corrections", "cancelErrors", "imbalances", "orderbooks", "news"),
)
"""The venue's other channels: refused with 410, as it refuses them on a feed that does not have them."""
LISTED = ("bars", "updatedBars", "dailyBars", "statuses", "lulds", "corrections", "cancelErrors")
"""Of these, the ones that stand in an acknowledgement, empty, since SDKs read them there."""
ALL = "*"


def error_message(code: int) -> Message:
    """An error with the venue's text."""
    return {"T": "error", "code": code, "msg": ERRORS[code]}


@dataclass(slots=True)
class Answer:
    """What a message led to: messages to send, whether the subscriptions changed, whether the connection ends."""

    messages: list[Message] = field(default_factory=list)
    changed: bool = False
    ends: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """Who may come in. An empty key lets in anybody who gives one."""

    key: str
    secret: str

    def admits(self, key: object, secret: object) -> bool:
        if not isinstance(key, str) or not isinstance(secret, str) or not key:
            return False
        if not self.key:
            return True
        right = hmac.compare_digest(key.encode("utf-8", "replace"), self.key.encode())
        return hmac.compare_digest(secret.encode("utf-8", "replace"), self.secret.encode()) and right


class EdgeSession:
    """The protocol of one connection. `has_room` says whether symbols that it does not have yet may be added.

    A symbol that gives way to others at the venue is told as the venue would have answered the subscription: 405, and
    the set without it. It stays asked for, and when it has a place again the set is told with it.
    """

    def __init__(
        self,
        entry: Entry,
        has_room: Callable[[set[str]], bool],
        refuse: Callable[[], int],
        list_evicted: Callable[[], Set[str]] = frozenset,
    ) -> None:
        """`refuse` returns the code that a right key gets all the same, 0 for none."""
        self._entry, self._has_room, self._refuse, self._list_evicted = entry, has_room, refuse, list_evicted
        self.authenticated = False
        self.subscribed: dict[str, set[str]] = {channel: set() for channel in SERVED}
        """By channel, what it has asked for."""
        self._missing: frozenset[str] = frozenset()

    def open(self, header_key: str | None, header_secret: str | None) -> Answer:
        """Greet; keys in the upgrade request's headers authenticate at once."""
        answer = Answer([{"T": "success", "msg": "connected"}])
        if header_key is not None:
            answer.messages += self._authenticate(header_key, header_secret)
        return answer

    def expire(self) -> Answer:
        """The time to authenticate is over."""
        return Answer() if self.authenticated else Answer([error_message(404)], ends=True)

    def receive(self, message: object) -> Answer:
        """Answer one message; what is no request gets 400."""
        if not isinstance(message, dict):
            return Answer([error_message(400)])
        action = message.get("action")
        if action == "auth":
            return Answer(self._authenticate(message.get("key"), message.get("secret")))
        if action not in ("subscribe", "unsubscribe"):
            return Answer([error_message(400)])
        if not self.authenticated:
            return Answer([error_message(401)])
        return self._change(message, adds=action == "subscribe")

    def _authenticate(self, key: object, secret: object) -> list[Message]:
        if self.authenticated:
            return [error_message(403)]
        if not self._entry.admits(key, secret):
            return [error_message(402)]
        if code := self._refuse():
            return [error_message(code)]
        self.authenticated = True
        return [{"T": "success", "msg": "authenticated"}]

    def _change(self, message: dict[object, object], *, adds: bool) -> Answer:
        wanted: dict[str, set[str]] = {}
        named_any = False
        for channel, named in message.items():
            if channel == "action":
                continue
            symbols = _read_symbols(named)
            if channel not in (*SERVED, *KNOWN) or symbols is None:
                return Answer([error_message(400)])
            named_any = named_any or bool(symbols)
            if symbols and channel in KNOWN and adds:
                return Answer([error_message(410)])
            if symbols and channel in SERVED:
                wanted[str(channel)] = symbols
        if not named_any:
            return Answer([error_message(400)])
        if adds and not self._has_room(set().union(*wanted.values()) - {ALL}):
            return Answer([error_message(405)])
        for channel, symbols in wanted.items():
            held = self.subscribed[channel]
            self.subscribed[channel] = held | symbols if adds else held - symbols
        self._missing = self._find_missing()
        refused = adds and not self._missing.isdisjoint(set().union(*wanted.values()))
        answer = Answer([error_message(405)] if refused else [], changed=bool(wanted))
        answer.messages.append(self._list_subscriptions())
        return answer

    def note_evictions(self) -> Answer:
        """Other symbols than before have no place at the venue: say so where they are this connection's."""
        former, self._missing = self._missing, self._find_missing()
        if former == self._missing:
            return Answer()
        lost = bool(self._missing - former)
        return Answer([*([error_message(405)] if lost else []), self._list_subscriptions()])

    def _find_missing(self) -> frozenset[str]:
        return frozenset().union(*self.subscribed.values()) & self._list_evicted()

    def _list_subscriptions(self) -> Message:
        """The whole set, as after every change."""
        named: Message = {channel: sorted(symbols - self._missing) for channel, symbols in self.subscribed.items()}
        return {"T": "subscription", **named, **{channel: [] for channel in LISTED}}


def _read_symbols(named: object) -> set[str] | None:
    """The symbols of one channel; None when that is no list of symbols."""
    if not isinstance(named, list):
        return None
    symbols = {symbol for symbol in named if isinstance(symbol, str) and (symbol == ALL or topics.is_symbol(symbol))}
    return symbols if all(isinstance(symbol, str) and symbol in symbols for symbol in named) else None

"""The server's side of one market-data connection after the upgrade: takes messages, returns effects. Pure.

Source: Alpaca's "Streaming market data" (greeting, auth within 10 s, subscribe, error codes) and what users measured:
402 leaves the socket open, 406 closes it 10 s later, request errors never close it.

    greeted ── auth ──▶ authenticated ── subscribe / unsubscribe ──▶ authenticated
       │  ╰─ no slot free ──▶ limited ── after limit_close_s ──▶ closed
       ╰─ no auth within auth_timeout_s ──▶ closed
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from quotebus.pricing.simulator.faults import Faults
from quotebus.pricing.simulator.subscriptions import CHANNELS, LIMITED, OTHER_FEEDS_CHANNELS, Subscriptions
from quotebus.pricing.simulator.symbols import ACCEPTED

NS_PER_S = 1_000_000_000
ERRORS = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    408: "v2 not enabled",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
    411: "insufficient scope",
    500: "internal error",
}
FOR_GOOD = (402, 408, 409, 411)
"""Refusals of a key that leave the socket open without a time limit."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send this control message in a frame of its own, `delay_ns` later if it is a delayed acknowledgement."""

    message: dict[str, object]
    delay_ns: int = 0


@dataclass(frozen=True, slots=True)
class Close:
    """Send what is queued, then end the TCP connection without a close frame."""

    why: str


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The client is authenticated."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The subscriptions changed; `new` symbols want their first tick. `ticking`: quotes or trades are among them."""

    new: list[str]
    ticking: bool = True


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A subscription was acknowledged (or would have been)."""


Effect = Send | Close | Authenticated | Subscribed | Acknowledged


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings of a session. An empty `key` or `secret` accepts any that is not empty."""

    key: str
    secret: str
    symbol_limit: int
    auth_timeout_ns: int
    limit_close_ns: int


class Slots:
    """Counts authenticated connections per key and feed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used: Counter[tuple[str, str]] = Counter()

    def take(self, key: str, feed: str) -> bool:
        """Take a slot. Returns whether there was one."""
        if self._used[key, feed] >= self._most:
            return False
        self._used[key, feed] += 1
        return True

    def release(self, key: str, feed: str) -> None:
        """Give back a slot."""
        self._used[key, feed] -= 1
        if not self._used[key, feed]:
            del self._used[key, feed]


def error_message(code: int) -> Send:
    """An error message with Alpaca's text."""
    return Send({"T": "error", "code": code, "msg": ERRORS.get(code, "error")})


class Session:
    """The protocol of one connection. Call `expire` at `deadline_ns`."""

    def __init__(self, feed: str, rules: Rules, slots: Slots, faults: Faults, now_ns: int) -> None:
        self.feed = feed
        self.authenticated = False
        self.subscriptions = Subscriptions(rules.symbol_limit)
        self.deadline_ns: int | None = now_ns + rules.auth_timeout_ns
        self._rules = rules
        self._slots = slots
        self._faults = faults
        self._key = ""
        self._limited = False

    def open(self, header_key: str | None, header_secret: str | None, now_ns: int) -> list[Effect]:
        """Greet; keys in the upgrade request's headers authenticate at once."""
        effects: list[Effect] = []
        if not self._faults.take("no_greeting"):
            effects.append(Send({"T": "success", "msg": "connected"}))
        if header_key is not None:
            effects += self._authenticate(header_key, header_secret or "", now_ns)
        return effects

    def receive(self, message: object, now_ns: int) -> list[Effect]:
        """Answer one decoded message; anything that is not a request gets 400."""
        if not isinstance(message, dict):
            return [error_message(400)]
        action = message.get("action")
        if action == "auth":
            return self._authenticate(message.get("key"), message.get("secret"), now_ns)
        if action not in ("subscribe", "unsubscribe"):
            return [error_message(400)]
        if not self.authenticated:
            return [error_message(401)]
        return self._change(action, message, now_ns)

    def expire(self, now_ns: int) -> list[Effect]:
        """What happens when `deadline_ns` has passed."""
        if self.deadline_ns is None or now_ns < self.deadline_ns:
            return []
        self.deadline_ns = None
        if self._limited:
            return [Close("connection limit")]
        return [error_message(404), Close("auth timeout")]

    def send_error(self, code: int, now_ns: int) -> list[Effect]:
        """An unprompted error: 404 and 407 end the connection, 406 ends it later."""
        if code == 406:
            self._limited = True
            self.deadline_ns = now_ns + self._rules.limit_close_ns
        if code in (404, 407):
            return [error_message(code), Close(ERRORS[code])]
        if self._faults.take("close_after_error"):
            return [error_message(code), Close("close_after_error")]
        return [error_message(code)]

    def close(self) -> None:
        """Give back the slot; call it once, when the connection is gone."""
        if self.authenticated:
            self.authenticated = False
            self._slots.release(self._key, self.feed)

    def _authenticate(self, key: object, secret: object, now_ns: int) -> list[Effect]:
        if self.authenticated:
            return [error_message(403)]
        if self._limited:
            return [error_message(406)]
        if self._faults.take("drop_auth"):
            self.deadline_ns = None
            return []
        code = self._faults.take_value("auth_error")
        if isinstance(code, int):
            if code in FOR_GOOD:
                self.deadline_ns = None
            return self.send_error(code, now_ns)
        if self._faults.take("auth_fail") or not self._is_right(key, secret):
            self.deadline_ns = None
            return [error_message(402)]
        self._key = str(key)
        if not self._slots.take(self._key, self.feed):
            self._limited = True
            self.deadline_ns = now_ns + self._rules.limit_close_ns
            return [error_message(406)]
        self.authenticated = True
        self.deadline_ns = None
        effects: list[Effect] = [Send({"T": "success", "msg": "authenticated"}), Authenticated()]
        if self._faults.take("close_after_auth"):
            effects.append(Close("close_after_auth"))
        return effects

    def _is_right(self, key: object, secret: object) -> bool:
        if not isinstance(key, str) or not key:
            return False
        return self._rules.key in ("", key) and self._rules.secret in ("", secret)

    def _change(self, action: str, message: dict[object, object], now_ns: int) -> list[Effect]:
        changes: dict[str, list[str]] = {}
        for channel, symbols in message.items():
            if channel == "action":
                continue
            if channel in OTHER_FEEDS_CHANNELS:
                return [error_message(410)]
            names = _symbol_list(symbols)
            if not isinstance(channel, str) or channel not in CHANNELS or names is None:
                return [error_message(400)]
            if names:
                changes[channel] = names
        if not changes:
            return [error_message(400)]
        new: list[str] | None = []
        if action == "unsubscribe":
            self.subscriptions.remove(changes)
        else:
            code = self._faults.take_value("subscribe_error")
            if isinstance(code, int):
                return self.send_error(code, now_ns)
            limit = self._faults.number("symbol_limit")
            self.subscriptions.limit = self._rules.symbol_limit if limit is None else int(limit)
            new = self.subscriptions.add(changes)
        if new is None:
            return [error_message(405)]
        effects: list[Effect] = []
        if not self._faults.take("drop_ack"):
            missing, extra = self._faults.symbols("ack_missing"), self._faults.symbols("ack_extra")
            listing = self.subscriptions.acknowledgement(missing, extra)
            effects.append(Send(listing, self._faults.draw_ns("late_ack_ms")))
        return [*effects, Subscribed(new, any(channel in LIMITED for channel in changes)), Acknowledged()]


def _symbol_list(symbols: object) -> list[str] | None:
    if not isinstance(symbols, list):
        return None
    names = [symbol for symbol in symbols if isinstance(symbol, str) and ACCEPTED.match(symbol)]
    return names if len(names) == len(symbols) else None

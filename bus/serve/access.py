"""Who may look: the Host header, the origin, the token and the cookie that stands for it. Pure.

A page in the user's own browser can reach a server on loopback, under a name of its owner's that resolves to 127.0.0.1.
So the Host header must be a name we go by, and a request that a foreign page makes is refused.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.process.loopback import is_loopback

COOKIE = "quotebus_page"
OPEN_PATHS = frozenset({"/healthz"})
"""What needs no token: it says that this program runs, and nothing of the bus."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
    "Server": "quotebus",
}
"""Sent with every answer."""


@dataclass(frozen=True, slots=True)
class Door:
    """Decides on requests. `names`: what this server may be called besides `host`; without a token all may look."""

    host: str
    names: Collection[str]
    token: str

    def knows_host(self, header: str) -> bool:
        """Whether a Host header is a name of ours; the port is not looked at, since it may be a proxy's."""
        try:
            name = urlsplit(f"//{header}").hostname or ""
        except ValueError:
            return False
        ours = {self.host.strip("[]").lower(), *(each.strip("[]").lower() for each in self.names)}
        return name in ours or is_loopback(name)

    def knows_origin(self, headers: Mapping[str, str]) -> bool:
        """Whether a request is of our own page, of the address line, or of a program, and of no foreign page."""
        origin = headers.get("Origin", "")
        if origin and urlsplit(origin).netloc != headers.get("Host", ""):
            return False
        if headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document":
            return True  # a link on another page, which gets nothing of the answer
        return headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")

    def admits(self, headers: Mapping[str, str], cookie: str) -> bool:
        """Whether a request has the token, as `Authorization: Bearer`, or the cookie."""
        if not self.token:
            return True
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.is_token(given.strip()):
            return True
        return hmac.compare_digest(cookie.encode(), self.cookie().encode())

    def is_token(self, given: str) -> bool:
        return bool(self.token) and hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())

    def cookie(self) -> str:
        """What a browser keeps in place of the token; it changes with the token."""
        return hmac.new(self.token.encode(), b"quotebus serve: page", hashlib.sha256).hexdigest()


@dataclass(slots=True)
class Guesses:
    """Wrong tokens: after ten, one more every six seconds."""

    most: int = 10
    every_ns: int = 6 * NS_PER_S
    _times_ns: list[int] = field(default_factory=list)

    def is_allowed(self, now_ns: int) -> bool:
        self._times_ns = [time_ns for time_ns in self._times_ns if now_ns - time_ns < self.most * self.every_ns]
        return len(self._times_ns) < self.most

    def add_wrong(self, now_ns: int) -> None:
        self._times_ns.append(now_ns)

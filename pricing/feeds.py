"""The market-data feeds we know: one table of path, class and REST data, looked up by name or by an address. Pure.

Source: Alpaca's "Real-time Stock Data", "WebSocket Stream" and "24/5 Trading". What an address says about its feed is a
fact; a name is only a label for an address that says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from quotebus.bus.events import FeedClass
from quotebus.bus.process.loopback import is_loopback
from quotebus.pricing.sessions import ALPACA

STREAM_HOST = "stream.data.alpaca.markets"
REST_HOSTS = {
    STREAM_HOST: "data.alpaca.markets",
    "stream.data.sandbox.alpaca.markets": "data.sandbox.alpaca.markets",
}
"""The hosts whose feeds are what the table says, and which REST host belongs to each."""
DIAL_LIMITS = {"ws.kraken.com": 100, "ws-auth.kraken.com": 100}
"""Attempts to connect in ten minutes that a venue's host allows from one address, with room to spare: about 150 at
Kraken ("Spot WebSocket Introduction"), and then ten minutes of none."""
UNKNOWN = "unknown"
"""The name of a feed of which neither address nor setting says anything."""


@dataclass(frozen=True, slots=True)
class KnownFeed:
    """One feed. `quotes` and `trades` are the classes of its channels; `has_rest`: the venue's REST data has it too."""

    name: str
    path: str
    quotes: FeedClass
    trades: FeedClass
    has_rest: bool
    what: str


_TABLE = (
    KnownFeed("iex", "v2/iex", FeedClass.REAL_TIME, FeedClass.REAL_TIME, True, "one exchange"),
    KnownFeed("sip", "v2/sip", FeedClass.REAL_TIME, FeedClass.REAL_TIME, True, "all exchanges"),
    KnownFeed("delayed_sip", "v2/delayed_sip", FeedClass.DELAYED, FeedClass.DELAYED, True,
              "all exchanges, 15 minutes late"),
    KnownFeed("boats", "v1beta1/boats", FeedClass.REAL_TIME, FeedClass.REAL_TIME, True,
              "Blue Ocean ATS, 20:00 to 04:00 New York"),
    KnownFeed("overnight", "v1beta1/overnight", FeedClass.INDICATIVE, FeedClass.DELAYED, True,
              "derived from boats: indicative quotes, trades 15 minutes late"),
    KnownFeed("test", "v2/test", FeedClass.TEST, FeedClass.TEST, False, "the symbol FAKEPACA, at any hour"),
)  # fmt: skip
FEEDS: dict[str, KnownFeed] = {feed.name: feed for feed in _TABLE}
_PATHS = {feed.path: feed for feed in _TABLE}


def build_url(name: str) -> str:
    """The stream's address of a known feed. Raises KeyError."""
    return f"wss://{STREAM_HOST}/{FEEDS[name].path}"


def find_by_url(url: str) -> KnownFeed | None:
    """The feed that an address names by the end of its path, on whatever host; None when it names none."""
    return _PATHS.get("/".join(urlsplit(url).path.strip("/").split("/")[-2:]))


def find_venue(url: str) -> str:
    """The venue whose feed an address names, on whatever host: what is behind a proxy is said by the class."""
    return ALPACA if find_by_url(url) is not None else ""


def find_class(url: str) -> FeedClass:
    """How far the quotes of an address are from the market's, as far as host and path tell."""
    host, feed = urlsplit(url).hostname or "", find_by_url(url)
    if is_loopback(host):
        return FeedClass.SIMULATED
    return feed.quotes if feed is not None and host in REST_HOSTS else FeedClass.UNKNOWN


def find_rest_url(url: str) -> str:
    """The venue's REST address for a stream of it; empty for any other host, and for a feed that REST does not have."""
    parts, feed = urlsplit(url), find_by_url(url)
    if feed is None or not feed.has_rest or parts.port not in (None, 443) or parts.hostname not in REST_HOSTS:
        return ""
    return f"https://{REST_HOSTS[parts.hostname]}"


def find_dial_limit(url: str) -> int:
    """How many attempts to connect in ten minutes the host of an address allows from one address; 0 for no limit."""
    return DIAL_LIMITS.get(urlsplit(url).hostname or "", 0)

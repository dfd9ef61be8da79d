"""Settings of the pricing node."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator

from quotebus.bus.events import FeedClass
from quotebus.bus.process.flags import Internal, Unit
from quotebus.bus.process.loopback import is_loopback
from quotebus.bus.rest_address import ALPACA_TRADING, strip_version
from quotebus.bus.settings import BusSettings, LogSettings
from quotebus.pricing import feeds
from quotebus.pricing.sessions import SessionRule

_NODE_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")
_REPLACEABLE = frozenset({FeedClass.SIMULATED, FeedClass.UNKNOWN})
"""Classes of which an address says too little: behind one on this machine there may be a proxy of a real feed."""
_FEED = re.compile(r"[a-z0-9_]{1,32}\Z")


class PricingSettings(BusSettings, LogSettings):
    """The node's settings: `PRICING_*`, Alpaca's own key variables, and the bus's endpoints."""

    about = (
        "Opens the account's one market-data connection when somebody asks for a symbol, and shares it over the bus."
    )
    examples = (
        "pricing-node  # keys from the environment or .env",
        "pricing-node --feed sip --symbol-limit 0  # all exchanges, no limit",
        "pricing-node --upstream-url ws://127.0.0.1:8765/v2/iex",
        "pricing-node --order-stream --order-account paper",
    )
    flag_prefix = "pricing_"
    headings: ClassVar = {
        "pricing_node": "node",
        "pricing_feed": "upstream",
        "pricing_symbol_limit": "limits and times",
        "pricing_order_stream": "order stream",
    }

    pricing_node: Annotated[str, Unit("NAME")] = Field("pricing", description="name of this node, as in health.<node>")
    pricing_lock_dir: Path = Field(
        Path(tempfile.gettempdir()),
        description="folder of the lock that keeps a second node off the account's one connection",
    )
    pricing_feed: Annotated[str, Unit("FEED")] = Field(
        "iex",
        description=f"market-data feed to subscribe to: {', '.join(feeds.FEEDS)}; an upstream address that names its "
        "feed is enough, and a name for one that does not may be any",
    )
    pricing_feed_class: Annotated[
        Literal["", "real_time", "delayed", "indicative", "test", "simulated", "unknown"], Unit("CLASS")
    ] = Field(
        "",
        description="how far the feed's prices are from the market's: real_time, delayed, indicative, test, simulated, "
        "unknown; without it as host and path tell: an address on this machine is simulated, a foreign one unknown",
    )
    pricing_session: Annotated[
        Literal["", "regular", "pre", "post", "overnight", "closed", "unknown"], Unit("SESSION")
    ] = Field(
        "",
        description="which part of its day the market is in: regular, pre, post, overnight, closed, unknown; without "
        "it by the venue's calendar, for a simulated feed as the simulator's clock says, and always regular for a test "
        "feed",
    )
    pricing_upstream_url: str = Field(
        "", description="upstream address, used as it is; without it the feed's at Alpaca"
    )
    pricing_upstream_encoding: Literal["msgpack", "json"] = Field(
        "msgpack", description="encoding to ask the upstream for"
    )
    pricing_upstream_ca_file: str | None = Field(
        None, description="PEM file of certificate authorities to trust instead of the system's"
    )
    pricing_data_url: str = Field(
        "",
        description="REST address of the upstream's market data, asked when the stream is suspiciously silent; without "
        "it Alpaca's that belongs to the upstream, else none, so never one on this machine: the keys go there",
    )
    pricing_trading_url: str = Field(
        "",
        description="REST address of the trading API, asked for the list of symbols, a simulator for the "
        "session; without it PRICING_ORDER_REST_URL, else Alpaca's of PRICING_ORDER_ACCOUNT for an upstream there, "
        "else none, so never one on this machine: the keys go there",
    )
    pricing_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("pricing_api_key", "apca_api_key_id"),
        description="the account's API key; safer in the environment or in .env than on a command line",
    )
    pricing_api_secret: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("pricing_api_secret", "apca_api_secret_key"),
        description="the account's API secret; safer in the environment or in .env than on a command line",
    )
    pricing_symbol_limit: Annotated[int, Unit("PAIRS")] = Field(
        30, ge=0, description="(symbol, channel) pairs over quotes and trades that your plan allows; 0 for no limit"
    )
    pricing_dial_limit: Annotated[int | None, Unit("ATTEMPTS")] = Field(
        None,
        ge=1,
        le=100_000,
        description="attempts to connect in ten minutes that the venue allows, over all nodes of this host; without it "
        "what is known of the venue, for Alpaca no limit",
    )
    pricing_linger_s: float = Field(
        30, ge=0, le=86_400, description="keep the connection open this long after the last symbol is released"
    )
    pricing_quiet_s: float = Field(
        30, gt=0, le=86_400, description="call a symbol quiet after this long without a new quote"
    )
    pricing_first_tick_s: float = Field(
        60,
        gt=0,
        le=86_400,
        description="a symbol without any quote for this long is never_ticked: it gives way first under the limit",
    )
    pricing_slow_line_s: float = Field(
        2, gt=0, le=3_600, description="call the connection suspect when its data is further behind than this"
    )
    pricing_conflation: Literal["backlog", "never"] = Field(
        "backlog",
        description="when the broker is behind: replace waiting quotes by newer ones (backlog), or drop and count them",
    )
    pricing_order_stream: bool = Field(
        False,
        description="also keep the account's order-update stream, which connects at start; unless it is set, on where "
        "EXECUTION_GATEWAY names a gateway",
    )
    pricing_order_account: Literal["paper", "live"] = Field(
        "paper", description="account at Alpaca whose order updates are streamed"
    )
    pricing_order_stream_url: str = Field(
        "",
        description="order-stream address, used as it is; without it /stream next to a local upstream, "
        "else the account's at Alpaca",
    )
    pricing_order_rest_url: str = Field(
        "",
        description="REST address to read orders from after a gap; without it that of the order stream's host, which "
        "one on this machine does not have: the keys go there",
    )
    pricing_order_alias: Annotated[str, Unit("NAME")] = Field(
        "",
        description="name used instead of the account in order.<alias>; without it local for a local stream, "
        "else paper or live",
    )

    execution_gateway: Annotated[str, Internal()] = Field("none", description="read to know whether orders are placed")
    execution_api_key: Annotated[SecretStr, Internal()] = Field(
        SecretStr(""), description="read to know whether they are placed with the same key"
    )
    execution_orders_url: Annotated[str, Internal()] = Field("", description="read to know where orders are")
    execution_budget_dir: Annotated[Path, Internal()] = Field(
        Path(tempfile.gettempdir()), description="read to share the account's budget of requests with its workers"
    )
    execution_request_share: Annotated[float, Internal()] = Field(
        1.0, gt=0, le=1, description="read to share the account's budget of requests with its workers"
    )

    @field_validator("pricing_node")
    @classmethod
    def _name(cls, name: str) -> str:
        if not _NODE_NAME.match(name):
            raise ValueError("1 to 32 letters, digits, _ or -")
        return name

    @field_validator("pricing_feed")
    @classmethod
    def _feed(cls, feed: str) -> str:
        if not _FEED.match(feed):
            raise ValueError("1 to 32 small letters, digits or _")
        return feed

    @field_validator("pricing_upstream_url", "pricing_order_stream_url")
    @classmethod
    def _upstream(cls, url: str) -> str:
        return _address(url, "ws")

    @field_validator("pricing_order_rest_url", "pricing_data_url", "pricing_trading_url")
    @classmethod
    def _rest(cls, url: str) -> str:
        return strip_version(_address(url, "http"))

    @field_validator("pricing_order_alias")
    @classmethod
    def _alias(cls, alias: str) -> str:
        if alias and not _NODE_NAME.match(alias):
            raise ValueError("1 to 32 letters, digits, _ or -")
        return alias

    @model_validator(mode="after")
    def _keys(self) -> PricingSettings:
        key, secret = self.pricing_api_key.get_secret_value(), self.pricing_api_secret.get_secret_value()
        if bool(key) != bool(secret):
            raise ValueError("PRICING_API_KEY and PRICING_API_SECRET go together")
        if not self.pricing_upstream_url and self.pricing_feed not in feeds.FEEDS:
            raise ValueError(f"PRICING_FEED: known are {', '.join(feeds.FEEDS)}; any other needs PRICING_UPSTREAM_URL")
        if not self.pricing_upstream_url and not key:
            raise ValueError("set PRICING_API_KEY and PRICING_API_SECRET, or PRICING_UPSTREAM_URL of a simulator")
        return self

    @model_validator(mode="after")
    def _labels_agree_with_the_address(self) -> PricingSettings:
        named = feeds.find_by_url(self.pricing_upstream_url)
        if named is not None and "pricing_feed" in self.model_fields_set and named.name != self.pricing_feed:
            raise ValueError(
                f"PRICING_FEED says {self.pricing_feed}, but PRICING_UPSTREAM_URL is of the feed {named.name}: "
                "leave one of them out"
            )
        fact = feeds.find_class(self.upstream_url)
        if fact not in _REPLACEABLE and self.pricing_feed_class not in ("", fact):
            raise ValueError(f"PRICING_FEED_CLASS says {self.pricing_feed_class}, but the upstream's feed is {fact}")
        return self

    @model_validator(mode="after")
    def _rest_is_named(self) -> PricingSettings:
        """The keys go to a REST address in clear when it is on this machine: it is one that somebody has named."""
        if self.keeps_order_stream and not self.order_rest_url:
            raise ValueError("PRICING_ORDER_REST_URL: an order stream on this machine needs it")
        for name, url in (("DATA", self.pricing_data_url), ("TRADING", self.pricing_trading_url)):
            if _is_local(url) and not _is_local(self.upstream_url):
                raise ValueError(
                    f"PRICING_{name}_URL is on this machine, but the upstream is not: leave it out or name another"
                )
        return self

    @property
    def upstream_url(self) -> str:
        return self.pricing_upstream_url or feeds.build_url(self.pricing_feed)

    @property
    def dial_limit(self) -> int:
        """Attempts in ten minutes over all nodes of this host; 0 for no limit."""
        return self.pricing_dial_limit or feeds.find_dial_limit(self.upstream_url)

    @property
    def feed(self) -> str:
        """The feed that the address names; for an address that names none the one that was set, else `unknown`."""
        named = feeds.find_by_url(self.upstream_url)
        if named is not None:
            return named.name
        return self.pricing_feed if "pricing_feed" in self.model_fields_set else feeds.UNKNOWN

    @property
    def feed_class(self) -> FeedClass:
        """What was set, else what host and path tell."""
        return FeedClass(self.pricing_feed_class or feeds.find_class(self.upstream_url))

    @property
    def session_rule(self) -> SessionRule:
        """How the market's session is found: what was set, else by the class and the venue's calendar."""
        venue = feeds.find_venue(self.upstream_url) if self.feed_class is not FeedClass.UNKNOWN else ""
        has_clock = bool(self.trading_url)
        return SessionRule.of(venue, self.feed, self.feed_class, self.pricing_session, has_clock=has_clock)

    @property
    def trades_prove(self) -> bool:
        """Whether one of the feed's trades may prove a price: not when they are delayed, indicative or unknown."""
        named, quotes = feeds.find_by_url(self.upstream_url), self.feed_class
        trades = named.trades if named is not None and quotes == named.quotes else quotes
        return trades in (FeedClass.REAL_TIME, FeedClass.TEST, FeedClass.SIMULATED)

    @property
    def data_feed(self) -> str:
        """The feed whose REST data belongs to the upstream; empty when its path is none that REST data has."""
        named = feeds.find_by_url(self.upstream_url)
        return named.name if named is not None and named.has_rest else ""

    @property
    def data_url(self) -> str:
        """Where the upstream's market data can be read by REST; empty when that is not known."""
        if not self.data_feed:
            return ""
        return self.pricing_data_url or feeds.find_rest_url(self.upstream_url)

    @property
    def trading_url(self) -> str:
        """Where the upstream's symbols can be asked for; empty when that is not known."""
        named = self.pricing_trading_url or self.pricing_order_rest_url
        if named or not self.data_feed or not feeds.find_rest_url(self.upstream_url):
            return named
        return ALPACA_TRADING[self.order_account]

    @property
    def keeps_order_stream(self) -> bool:
        """What was set; else whether this account's orders are placed somewhere, and can be read by REST."""
        if "pricing_order_stream" in self.model_fields_set:
            return self.pricing_order_stream
        key = self.execution_api_key.get_secret_value()
        is_local = _is_local(self.order_stream_url)
        same_key = is_local or key in ("", self.pricing_api_key.get_secret_value())
        right_gateway = ("simulator",) if is_local else ("paper", "live")
        return self.execution_gateway in right_gateway and same_key and bool(self.order_rest_url)

    @property
    def order_account(self) -> Literal["paper", "live"]:
        """What was set; else the account of the gateway."""
        is_live = self.execution_gateway == "live" and "pricing_order_account" not in self.model_fields_set
        return "live" if is_live else self.pricing_order_account

    @property
    def order_stream_url(self) -> str:
        parts = urlsplit(self.pricing_upstream_url)
        if self.pricing_order_stream_url:
            return self.pricing_order_stream_url
        if _is_local(self.pricing_upstream_url):
            return f"{parts.scheme}://{parts.netloc}/stream"
        return f"wss://{urlsplit(ALPACA_TRADING[self.order_account]).netloc}/stream"

    @property
    def order_rest_url(self) -> str:
        """Where orders are read; empty when no setting says it and the order stream is on this machine."""
        if self.pricing_order_rest_url:
            return self.pricing_order_rest_url
        if _is_local(self.order_stream_url):
            named = self.execution_orders_url if self.execution_gateway == "simulator" else ""
            return strip_version(named) if named.startswith("http://") and _is_local(named) else ""
        parts = urlsplit(self.order_stream_url)
        return f"https://{parts.hostname}" + (f":{parts.port}" if parts.port else "")

    @property
    def order_alias(self) -> str:
        local = _is_local(self.order_stream_url)
        return self.pricing_order_alias or ("local" if local else self.order_account)


def _is_local(url: str) -> bool:
    """Whether an address leads to this machine."""
    return is_loopback(urlsplit(url).hostname or "")


def _address(url: str, scheme: str) -> str:
    """An address of this scheme, or its secure one; in clear only on this machine."""
    if not url:
        return url
    wrong = f"not a {scheme}:// or {scheme}s:// address"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError(wrong) from None
    if parts.scheme not in (scheme, f"{scheme}s") or not host:
        raise ValueError(wrong)
    if parts.username or parts.password:
        raise ValueError("refused: credentials do not belong in an address")
    if parts.scheme == scheme and not is_loopback(host):
        raise ValueError(f"refused: {scheme}:// would carry the keys in clear to another machine")
    return url

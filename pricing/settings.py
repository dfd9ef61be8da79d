"""Settings of the pricing node."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator

from bus.settings import BusSettings, is_loopback

_NODE_NAME = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")
_FEED = re.compile(r"[a-z0-9_]{1,32}\Z")


class PricingSettings(BusSettings):
    """The node's settings: `PRICING_*`, Alpaca's own key variables, and the bus's endpoints."""

    pricing_node: str = Field("pricing", description="this node's name in health.<node>")
    pricing_feed: str = Field("iex", description="iex, sip, delayed_sip, test …")
    pricing_upstream_url: str = Field(
        "", description="used verbatim; empty: wss://stream.data.alpaca.markets/v2/{PRICING_FEED}"
    )
    pricing_upstream_encoding: Literal["msgpack", "json"] = Field("msgpack", description="how the upstream encodes")
    pricing_upstream_ca_file: str | None = Field(None, description="certificate authority instead of the system's")
    pricing_api_key: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("pricing_api_key", "apca_api_key_id"),
        description="better in the environment or .env than on a command line",
    )
    pricing_api_secret: SecretStr = Field(
        SecretStr(""),
        validation_alias=AliasChoices("pricing_api_secret", "apca_api_secret_key"),
        description="likewise",
    )
    pricing_symbol_limit: int = Field(30, ge=0, description="(symbol, channel) pairs the plan allows; 0: no limit")
    pricing_linger_s: float = Field(30, ge=0, le=86_400, description="how long an unwanted line stays up")
    pricing_quiet_s: float = Field(30, gt=0, le=86_400, description="without a new quote for so long: quiet")
    pricing_slow_line_s: float = Field(2, gt=0, le=3_600, description="a line further behind is suspect, slow_line")
    pricing_conflation: Literal["backlog", "never"] = Field(
        "backlog", description="replace unsent quotes by newer ones when the broker is behind, or drop and count them"
    )
    pricing_lock_dir: Path = Field(
        Path(tempfile.gettempdir()), description="where the lock of this account's one connection is"
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

    @field_validator("pricing_upstream_url")
    @classmethod
    def _upstream(cls, url: str) -> str:
        if not url:
            return url
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise ValueError("not a ws:// or wss:// address") from None
        if parts.scheme not in ("ws", "wss") or not host:
            raise ValueError("not a ws:// or wss:// address")
        if parts.username or parts.password:
            raise ValueError("refused: credentials do not belong in an address")
        if parts.scheme == "ws" and not is_loopback(host):
            raise ValueError("refused: ws:// would carry the keys in clear to another machine")
        return url

    @model_validator(mode="after")
    def _keys(self) -> PricingSettings:
        key, secret = self.pricing_api_key.get_secret_value(), self.pricing_api_secret.get_secret_value()
        if bool(key) != bool(secret):
            raise ValueError("PRICING_API_KEY and PRICING_API_SECRET go together")
        if not self.pricing_upstream_url and not key:
            raise ValueError("set PRICING_API_KEY and PRICING_API_SECRET, or PRICING_UPSTREAM_URL of a simulator")
        return self

    @property
    def upstream_url(self) -> str:
        return self.pricing_upstream_url or f"wss://stream.data.alpaca.markets/v2/{self.pricing_feed}"

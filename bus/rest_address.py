"""REST addresses as people write them: with or without the version of the API and a last slash. Pure."""

from __future__ import annotations

from types import MappingProxyType
from urllib.parse import urlsplit

VERSION = "v2"
ALPACA_TRADING = MappingProxyType({"paper": "https://paper-api.alpaca.markets", "live": "https://api.alpaca.markets"})
"""Alpaca's trading API, by account."""
_THIS_MACHINE = ("localhost", "::1")


def strip_version(url: str) -> str:
    """The address without `/v2` and slashes at its end: requests add the version themselves."""
    return url.strip().rstrip("/").removesuffix(f"/{VERSION}").rstrip("/")


def name_account(url: str, key: str) -> str:
    """The account at the broker of this address, the same for every program that asks there with this key."""
    parts = urlsplit(strip_version(url))
    host = parts.hostname or ""
    port = parts.port or (80 if parts.scheme == "http" else 443)
    return f"{'127.0.0.1' if host in _THIS_MACHINE else host}:{port}{parts.path} {key}"

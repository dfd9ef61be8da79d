"""The table of feeds: paths, classes, and what an address says about its feed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from quotebus.pricing.feeds import FEEDS, build_url, find_by_url, find_class, find_rest_url

README = (Path(__file__).parents[2] / "pricing" / "README.md").read_text()


@pytest.mark.parametrize(
    ("name", "url", "feed_class"),
    [
        ("iex", "wss://stream.data.alpaca.markets/v2/iex", "real_time"),
        ("sip", "wss://stream.data.alpaca.markets/v2/sip", "real_time"),
        ("delayed_sip", "wss://stream.data.alpaca.markets/v2/delayed_sip", "delayed"),
        ("boats", "wss://stream.data.alpaca.markets/v1beta1/boats", "real_time"),
        ("overnight", "wss://stream.data.alpaca.markets/v1beta1/overnight", "indicative"),
        ("test", "wss://stream.data.alpaca.markets/v2/test", "test"),
    ],
)
def test_each_feed_has_its_path_and_class(name: str, url: str, feed_class: str) -> None:
    assert build_url(name) == url
    feed = find_by_url(url)
    assert feed is FEEDS[name]
    assert find_class(url) == feed_class


def test_overnight_trades_are_late_and_its_quotes_indicative() -> None:
    assert (FEEDS["overnight"].quotes, FEEDS["overnight"].trades) == ("indicative", "delayed")


@pytest.mark.parametrize(
    ("url", "name", "feed_class"),
    [
        ("wss://stream.data.alpaca.markets/v2/sip/", "sip", "real_time"),
        ("wss://STREAM.data.alpaca.markets:443/v2/sip?key=1#x", "sip", "real_time"),
        ("wss://stream.data.sandbox.alpaca.markets/v2/iex", "iex", "real_time"),
        ("wss://stream.data.alpaca.markets/v2/otc", None, "unknown"),
        ("wss://stream.data.alpaca.markets/", None, "unknown"),
        ("wss://proxy.example.com/v2/sip", "sip", "unknown"),
        ("wss://proxy.example.com/alpaca/v2/delayed_sip", "delayed_sip", "unknown"),
        ("wss://stream.data.alpaca.markets.example.com/v2/sip", "sip", "unknown"),
        ("wss://proxy.example.com/sip", None, "unknown"),
        ("ws://127.0.0.1:8765/v2/sip", "sip", "simulated"),
        ("ws://[::1]:8765/anything", None, "simulated"),
        ("ws://localhost:8765", None, "simulated"),
    ],
)
def test_what_an_address_says(url: str, name: str | None, feed_class: str) -> None:
    feed = find_by_url(url)
    assert (feed.name if feed else None) == name
    assert find_class(url) == feed_class


@pytest.mark.parametrize(
    ("url", "rest"),
    [
        ("wss://stream.data.alpaca.markets/v2/iex", "https://data.alpaca.markets"),
        ("wss://stream.data.sandbox.alpaca.markets/v2/sip", "https://data.sandbox.alpaca.markets"),
        ("wss://stream.data.alpaca.markets/v2/test", ""),
        ("wss://stream.data.alpaca.markets:8443/v2/iex", ""),
        ("wss://proxy.example.com/v2/iex", ""),
    ],
)
def test_which_rest_address_belongs_to_a_stream(url: str, rest: str) -> None:
    assert find_rest_url(url) == rest


def test_readme_shows_the_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `/(\S+)` \| (\w+) \| (\w+) \| (.*) \|$", README, re.MULTILINE)
    assert rows == [(f.name, f.path, f.quotes, f.trades, f.what) for f in FEEDS.values()]

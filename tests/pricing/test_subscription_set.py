"""The difference between wanted and acknowledged, kept entry by entry, is the one that a rebuild finds."""

from __future__ import annotations

import copy
import random

import pytest

from quotebus.pricing.subscription_set import CHANNELS, DATA, DATA_CHANNELS, SIDE_CHANNELS, STATUSES, SubscriptionSet

SYMBOLS = "ABCDE"


def some_channels(rng: random.Random) -> tuple[str, ...]:
    return tuple(channel for channel in DATA_CHANNELS if rng.random() < 0.6)


def change(subscriptions: SubscriptionSet, rng: random.Random) -> None:
    symbol = rng.choice(SYMBOLS)
    kind = rng.randrange(10)
    if kind == 0:
        wanted = {symbol: channels for symbol in SYMBOLS if (channels := some_channels(rng))}
        subscriptions.replace(wanted, [("trades", symbol)] if symbol in wanted else [])
    elif kind < 5:
        subscriptions.replace_symbol(symbol, some_channels(rng))
    elif kind < 8:
        listing = {channel: [symbol for symbol in SYMBOLS if rng.random() < 0.5] for channel in CHANNELS}
        subscriptions.acknowledge(listing)
        assert subscriptions.acknowledged == {(channel, s) for channel, symbols in listing.items() for s in symbols}
    elif kind == 8:
        subscriptions.give_up((rng.choice(CHANNELS), symbol))
    elif rng.random() < 0.2:
        subscriptions.reset()


@pytest.mark.parametrize("seed", range(20))
def test_the_difference_is_the_one_that_a_rebuild_finds(seed: int) -> None:
    rng, subscriptions = random.Random(seed), SubscriptionSet()
    for _ in range(200):
        change(subscriptions, rng)
        rebuilt = copy.deepcopy(subscriptions)
        rebuilt._refile_all()
        assert vars(subscriptions) == vars(rebuilt)
        missing = {entry for entries in subscriptions.missing.values() for entry in entries}
        assert missing.isdisjoint(subscriptions.acknowledged)
        assert all(map(subscriptions.is_wanted, missing))
        assert subscriptions.extra <= subscriptions.acknowledged
        assert not any(map(subscriptions.is_wanted, subscriptions.extra))


def test_refused_data_takes_its_whole_symbol_out_until_that_channel_is_no_longer_wanted() -> None:
    subscriptions = SubscriptionSet()
    subscriptions.replace({"A": ("quotes", "trades"), "B": ("quotes",)}, [])
    assert list(subscriptions.missing[DATA]) == [("quotes", "A"), ("trades", "A"), ("quotes", "B")]
    assert subscriptions.give_up(("trades", "A"))
    assert list(subscriptions.missing[DATA]) == [("quotes", "B")]
    assert subscriptions.has_refused_any()
    assert subscriptions.replace_symbol("A", ("quotes",)) == [("trades", "A")]
    assert list(subscriptions.missing[DATA]) == [("quotes", "B"), ("quotes", "A")]
    assert not subscriptions.has_refused_any()


@pytest.mark.parametrize("channel", SIDE_CHANNELS)
def test_a_side_channel_that_is_refused_leaves_its_symbol_wanted(channel: str) -> None:
    subscriptions = SubscriptionSet()
    subscriptions.replace({"A": ("quotes",)}, [])
    assert subscriptions.acknowledge({"quotes": ["A"]}) == ["A"]
    assert not subscriptions.has_all_statuses()
    assert not subscriptions.give_up((channel, "A"))
    assert (channel, "A") not in subscriptions.missing[channel]
    assert subscriptions.has_all("A")
    assert subscriptions.acknowledge({"quotes": ["A"], STATUSES: ["A"]}) == ["A"]
    assert subscriptions.has_all_statuses()

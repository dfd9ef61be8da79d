"""Rates, delays, keys, selections: small pure parts at their edges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.tap.histogram import DelayHistogram
from quotebus.bus.tap.rates import MAX_KEYS, Rates
from quotebus.bus.tap.selection import Selection
from quotebus.bus.tap.top.keys import parse
from tests.support.samples import QUICK, QUOTE, REQUESTED


@QUICK
@given(st.lists(st.integers(min_value=-(2**62), max_value=2**62), min_size=1), st.sampled_from([0.5, 0.99, 1.0]))
def test_a_quantile_is_within_two_percent(values: list[int], share: float) -> None:
    histogram = DelayHistogram()
    for value in values:
        histogram.add(value)
    exact = sorted(values)[max(0, -int(-share * len(values) // 1) - 1)]
    found = histogram.quantile(share)
    assert found is not None
    assert abs(found - exact) <= 0.016 * abs(exact) + 1


def test_rates_look_back_on_whole_seconds_and_silence_counts() -> None:
    rates: Rates[str] = Rates()
    for at in range(20):
        rates.count("a", 10, at * NS_PER_S // 10)
    rates.at(2 * NS_PER_S)
    assert rates.per_s("a") == pytest.approx(10)
    assert rates.all_per_s() == pytest.approx((10, 100))
    rates.at(6 * NS_PER_S)
    assert rates.per_s("a") == pytest.approx(20 / 6)


def test_made_up_topics_cannot_fill_memory() -> None:
    rates: Rates[int] = Rates()
    for number in range(MAX_KEYS + 5):
        rates.count(number, 1, 0)
    assert len(rates.total) == MAX_KEYS
    assert rates.others == 5


@pytest.mark.parametrize(
    ("sent", "keys"),
    [(b"q", ["q"]), (b"\x1b[A\x1b[6~j", ["up", "pgdn", "j"]), (b"\x1b", ["esc"]), (b"\r\x7f", ["enter", "backspace"]),
     (b"\x1b[1;5Cx", ["x"]), (b"\xff\x00", [])],
)  # fmt: skip
def test_keys(sent: bytes, keys: list[str]) -> None:
    assert parse(sent) == (keys, b"")


def test_a_key_cut_in_two_waits_for_its_rest() -> None:
    assert parse(b"\x1b[5") == ([], b"\x1b[5")


@pytest.mark.parametrize(
    ("patterns", "symbols", "topic", "belongs"),
    [
        ([], [], "quote.SPY", True), (["quote"], [], "quote.SPY", True), (["quote.SP"], [], "quote.SPY", False),
        (["quote.S*"], [], "quote.SPY", True), (["health."], [], "quote.SPY", False), ([], ["spy"], "quote.SPY", True),
        ([], ["SPY"], "quote.QQQ", False), ([], ["SPY"], "symbols.requested", True), ([], ["SPY"], "health.n", False),
    ],
)  # fmt: skip
def test_selection(patterns: list[str], symbols: list[str], topic: str, belongs: bool) -> None:
    selection = Selection(patterns, symbols)
    assert selection.topic(topic) is belongs
    if belongs:
        assert any((topic.encode() + b"\0").startswith(prefix) for prefix in selection.prefixes())


def test_selection_looks_for_symbols_in_contents_and_refuses_what_matches_nothing() -> None:
    selection = Selection((), ["QQQ"])
    assert selection.event(REQUESTED)
    assert not selection.event(QUOTE)
    for wrong in (["nope"], ["quot e"], [""]):
        with pytest.raises(ValueError):
            Selection(wrong)

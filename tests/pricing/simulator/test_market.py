"""Prices: reproducible, on the grid, never crossed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from quotebus.pricing.simulator.market import SymbolMarket
from quotebus.pricing.simulator.symbols import make_profile, ticks

SYMBOLS = st.from_regex(r"[A-Z][A-Z0-9./-]{0,10}", fullmatch=True)


@settings(max_examples=60, deadline=None)
@given(st.integers(-3, 3), SYMBOLS, st.lists(st.integers(0, 1 << 60), min_size=1, max_size=60))
def test_quotes_stay_on_the_grid_uncrossed_and_in_order(seed: int, symbol: str, times: list[int]) -> None:
    market = SymbolMarket(seed, symbol)
    before_ns = 0
    for now_ns in times:
        quote = market.next_quote(now_ns)
        assert 0 < quote.bid_price < quote.ask_price
        assert quote.ask_price - quote.bid_price < 6.5 / market.profile.ticks_per_dollar
        for price in (quote.bid_price, quote.ask_price):
            decimals = 2 if market.profile.ticks_per_dollar == 100 else 4
            assert price == round(price, decimals)
            assert (price >= 1) == (market.profile.ticks_per_dollar == 100)
        assert quote.bid_size > 0
        assert quote.ask_size > 0
        assert quote.t_ns > before_ns
        assert quote.t_ns >= now_ns
        before_ns = quote.t_ns
        trade = market.next_trade(now_ns)
        if trade is not None:
            assert trade.price in (quote.bid_price, quote.ask_price)
            assert trade.t_ns > quote.t_ns
            before_ns = trade.t_ns


def test_the_same_seed_gives_the_same_values_whatever_else_is_asked() -> None:
    one, two, other = SymbolMarket(1, "SPY"), SymbolMarket(1, "SPY"), SymbolMarket(2, "SPY")
    first, second, third = [], [], []
    for now_ns in range(200):
        first.append(one.next_quote(now_ns)._replace(t_ns=0))
        second.append(two.next_quote(now_ns * 1_000)._replace(t_ns=0))
        two.next_trade(now_ns)
        third.append(other.next_quote(now_ns)._replace(t_ns=0))
    assert first == second
    assert first != third


def test_a_walk_stays_near_its_start_for_a_long_time() -> None:
    for symbol in ("SPY", "BRK.A", "SYMAB", "F"):
        market = SymbolMarket(1, symbol)
        start = market.next_quote(0).bid_price
        for now_ns in range(20_000):
            quote = market.next_quote(now_ns)
        assert start / 2.1 <= quote.bid_price <= start * 2.1


def test_known_symbols_are_plausible_and_busy() -> None:
    assert 540 < SymbolMarket(1, "SPY").next_quote(0).bid_price < 570
    assert make_profile(1, "SPY").weight > 20 * make_profile(1, "BRK.A").weight
    assert {make_profile(1, f"S{n}").tape for n in range(50)} == {"A", "B", "C"}
    assert make_profile(1, "ABC") == make_profile(1, "ABC")


def test_which_symbols_tick() -> None:
    assert all(ticks(symbol) for symbol in ("A", "SPY", "BRK.B", "BTC/USD", "QUIETX", "ABCDEFGHIJK"))
    assert not any(ticks(symbol) for symbol in ("ZZTOP", "spy", "*", "", "1AB", "ABCDEFGHIJKL", "A B"))

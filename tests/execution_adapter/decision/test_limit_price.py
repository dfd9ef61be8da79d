"""Limit prices: never across the spread, always on a tick, rising with aggression, the same for both sides."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotebus.execution_adapter.decision.limit_price import (
    Touch,
    compute_aggression,
    compute_limit_price,
    compute_order_qty,
    find_sides,
    find_tick,
    round_to_tick,
)
from tests.support.samples import QUOTE, like

D = Decimal
sides = st.sampled_from(["buy", "sell"])
shares = st.decimals(0, 1, places=2)
quantities = st.integers(0, 100_000).map(Decimal)


@st.composite
def touches(draw: st.DrawFn) -> Touch:
    """Any spread, on ticks or between them, above and below one dollar and across it."""
    step = draw(st.sampled_from([D("0.01"), D("0.0001"), D("0.001")]))
    bid = draw(st.integers(1, 2_000_000)) * step
    ask = bid + draw(st.integers(1, 500)) * step
    sizes = st.integers(0, 10_000).map(Decimal)
    return Touch(bid, ask, draw(sizes), draw(sizes))


@given(touches(), sides, st.decimals(-1, 5, places=3), quantities)
def test_never_reaches_the_other_side_whatever_the_aggression(
    at: Touch, side: str, share: Decimal, qty: Decimal
) -> None:
    price = compute_limit_price(at, side, share, qty)
    assert price <= at.mid < at.ask if side == "buy" else price >= at.mid > at.bid


@given(touches(), sides, shares, quantities)
def test_is_always_on_a_tick(at: Touch, side: str, share: Decimal, qty: Decimal) -> None:
    price = compute_limit_price(at, side, share, qty)
    assert price % find_tick(price) == 0


@given(touches(), sides, shares, shares, quantities)
def test_more_aggression_is_never_a_worse_place(
    at: Touch, side: str, one: Decimal, other: Decimal, qty: Decimal
) -> None:
    gentle, eager = (compute_limit_price(at, side, share, qty) for share in sorted((one, other)))
    assert eager >= gentle if side == "buy" else eager <= gentle


@given(st.integers(100, 10**6), st.integers(1, 500), shares, quantities, st.integers(0, 999), st.integers(0, 999))
def test_buy_and_sell_are_mirror_images(
    low: int, ticks: int, share: Decimal, qty: Decimal, own: int, other: int
) -> None:
    bid, ask = D(low) / 100, D(low + ticks) / 100
    buy = compute_limit_price(Touch(bid, ask, D(own), D(other)), "buy", share, qty)
    sell = compute_limit_price(Touch(bid, ask, D(other), D(own)), "sell", share, qty)
    assert buy - bid == ask - sell


@pytest.mark.parametrize(
    ("qty", "own", "other", "expected"),
    [
        ("1", "100", "100", "10.00"),  # small against what is shown: join the queue
        ("50", "100", "100", "10.01"),  # above 0.3 of it
        ("30", "100", "100", "10.00"),  # not above 0.3
        ("90", "100", "100", "10.02"),  # above 0.8 of it
        ("80", "100", "100", "10.01"),  # not above 0.8
        ("1", "200", "100", "10.01"),  # the book leans our way: step ahead of it
        ("5000", "1", "1", "10.02"),  # a big order too stays within the middle
    ],
)
def test_size_moves_the_price_as_in_the_seed(qty: str, own: str, other: str, expected: str) -> None:
    assert compute_limit_price(Touch(D("10.00"), D("10.10"), D(own), D(other)), "buy", D(0), D(qty)) == D(expected)
    one_tick_wide = Touch(D("10.00"), D("10.01"), D(1), D(1))
    assert compute_limit_price(one_tick_wide, "buy", D(1), D(5000)) == D("10.00")


def test_marketable_only_when_allowed() -> None:
    at = Touch(D("10.00"), D("10.10"), D(9), D(9))
    assert compute_limit_price(at, "buy", D(2)) == D("10.05")
    assert compute_limit_price(at, "buy", D(2), marketable=True) == D("10.10")
    assert compute_limit_price(at, "sell", D(2), marketable=True) == D("10.00")


def test_the_other_side_is_as_far_as_any_aggression_goes() -> None:
    at = Touch(D("10.00"), D("10.10"), D(100), D(100))
    assert compute_limit_price(at, "buy", D(5), marketable=True) == D("10.10")
    assert compute_limit_price(at, "sell", D(5), marketable=True) == D("10.00")


@pytest.mark.parametrize("lot", [1, 100])
def test_sizes_are_in_shares_also_fractions_of_one(lot: int) -> None:
    sides = find_sides(like(QUOTE, bid_size=0.5, ask_size=3.0), lot)
    assert sides is not None
    assert (sides.bid_size, sides.ask_size) == (D("0.5") * lot, D(3) * lot)


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf"), 0.0, -1.0, None])
def test_without_two_numbers_above_zero_there_are_no_sides(odd: float | None) -> None:
    assert find_sides(like(QUOTE, bid_price=odd)) is None
    assert find_sides(like(QUOTE, ask_price=odd)) is None
    assert find_sides(None) is None


def test_exactly_the_least_worth_is_worth_ordering() -> None:
    for price, qty in (("5", "2"), ("4.99", "0")):
        assert compute_order_qty(D("2.9"), D(price), fractional=False, min_notional=D(10)) == D(qty)
    assert compute_order_qty(D("-1"), D(5), fractional=True, min_notional=D(0)) == 0


def test_ticks_change_at_one_dollar() -> None:
    assert (find_tick(D("1")), find_tick(D("0.9999"))) == (D("0.01"), D("0.0001"))
    assert round_to_tick(D("0.50016"), "buy") == D("0.5001")
    assert round_to_tick(D("0.99995"), "sell") == D("1.0000")
    assert round_to_tick(D("1.0051"), "buy") == D("1.00")


def test_touch_needs_two_good_sides() -> None:
    good = find_sides(QUOTE)
    assert good is not None
    assert good.bid < good.ask
    for bad in (
        like(QUOTE, bid_price=None),
        like(QUOTE, ask_price=None),
        like(QUOTE, bid_price=0.0),
        like(QUOTE, ask_price=float("nan")),
        like(QUOTE, ask_price=float("inf")),
        like(QUOTE, bid_price=QUOTE.ask_price),
    ):
        assert find_sides(bad) is None, bad
    assert find_sides(None) is None


def test_the_venues_own_tick_goes_before_that_of_us_equities() -> None:
    at = Touch(D("10.00"), D("10.20"), D(100), D(100))
    nickel = D("0.05")
    assert compute_limit_price(at, "buy", D("0.2"), said_tick=nickel) == D("10.00")
    assert compute_limit_price(at, "sell", D("0.2"), said_tick=nickel) == D("10.20")
    assert compute_limit_price(at, "buy", D(0), D(50), said_tick=nickel) == D("10.05"), "one tick ahead of the queue"
    assert compute_limit_price(at, "sell", D(0), D(50), said_tick=nickel) == D("10.15")
    assert round_to_tick(D("0.1234567"), "sell", D("0.000001")) == D("0.123457")


@pytest.mark.parametrize(
    ("said", "price", "counts"), [("0.05", "0.5", True), ("0.05", "0.4999", False), ("1000", "10", False)]
)
def test_a_tick_that_makes_no_sense_beside_the_price_is_not_believed(said: str, price: str, counts: bool) -> None:
    """A price of less than ten ticks: a limit rounded to those could be nothing, or far across the spread."""
    assert (find_tick(D(price), D(said)) == D(said)) is counts
    assert round_to_tick(D(price), "buy", D(said)) > 0


@pytest.mark.parametrize(
    ("remaining", "lot", "fractional", "expected"),
    [
        ("250", "100", False, "200"),
        ("99", "100", False, "0"),
        ("10.7", "1", True, "10"),  # fractions by the setting, and the venue takes none
        ("10.7", "0.25", True, "10.5"),
        ("10.7", "0.25", False, "10"),
        ("10.7", "4", False, "8"),
    ],
)
def test_quantity_is_whole_lots_where_the_venue_has_them(
    remaining: str, lot: str, fractional: bool, expected: str
) -> None:
    assert compute_order_qty(D(remaining), D(5), fractional=fractional, min_notional=D(1), lot=D(lot)) == D(expected)


def test_aggression_rises_over_the_window() -> None:
    at = [compute_aggression(elapsed, 100, D("0.2"), D(1)) for elapsed in (-5, 0, 50, 99, 100, 500)]
    assert at == [D("0.2"), D("0.2"), D("0.6"), D("0.99"), D(1), D(1)]


@pytest.mark.parametrize(
    ("remaining", "price", "fractional", "expected"),
    [
        ("10.7", "5", False, "10"),
        ("10.7", "5", True, "10.7"),
        ("0.9", "500", False, "0"),
        ("0.1", "5", True, "0"),  # half a dollar
        ("0.1", None, True, "0.1"),
    ],
)
def test_quantity_is_whole_unless_fractional_and_worth_ordering(
    remaining: str, price: str | None, fractional: bool, expected: str
) -> None:
    worth = None if price is None else D(price)
    assert compute_order_qty(D(remaining), worth, fractional=fractional, min_notional=D(1)) == D(expected)


@pytest.mark.parametrize(
    ("own", "other", "ahead"),
    [("60", "40", 0), ("61", "39", 1), ("40", "60", 0), ("1", "0", 1), ("0", "1", 0), ("0", "0", 0), ("0.6", "0", 1)],
)
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_an_order_with_the_book_against_it_stands_one_tick_ahead(side: str, own: str, other: str, ahead: int) -> None:
    bid_size, ask_size = (D(own), D(other)) if side == "buy" else (D(other), D(own))
    touch = Touch(D("10.00"), D("10.10"), bid_size, ask_size)
    step = ahead * D("0.01")
    assert compute_limit_price(touch, side, D(0)) == (D("10.00") + step if side == "buy" else D("10.10") - step)


def test_aggression_begins_at_its_start_and_ends_exactly_at_its_end() -> None:
    start, end = D("0.20"), D("0.555")
    assert compute_aggression(0, 2, start, end) == start
    assert compute_aggression(-1, 2, start, end) == start, "a clock that has not begun"
    assert compute_aggression(0, 1, start, end) == start
    assert compute_aggression(2, 2, start, end) == end
    assert compute_aggression(0, 0, start, end) == end
    assert compute_aggression(-1, 0, start, end) == end, "no window, before it begins"


@pytest.mark.parametrize("size", [float("inf"), float("nan"), -1.0, None])
def test_a_size_that_is_none_counts_as_nothing_shown(size: float | None) -> None:
    found = find_sides(like(QUOTE, bid_price=10.0, ask_price=10.1, bid_size=size, ask_size=3.0))
    assert found is not None
    assert (found.bid_size, found.ask_size) == (0, 3), "sizes are shares unless a lot is named"

"""The broker as a pure thing: random lives of orders under every fault, and nobody gets more than was ordered."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from quotebus.pricing.simulator.faults import Faults
from quotebus.pricing.simulator.market import SymbolMarket
from quotebus.pricing.simulator.records import Quote
from quotebus.pricing.simulator.trading.broker import Broker
from quotebus.pricing.simulator.trading.order import CLOSED, TRANSITIONS
from quotebus.pricing.simulator.trading.order_store import OrderEvent
from quotebus.pricing.simulator.trading.tickets import RestError

MS = 1_000_000


class Rig:
    """A broker, its market and a clock in milliseconds."""

    def __init__(self, seed: int = 1, **faults: object) -> None:
        self.market = SymbolMarket(seed, "SPY")
        self.quote = self.market.next_quote(1)
        self.faults = Faults(random.Random(seed))
        self.faults.change(faults)
        self.events: list[OrderEvent] = []
        self.broker = Broker(seed, Decimal(10**9), self.faults, lambda _: self.quote, self.events.append)
        self.now_ms = 0
        self.tick()

    def tick(self, ms: int = 0) -> None:
        self.now_ms += ms
        self.broker.at(self.now_ms * MS, self.now_ms * MS)
        self.broker.turn()

    def show(self, bid: float, ask: float, size: float = 100) -> None:
        self.quote = Quote("SPY", "V", bid, size, "V", ask, size, "B", self.now_ms)
        self.broker.on_quote("SPY")

    def place(self, **fields: Any) -> str:
        order = {"symbol": "SPY", "side": "buy", "type": "market", "time_in_force": "day", "qty": "10", **fields}
        return str(self.broker.place(order)["id"])

    def told(self, order_id: str) -> list[str]:
        return [event.event for event in self.events if event.order["id"] == order_id]


def test_a_request_is_answered_before_anything_happens() -> None:
    rig = Rig()
    order_id = rig.place()
    assert rig.told(order_id) == ["pending_new"]
    rig.tick()
    assert rig.told(order_id) == ["pending_new", "new", "fill"]
    assert rig.events[-1].order["filled_qty"] == "10"


@pytest.mark.parametrize(
    ("quote", "fills"),
    [((0, 100.02), False), ((100.03, 100.02), False), ((float("nan"), 100.02), False), ((100.02, 100.02), True)],
    ids=["no bid", "crossed", "NaN", "locked"],
)
def test_a_bad_quote_fills_nothing(quote: tuple[float, float], fills: bool) -> None:
    rig = Rig()
    rig.show(*quote)
    sold = rig.place(side="sell")
    rig.tick()
    assert ("fill" in rig.told(sold)) == fills
    rig.show(100, 100.02)
    assert "fill" in rig.told(sold), "the next good quote fills it"


def test_a_resting_order_is_filled_by_a_trade_through_it_at_its_own_price() -> None:
    rig = Rig()
    rig.show(100, 100.02)
    order_id = rig.place(type="limit", limit_price="100")
    rig.tick()
    rig.broker.on_trade("SPY", 100.01, 50)
    assert rig.told(order_id) == ["pending_new", "new"]
    rig.broker.on_trade("SPY", 99.99, 4)
    rig.broker.on_trade("SPY", 100.0, 50)
    fills = [event.fill for event in rig.events if event.fill]
    assert [(str(fill.qty), str(fill.price)) for fill in fills] == [("4", "100"), ("6", "100")]


@pytest.mark.parametrize(
    ("faults", "events"),
    [
        ({"order_reject": 1}, ["rejected"]),
        ({"cancel_reject": 1}, ["new", "order_cancel_rejected"]),
        ({"fill_after_cancel": 1}, ["new", "pending_cancel", "fill", "order_cancel_rejected"]),
        ({"order_cancel_ms": 50}, ["new", "pending_cancel"]),
        ({"order_ack_ms": 50}, ["pending_cancel", "canceled"]),
    ],
    ids=lambda given: next(iter(given)) if isinstance(given, dict) else "",
)
def test_faults_of_an_order_and_its_cancel(faults: dict[str, object], events: list[str]) -> None:
    rig = Rig(**faults)
    rig.show(100, 100.02)
    order_id = rig.place(type="limit", limit_price="99")
    rig.tick(1)
    if "rejected" not in rig.told(order_id):
        rig.broker.cancel(order_id)
    rig.tick(1)
    assert rig.told(order_id) == ["pending_new", *events]


def test_partial_only_and_slow_fills() -> None:
    rig = Rig(fill_partial=True, fill_ms=20)
    rig.show(100, 100.02)
    order_id = rig.place()
    for _ in range(20):
        rig.tick(10)
        rig.show(100, 100.02)
    assert rig.told(order_id) == ["pending_new", "new", *["partial_fill"] * 3], "5, 3 and 1 of 10, never the last"
    assert rig.broker.orders.find(order_id).filled_qty == 9


def test_a_replacement_takes_over_what_was_filled() -> None:
    rig = Rig(order_ack_ms=10)
    rig.show(100, 100.02, size=4)
    old = rig.place(type="limit", limit_price="100.02")
    rig.tick(10)
    assert rig.broker.orders.find(old).filled_qty == 4
    new = str(rig.broker.replace(old, {"qty": "12", "limit_price": "100.03"})["id"])
    rig.show(100, 100.02, size=3)
    assert rig.broker.orders.find(old).filled_qty == 7, "the old one goes on until it is replaced"
    rig.tick(10)
    assert rig.told(old)[-1] == "replaced"
    rig.tick(10)
    rig.show(100, 100.02, size=100)
    assert rig.told(new) == ["pending_new", "new", "fill"]
    assert rig.broker.account.qty("SPY") == 12


def random_life(seed: int) -> Rig:
    rng = random.Random(seed)
    names = ("order_reject", "cancel_reject", "replace_reject", "fill_after_cancel", "fill_partial")
    faults: dict[str, object] = {name: True for name in names if rng.random() < 0.25}
    faults |= {name: [0, 30] for name in ("order_ack_ms", "order_cancel_ms", "fill_ms") if rng.random() < 0.4}
    rig = Rig(seed, **faults)
    for _ in range(60):
        act = rng.randrange(7)
        try:
            if act < 2:
                price = f"{rig.quote.bid_price + rng.randrange(-3, 4) / 100:.2f}"
                kind = {"type": "limit", "limit_price": price} if rng.random() < 0.8 else {}
                rig.place(
                    side=rng.choice(["buy", "sell"]), qty=str(rng.randrange(1, 900)),
                    time_in_force=rng.choice(["day", "gtc", "ioc", "fok"]), **kind,
                )  # fmt: skip
            elif act == 2 and rig.broker.orders.by_id:
                rig.broker.cancel(rng.choice(list(rig.broker.orders.by_id)))
            elif act == 3 and rig.broker.orders.by_id:
                rig.broker.replace(rng.choice(list(rig.broker.orders.by_id)), {"qty": str(rng.randrange(1, 900))})
            elif act == 4:
                rig.broker.halt("SPY", rng.random() < 0.5)
            else:
                rig.quote = rig.market.next_quote(rig.now_ms)
                rig.broker.on_quote("SPY")
                rig.broker.on_trade("SPY", rig.quote.bid_price, rng.randrange(1, 300))
        except RestError:
            pass
        rig.tick(rng.randrange(0, 12))
    return rig


def test_no_life_of_an_order_fills_more_than_was_ordered() -> None:
    seen: set[str] = set()
    for seed in range(100):
        rig = random_life(seed)
        position = Decimal(0)
        over: set[object] = set()
        for event in rig.events:
            order = event.order
            seen.add(event.event)
            assert Decimal(str(order["filled_qty"])) <= Decimal(str(order["qty"])), (seed, event)
            assert order["id"] not in over or event.fill is None, (seed, "filled after its end")
            if event.fill is not None:
                position += event.fill.qty * (1 if order["side"] == "buy" else -1)
                assert event.position_qty == position, seed
            if order["status"] in CLOSED:
                over.add(order["id"])
        assert rig.broker.account.qty("SPY") == position
    only_on_request = {"expired", "done_for_day", "stopped", "calculated", "suspended", "restated", "held",
                       "pending_review", "trade_bust", "trade_correct"}  # fmt: skip
    assert seen == set(TRANSITIONS) - only_on_request


def test_the_same_seed_makes_the_same_life() -> None:
    assert random_life(7).events == random_life(7).events

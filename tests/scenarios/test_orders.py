"""The account's order stream through the real node: every update, what was missed, and never as price health."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from quotebus.bus.events import ConnectionHealth, OrderUpdate
from tests.support.eventlog import EventLog
from tests.support.programs import eventually
from tests.support.world import World


class Account:
    """The simulator's REST, spoken plainly, over a market that stands still."""

    def __init__(self, world: World) -> None:
        self._url = world.environment["PRICING_ORDER_REST_URL"]
        world.control.faults(mute=True)
        world.control.quote("SPY", 100.0, 100.02, bid_size=10_000, ask_size=10_000)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        headers = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "canary-secret"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=5) as response:
            text = response.read()
        return json.loads(text) if text else None

    def order(self, name: str, price: float, qty: str = "10") -> str:
        body = {
            "symbol": "SPY", "side": "buy", "type": "limit", "time_in_force": "day", "qty": qty,
            "limit_price": str(price), "client_order_id": name,
        }  # fmt: skip
        return str(self.ask("POST", "/v2/orders", body)["id"])


def is_orders(health: ConnectionHealth) -> bool:
    return health.node == "pricing.orders"


def events(log: EventLog, name: str) -> list[str]:
    return [update.event for update in log.all(OrderUpdate, lambda update: update.client_order_id == name)]


def start(world: World, *flags: str, **settings: str) -> tuple[Account, EventLog]:
    world.broker()
    world.exchange("--cash", "1e9", *flags)
    account = Account(world)
    log = world.log(b"order.", b"health.")
    account.order("before", 90)
    world.node(PRICING_ORDER_STREAM="true", **settings)
    log.wait(ConnectionHealth, lambda health: is_orders(health) and health.state == "streaming")
    return account, log


def test_updates_reach_the_bus_and_what_a_cut_hid_is_read_by_rest(world: World) -> None:
    account, log = start(world)
    assert events(log, "before") == ["reconciled"], "known before anything streams"
    state = world.control.state()
    assert state["upgraded_total"] == 0, "nobody asked for a price"
    assert state["orders"]["upgraded_total"] == 1

    account.order("filled", 100.02)
    fill, _ = log.wait(OrderUpdate, lambda update: update.event == "fill")
    assert (fill.alias, fill.qty, fill.filled_qty, fill.price, fill.status) == ("local", "10", "10", "100.02", "filled")
    assert (fill.execution_qty, fill.position_qty, fill.filled_avg_price) == ("10", "10", "100.02")
    assert fill.execution_id
    assert events(log, "filled") == ["pending_new", "new", "fill"]
    assert not world.client().is_connected, "the order stream's health is not the prices'"

    # What happens while the stream is away: an order that was open is canceled, one comes and goes, one stays.
    world.control.faults(stream_http_status=503, stream_cut="rst")
    eventually(lambda: world.control.state()["orders"]["streams"] == [])
    account.ask("DELETE", f"/v2/orders/{account.ask('GET', '/v2/orders')[0]['id']}")
    account.order("unseen", 100.02)
    account.order("open", 91)
    eventually(lambda: account.ask("GET", "/v2/orders:by_client_order_id?client_order_id=unseen")["status"] == "filled")
    mark = log.position()
    world.control.faults(stream_http_status=None, rest_status=[503, 2], update_null=1)
    log.wait(
        ConnectionHealth, lambda health: is_orders(health) and health.detail == "reconciling, HTTP 503", since=mark
    )
    up, _ = log.wait(ConnectionHealth, lambda health: is_orders(health) and health.state == "streaming", since=mark)
    assert up.gap_start_ns is not None
    assert up.gap_start_ns < (up.gap_end_ns or 0)
    told = {u.client_order_id: u.status for u in log.all(OrderUpdate, lambda u: u.event == "reconciled", since=mark)}
    assert told == {"before": "canceled", "filled": "filled", "unseen": "filled", "open": "new"}
    account.order("after", 100.02)
    log.wait(OrderUpdate, lambda update: update.client_order_id == "after" and update.event == "fill")
    assert world.control.state()["orders"]["max_simultaneous"] == 1


def test_broken_text_on_the_order_stream_is_counted_and_nothing_else_ends(world: World) -> None:
    account, log = start(world, "--order-frames", "text")
    prices = world.client()
    prices.request(["SPY"])
    world.control.faults(mute=None, stream_bad_utf8=1)
    eventually(lambda: prices.usable("SPY"))
    mark = log.position()
    account.order("broken", 90)
    account.order("whole", 90)
    log.wait(OrderUpdate, lambda update: update.client_order_id == "whole" and update.event == "new", since=mark)
    assert len(events(log, "broken")) == 1, "of pending_new and new one could not be read"
    eventually(lambda: prices.usable("SPY"))
    assert world.control.state()["orders"]["upgraded_total"] == 1
    assert world.control.state()["upgraded_total"] == 1


def test_bad_keys_half_open_and_cut_frames(world: World) -> None:
    account, log = start(world, "--order-frames", "text")
    world.control.faults(stream_half_open=True)
    log.wait(ConnectionHealth, lambda health: is_orders(health) and health.state == "suspect")
    dead, _ = log.wait(ConnectionHealth, lambda h: is_orders(h) and h.cause == "no_life" and h.state == "backing_off")
    world.control.faults(stream_half_open=None)
    log.wait(ConnectionHealth, lambda h: is_orders(h) and h.state == "streaming" and h.connection > dead.connection)
    world.control.faults(stream_cut_mid_frame=["rst", 1], stream_auth_fail=1)
    mark = log.position()
    account.order("torn", 100.02)
    refused, _ = log.wait(ConnectionHealth, lambda health: is_orders(health) and health.state == "refused", since=mark)
    assert refused.cause == "auth_failed"
    assert refused.next_retry_ns is not None
    prices = world.client()
    prices.request(["SPY"])
    world.control.faults(mute=None)
    eventually(lambda: prices.usable("SPY"))
    assert prices.is_connected, "what becomes of the orders is nothing to the prices"

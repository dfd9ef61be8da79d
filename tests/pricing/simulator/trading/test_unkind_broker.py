"""What makes the broker as unkind as a real one: limits, refusals, orders nobody finds, busts, late positions."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from quotebus.bus import clock
from quotebus.pricing.simulator.control_api import ControlApi
from quotebus.pricing.simulator.exchange import Exchange
from quotebus.pricing.simulator.http_control import HttpError, HttpRequest
from quotebus.pricing.simulator.settings import SimulatorSettings
from quotebus.pricing.simulator.trading.rest_api import Reply, RestRequest
from quotebus.pricing.simulator.trading.rest_limit import MINUTE_NS, RestLimit

Open = Callable[..., Any]
SECOND_NS = 1_000_000_000


class Desk:
    """A broker on a clock of its own, asked as a client asks; SPY is 100.00 to 100.02."""

    def __init__(self, **settings: Any) -> None:
        self.exchange = Exchange(SimulatorSettings(port=0, control_port=0, **settings), None)
        self.now_ns = clock.now_ns()
        self.updates: list[dict[str, Any]] = []
        self.control = ControlApi(self.exchange)
        self.after(0)
        self.told("/quote", symbol="SPY", bid=100, ask=100.02)

    def after(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND_NS)
        self.exchange.now_ns = self.now_ns
        self.exchange.brokerage.at(self.now_ns)
        self.updates += self.exchange.brokerage.turn()

    def told(self, path: str, **body: Any) -> Any:
        return self.control.answer(HttpRequest("POST", path, json.dumps(body).encode()))

    def faults(self, **changes: Any) -> None:
        self.told("/faults", **changes)

    def ask(self, method: str, path: str, body: object = None, key: str = "k") -> Reply:
        path, _, query = path.partition("?")
        headers = {"apca-api-key-id": key, "apca-api-secret-key": "s"}
        data = b"" if body is None else json.dumps(body).encode()
        reply = self.exchange.brokerage.answer(RestRequest(method, path, query, headers, data), self.now_ns)
        self.updates += self.exchange.brokerage.turn()
        return reply

    def order(self, **fields: Any) -> Reply:
        body = {"symbol": "SPY", "side": "buy", "type": "limit", "time_in_force": "day", "qty": "10",
                "limit_price": "90", **fields}  # fmt: skip
        return self.ask("POST", "/v2/orders", {name: value for name, value in body.items() if value is not None})

    def market(self, **fields: Any) -> Reply:
        return self.order(type="market", limit_price=None, **fields)

    def find(self, order_id: str) -> Any:
        return self.ask("GET", f"/v2/orders/{order_id}").value


def body(reply: Reply) -> dict[str, Any]:
    assert isinstance(reply.value, dict)
    return reply.value


def test_a_key_has_200_requests_in_a_minute_of_the_clock_and_another_key_its_own() -> None:
    limit, start_ns = RestLimit(), 7 * MINUTE_NS
    counted = [limit.count("a", 200, start_ns + number) for number in range(201)]
    assert [each.is_allowed for each in counted] == [True] * 200 + [False]
    assert counted[0].headers == {
        "X-RateLimit-Limit": "200", "X-RateLimit-Remaining": "199", "X-RateLimit-Reset": "480",
    }  # fmt: skip
    assert counted[-1].headers["X-RateLimit-Remaining"] == "0"
    assert limit.count("b", 200, start_ns + 300).is_allowed
    assert limit.count("a", 200, start_ns + MINUTE_NS).is_allowed, "the next minute"
    assert limit.count("a", 0, start_ns) == (True, {}), "no limit"


def test_beyond_the_limit_nothing_is_done_and_headers_say_when_to_come_back() -> None:
    desk = Desk()
    desk.faults(rest_limit=2, rest_retry_after_s=7)
    replies = [desk.order() for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[0].headers["X-RateLimit-Remaining"] == "1"
    assert "Retry-After" not in replies[0].headers
    assert replies[2].headers["Retry-After"] == "7"
    assert desk.ask("GET", "/v2/clock", key="other").status == 200
    assert desk.ask("GET", "/v2/stocks/trades/latest?symbols=SPY").status == 200, "market data is another budget"
    desk.faults(rest_no_rate_headers=True, rest_retry_after_s=None)
    refused = desk.order()
    assert (refused.status, refused.headers) == (429, {})
    desk.faults(rest_limit=None)
    assert len(desk.ask("GET", "/v2/orders").value) == 2  # type: ignore[arg-type]
    assert Desk(rest_limit=1).ask("GET", "/v2/clock").status == 200
    assert desk.exchange.brokerage.state()["rest_limited_total"] == 2


def test_an_error_may_be_a_proxys_page() -> None:
    desk = Desk()
    desk.faults(rest_status=502, rest_html=True)
    reply = desk.order()
    assert reply.status == 502
    assert isinstance(reply.value, bytes)
    assert reply.value.startswith(b"<html>")
    desk.faults(rest_status=403)
    assert isinstance(desk.order().value, dict), "its own refusals are JSON all the same"


def test_what_took_effect_may_be_answered_as_an_error() -> None:
    desk = Desk()
    desk.faults(rest_late_status=[504, 1])
    assert desk.order(client_order_id="a").status == 504
    assert desk.order(client_order_id="a").status == 422
    assert body(desk.ask("GET", "/v2/orders:by_client_order_id?client_order_id=a"))["status"] == "new"
    desk.faults(duplicate_status=409)
    refused = desk.order(client_order_id="a")
    assert (refused.status, body(refused)["message"]) == (409, "client_order_id must be unique")


def test_a_new_order_is_not_found_for_a_while_though_it_is_filled() -> None:
    desk = Desk()
    desk.faults(order_hidden_ms=3000)
    reply = desk.market(client_order_id="a")
    order_id = body(reply)["id"]
    assert [update["data"]["event"] for update in desk.updates] == ["pending_new", "new", "fill"]
    lookups = (f"/v2/orders/{order_id}", "/v2/orders:by_client_order_id?client_order_id=a")
    assert [desk.ask("GET", path).status for path in lookups] == [404, 404]
    assert desk.ask("DELETE", lookups[0]).status == 404
    assert desk.ask("GET", "/v2/orders?status=all").value == []
    assert body(desk.market(client_order_id="a"))["message"] == "client_order_id must be unique"
    desk.after(3)
    assert [desk.ask("GET", path).status for path in lookups] == [200, 200]
    hidden = body(desk.order())["id"]
    assert desk.ask("GET", f"/v2/orders/{hidden}").status == 404
    desk.faults(order_hidden_ms=None)
    assert desk.find(hidden)["status"] == "new"


def test_wash_trades_are_refused_with_the_other_orders_id() -> None:
    desk = Desk()
    desk.market(qty="50")
    resting = body(desk.order())["id"]
    crossing = desk.order(side="sell", limit_price="90")
    assert (crossing.status, body(crossing)["existing_order_id"]) == (403, resting)
    assert "wash trade" in body(crossing)["message"]
    assert desk.market(side="sell").status == 403
    apart = desk.order(side="sell", limit_price="110")
    assert apart.status == 200, "limits that do not cross cannot meet"
    assert desk.order(limit_price="95").status == 200, "the same side neither"
    desk.faults(wash_allowed=True)
    assert desk.market(side="sell", qty="1").status == 200


def test_what_an_account_and_an_asset_cannot_have() -> None:
    desk = Desk()
    desk.market(qty="10")
    desk.faults(buying_power=500, qty_held={"SPY": 4}, not_tradable="QQQ", not_fractionable=["SPY"], not_shortable=True)
    poor = desk.order(limit_price="100")
    assert (poor.status, body(poor)["buying_power"], body(poor)["cost_basis"]) == (403, "500", "1000")
    held = desk.market(side="sell")
    assert (held.status, body(held)["held_for_orders"], body(held)["available"]) == (403, "4", "6")
    assert body(desk.ask("GET", "/v2/positions/SPY"))["qty_available"] == "6"
    assert body(desk.order(symbol="QQQ", limit_price="1"))["message"] == 'asset "QQQ" is not tradable'
    assert body(desk.order(qty="0.5"))["message"] == 'asset "SPY" is not fractionable'
    assert body(desk.order(symbol="IWM", side="sell"))["message"] == 'asset "IWM" cannot be sold short'
    sub_penny = desk.order(limit_price="90.001")
    assert (sub_penny.status, "sub-penny" in body(sub_penny)["message"]) == (422, True)
    asset = body(desk.ask("GET", "/v2/assets/QQQ"))
    assert (asset["tradable"], asset["shortable"], asset["fractionable"]) == (False, False, True)
    desk.exchange.lift_faults()
    sold = body(desk.order(side="sell", limit_price="200"))["id"]
    refused = desk.market(side="sell")
    assert body(refused)["related_orders"] == [sold]


@pytest.mark.parametrize("event", ["done_for_day", "suspended", "held", "pending_review"])
def test_statuses_in_which_an_order_waits_and_goes_on(event: str) -> None:
    desk = Desk()
    order_id = body(desk.order())["id"]
    desk.told("/order_event", order=order_id, event=event)
    assert desk.find(order_id)["status"] == event
    desk.told("/quote", symbol="SPY", bid=89, ask=90)
    assert desk.find(order_id)["filled_qty"] == "0"
    desk.told("/order_event", order=order_id, event="new")
    assert desk.find(order_id)["status"] == "filled"


def test_open_orders_may_have_a_status_that_nobody_knows() -> None:
    desk = Desk()
    desk.faults(order_status_word="pending_lunch")
    order_id = body(desk.order())["id"]
    assert desk.find(order_id)["status"] == "pending_lunch"
    assert {update["data"]["order"]["status"] for update in desk.updates} == {"pending_lunch"}
    desk.told("/quote", symbol="SPY", bid=89, ask=90)
    assert desk.find(order_id)["status"] == "filled", "an end is told as what it is"


def test_a_replacement_by_hand_has_a_new_id_and_both_name_each_other() -> None:
    desk = Desk()
    old = body(desk.order(client_order_id="a"))["id"]
    new = body(desk.ask("PATCH", f"/v2/orders/{old}", {"limit_price": "91"}))["id"]
    assert desk.find(old)["replaced_by"] == new != old
    assert (desk.find(new)["replaces"], desk.find(new)["status"]) == (old, "new")
    assert desk.find(new)["client_order_id"] != "a"


def test_busts_and_corrections_change_what_was_filled_and_held() -> None:
    desk = Desk()
    order_id = body(desk.market())["id"]
    fill = desk.updates[-1]["data"]
    desk.told("/correct", order=order_id, qty=8, price=100.05)
    corrected = desk.find(order_id)
    assert (corrected["status"], corrected["filled_qty"], corrected["filled_avg_price"]) == ("filled", "8", "100.05")
    assert body(desk.ask("GET", "/v2/positions/SPY"))["qty"] == "8"
    desk.told("/bust", order=order_id)
    assert (desk.find(order_id)["filled_qty"], desk.ask("GET", "/v2/positions/SPY").status) == ("0", 404)
    desk.after(0)
    correction, bust = (update["data"] for update in desk.updates[-2:])
    assert (correction["event"], correction["previous_execution_id"]) == ("trade_correct", fill["execution_id"])
    assert (correction["qty"], correction["price"], correction["position_qty"]) == ("8", "100.05", "8")
    assert (bust["event"], bust["previous_execution_id"]) == ("trade_bust", correction["execution_id"])
    assert (bust["qty"], bust["position_qty"]) == ("8", "0")
    with pytest.raises(HttpError, match="no execution"):
        desk.told("/bust", order=order_id)
    open_id = body(desk.order(limit_price="100.00"))["id"]
    desk.told("/trade", symbol="SPY", price=99.99, size=4)
    desk.told("/bust", order=open_id)
    desk.told("/trade", symbol="SPY", price=99.99, size=10)
    assert (desk.find(open_id)["status"], desk.find(open_id)["filled_qty"]) == ("filled", "10")
    with pytest.raises(HttpError, match="more than was ordered"):
        desk.told("/correct", order=open_id, qty=11, price=100)


def test_positions_may_lag_behind_fills() -> None:
    desk = Desk()
    desk.faults(position_late_ms=2000)
    desk.market()
    assert desk.ask("GET", "/v2/positions/SPY").status == 404
    assert desk.market(side="sell").status == 200, "what is held may be sold"
    desk.faults(position_late_ms=None)
    desk.market(qty="3")
    assert body(desk.ask("GET", "/v2/positions/SPY"))["qty"] == "3"
    desk.after(2)
    assert [held["qty"] for held in desk.ask("GET", "/v2/positions").value] == ["3"]  # type: ignore[attr-defined]


def test_the_same_seed_hides_orders_for_the_same_time() -> None:
    drawn = []
    for _ in range(2):
        desk = Desk()
        desk.faults(order_hidden_ms=[0, 60_000])
        for _ in range(5):
            desk.order()
        orders = list(desk.exchange.brokerage._broker.orders.by_id.values())
        drawn.append([order.shown_from_ns - desk.now_ns for order in orders])
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 5


def test_over_the_wire(start: Open) -> None:
    program = start()
    program.control.faults(rest_limit=1, rest_html=1, rest_retry_after_s=3)
    asked = urllib.request.Request(
        f"{program.rest}/v2/account", headers={"APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "s"}
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert answer.headers["X-RateLimit-Limit"] == "1"

    def repeat() -> None:
        while True:  # the second one of a minute, and a minute may just have begun
            urllib.request.urlopen(asked, timeout=10).close()

    with pytest.raises(urllib.error.HTTPError) as refused:
        repeat()
    assert (refused.value.code, refused.value.headers["Retry-After"]) == (429, "3")
    assert refused.value.headers["Content-Type"] == "text/html"
    assert refused.value.read().startswith(b"<html>")

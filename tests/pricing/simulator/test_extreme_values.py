"""Numbers and texts at the edge of what can be written down: each is taken or refused, and the exchange goes on."""

from __future__ import annotations

import json
import random
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from quotebus.bus import clock
from quotebus.pricing.simulator.control_api import ControlApi
from quotebus.pricing.simulator.exchange import Exchange
from quotebus.pricing.simulator.faults import Faults
from quotebus.pricing.simulator.http_control import HttpError, HttpRequest
from quotebus.pricing.simulator.schedule import Schedule
from quotebus.pricing.simulator.session import Rules, Send, Slots
from quotebus.pricing.simulator.settings import SimulatorSettings
from quotebus.pricing.simulator.trading.order_session import ENCODINGS, OrderSession
from quotebus.pricing.simulator.trading.rest_api import Reply, RestRequest

Open = Callable[..., Any]
KEYS = {"apca-api-key-id": "k", "apca-api-secret-key": "s"}
EXTREMES = ("1e30", "1e999999", "1e-30", "1e-999999", "1e-999999999999999999", "9" * 5000, "0." + "1" * 5000,
            "NaN", "sNaN", "Infinity", "-0", "0", "1e12", "0.000000001", "1_000", " 1 ")  # fmt: skip
LONE_SURROGATE = "\ud800"


@pytest.fixture
def exchange() -> Exchange:
    return Exchange(SimulatorSettings(port=0, control_port=0, rest_limit=0), None)


def ask(
    exchange: Exchange, method: str, path: str, body: object = None, query: str = "", headers: Mapping[str, str] = KEYS
) -> Reply:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return exchange.brokerage.answer(RestRequest(method, path, query, headers, data), clock.now_ns())


def order(**fields: object) -> dict[str, object]:
    return {"symbol": "SPY", "side": "buy", "type": "limit", "time_in_force": "day", **fields}


def settle(exchange: Exchange) -> None:
    """Let everything happen that is due, and look at all that can be looked at."""
    exchange.now_ns = clock.now_ns()
    exchange.turn()
    for path in ("/v2/account", "/v2/positions", "/v2/orders"):
        reply = ask(exchange, "GET", path)
        assert reply.status == 200
        json.dumps(reply.value)
    json.dumps(exchange.state())


@pytest.mark.parametrize("name", ["limit_price", "qty", "notional"])
def test_every_number_of_an_order_is_taken_or_refused(exchange: Exchange, name: str) -> None:
    for text in EXTREMES:
        for side in ("buy", "sell"):
            fields = {"qty": "1", "limit_price": "1", "side": side, name: text}
            if name == "notional":
                del fields["qty"]
            reply = ask(exchange, "POST", "/v2/orders", order(**fields))
            assert reply.status in (200, 403, 422), (text, reply)
            assert len(json.dumps(reply.value)) < 2000, (text, "an answer for people to read")
            settle(exchange)


def test_numbers_no_exchange_takes_are_refused(exchange: Exchange) -> None:
    for fields in ({"limit_price": "1e30", "qty": "1"}, {"limit_price": "1", "notional": "1e28"}):
        reply = ask(exchange, "POST", "/v2/orders", order(**fields))
        assert reply.status == 422, fields
    assert (
        ask(exchange, "POST", "/v2/orders", b'{"symbol":"SPY","side":"buy","type":"market","qty":1e400}').status == 422
    )


@pytest.mark.parametrize("name", ["limit_price", "qty"])
def test_every_number_of_a_replacement_is_taken_or_refused(exchange: Exchange, name: str) -> None:
    for text in EXTREMES:
        placed = ask(exchange, "POST", "/v2/orders", order(qty="1", limit_price="1")).value
        assert isinstance(placed, dict)
        settle(exchange)
        assert ask(exchange, "PATCH", f"/v2/orders/{placed['id']}", {name: text}).status in (200, 403, 422), text
        settle(exchange)


@pytest.mark.parametrize("value", [5e-324, 1e-300, 1e-30, 1e-9, 1e-6, 1e8, 1e30, 1e308, 2**63])
def test_quotes_and_trades_of_any_size_meet_orders(exchange: Exchange, value: float) -> None:
    for fields in (
        {"type": "market", "notional": "1000000"},
        {"qty": "3", "limit_price": "1000"},
        {"qty": "3.5", "limit_price": "0.0001"},
        {"side": "sell", "type": "market", "qty": "2"},
    ):
        assert ask(exchange, "POST", "/v2/orders", order(**fields)).status in (200, 403, 422)
    control = ControlApi(exchange)
    for path, body in (
        ("/quote", {"symbol": "SPY", "bid": value, "ask": value, "bid_size": 1, "ask_size": 1}),
        ("/quote", {"symbol": "SPY", "bid": 1, "ask": 2, "bid_size": value, "ask_size": value}),
        ("/trade", {"symbol": "SPY", "price": value, "size": value}),
        ("/quote", {"symbol": "SPY", "bid": value, "ask": value, "bid_size": value, "ask_size": value}),
        ("/trade", {"symbol": "SPY", "price": 1, "size": value}),
    ):
        control.answer(HttpRequest("POST", path, json.dumps(body).encode()))
        settle(exchange)
        assert ask(exchange, "POST", "/v2/orders", order(type="market", notional="1000000")).status in (200, 403, 422)
        settle(exchange)


@pytest.mark.parametrize("number", ["1" + "0" * 400, "-1" + "0" * 400, "1e400", "-1e400", "NaN", "1e-400", "5e-324"])
def test_every_number_of_the_control_endpoint_is_taken_or_refused(exchange: Exchange, number: str) -> None:
    control = ControlApi(exchange)
    bodies = [("/rate", f'{{"rate": {number}}}')]
    bodies += [("/quote", f'{{"symbol": "SPY", "bid": 1, "ask": 2, "{name}": {number}}}')
               for name in ("bid", "ask", "bid_size", "ask_size", "t_ns")]  # fmt: skip
    bodies += [("/trade", f'{{"symbol": "SPY", "price": 1, "{name}": {number}}}')
               for name in ("price", "size", "id", "t_ns")]  # fmt: skip
    bodies += [("/halt", f'{{"symbol": "SPY", "t_ns": {number}}}')]
    for name in exchange.fault_meanings():
        bodies += [("/faults", f'{{"{name}": {given}}}') for given in (number, f"[{number}, 1]", f"[500, {number}]",
                                                                       f'{{"SPY": {number}}}')]  # fmt: skip
    for path, body in bodies:
        status, reason = 200, ""
        try:
            json.dumps(control.answer(HttpRequest("POST", path, body.encode())))
        except HttpError as refused:
            status, reason = refused.status, refused.reason
        assert status in (200, 400), (path, body)
        assert len(reason) < 1000
        exchange.lift_faults()
        settle(exchange)
        exchange.next_ns()


def test_texts_that_no_utf8_holds_are_refused_everywhere(exchange: Exchange) -> None:
    control = ControlApi(exchange)
    for path, body in (
        ("/quote", {"symbol": LONE_SURROGATE, "bid": 1, "ask": 2}),
        ("/trade", {"symbol": "SPY", "price": 1, "exchange": LONE_SURROGATE}),
        ("/status", {"symbol": "SPY", "code": "2", "reason": LONE_SURROGATE}),
        ("/faults", {"ack_extra": [LONE_SURROGATE]}),
        ("/faults", {"mute_symbol": LONE_SURROGATE}),
        ("/faults", {"skew_ms": {LONE_SURROGATE: 1}}),
        ("/order_event", {"order": "x", "event": "expired", "reason": LONE_SURROGATE}),
    ):
        with pytest.raises(HttpError) as refused:
            control.answer(HttpRequest("POST", path, json.dumps(body).encode()))
        assert refused.value.status == 400
    reply = ask(exchange, "POST", "/v2/orders", order(qty="1", limit_price="1", client_order_id=LONE_SURROGATE))
    assert reply.status == 422


def test_requests_with_odd_numbers_and_headers_are_refused(exchange: Exchange) -> None:
    assert ask(exchange, "GET", "/v2/orders", query="limit=" + "9" * 5000).status == 422
    assert ask(exchange, "GET", "/v2/orders", headers={"authorization": "Basic \xe9"}).status == 401
    assert ask(exchange, "GET", "/v2/orders", query="after=9999-99-99T99:99:99.999999999%2B99:99").status == 200


def test_an_action_that_no_utf8_holds_is_refused_in_an_answer_that_can_be_sent() -> None:
    session = OrderSession(Rules("", "", 30, 1, 1), Slots(1), Faults(random.Random(1)), ENCODINGS["msgpack"], 0)
    (answer, _) = session.receive({"action": LONE_SURROGATE}, 0)
    assert isinstance(answer, Send)
    assert b"unknown action" in ENCODINGS["msgpack"].message(answer.message)


def test_a_request_nested_too_deeply_to_be_shown_is_refused() -> None:
    rules = Rules("", "", 30, 1, 1)
    for depth in (100, 500, 900, 1000):
        nested: object = []
        for _ in range(depth):
            nested = [nested]
        session = OrderSession(rules, Slots(1), Faults(random.Random(1)), ENCODINGS["text"], 0)
        assert session.receive({"action": nested}, 0)


@pytest.mark.parametrize("rate", [5e-324, 1e-300, 1e-9])
def test_the_slowest_rates_have_a_next_time(rate: float) -> None:
    schedule = Schedule(rate, random.Random(1))
    schedule.set_symbols({"SPY": 1.0}, ())
    due_ns = schedule.next_ns()
    assert due_ns is not None
    assert 0 < due_ns <= 86_400 * clock.NS_PER_S


def test_an_open_order_at_the_slowest_rate_does_not_end_the_program(start: Open, eventually: Open) -> None:
    program = start("--rate", "1e-9")
    body = json.dumps(order(qty="1", limit_price="1")).encode()
    request = urllib.request.Request(
        program.rest + "/v2/orders", body, {"APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "s"}, method="POST"
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=8) as response:
        assert response.status == 200
    assert program.control.state()["orders"]["open"] == 1
    eventually(lambda: program.control.state()["uptime_s"] > 2)  # the second tick is due after 0.8 s
    assert program.stop() == 0

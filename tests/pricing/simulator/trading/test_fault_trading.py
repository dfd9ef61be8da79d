"""Faults of REST, of updates and of the order stream, each against the real program over plain sockets."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import msgpack
import pytest
import websocket

Open = Callable[..., Any]
TIMEOUT_S = 8.0
HEADERS = {"APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "s"}


class Rest:
    """One keep-alive connection to the REST port."""

    def __init__(self, program: Any) -> None:
        parts = urlsplit(program.rest)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=TIMEOUT_S)

    def ask(self, method: str, path: str, body: object = None, timeout_s: float = TIMEOUT_S) -> tuple[int, Any]:
        self._connection.timeout = timeout_s
        self._connection.request(method, path, None if body is None else json.dumps(body), HEADERS)
        response = self._connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else None

    def order(self, name: str, **fields: Any) -> tuple[int, Any]:
        timeout_s = fields.pop("timeout_s", TIMEOUT_S)
        body = {
            "symbol": "SPY", "side": "buy", "type": "limit", "time_in_force": "day", "qty": "1", "limit_price": "90",
            "client_order_id": name, **fields,
        }  # fmt: skip
        return self.ask("POST", "/v2/orders", body, timeout_s)

    def close(self) -> None:
        self._connection.close()


class Stream:
    """An order stream that reads one message at a time."""

    def __init__(self, program: Any, *headers: str) -> None:
        self.socket = websocket.create_connection(
            program.stream, timeout=TIMEOUT_S, header=list(headers), http_no_proxy=["127.0.0.1"]
        )
        self.opcode = 0

    def receive(self) -> Any:
        self.opcode, data = self.socket.recv_data()
        return json.loads(data) if data[:1] == b"{" else msgpack.unpackb(data) if self.opcode < 8 else data

    def ask(self, message: object) -> Any:
        self.socket.send(json.dumps(message))
        return self.receive()

    def listen(self) -> Stream:
        assert self.ask({"action": "auth", "key": "k", "secret": "s"})["data"]["status"] == "authorized"
        assert self.ask({"action": "listen", "data": {"streams": ["trade_updates", "other"]}}) == {
            "stream": "listening",
            "data": {"streams": ["trade_updates"]},
        }
        return self

    def told(self, count: int) -> list[str]:
        """The next updates, as order and event."""
        found = []
        for _ in range(count):
            data = self.receive()["data"]
            found.append(f"{data['order']['client_order_id']} {data['event']}" if data else "null")
        return found

    def ends(self) -> bool:
        try:
            return bool(self.socket.recv_data()[0] == websocket.ABNF.OPCODE_CLOSE)
        except (websocket.WebSocketConnectionClosedException, ConnectionError):
            return True

    def close(self) -> None:
        if self.socket.sock is not None:
            self.socket.sock.close()


@pytest.fixture
def program(start: Open, tmp_path: Any) -> Iterator[Any]:
    program = start("--rate", "100", "--audit", str(tmp_path / "audit"))
    program.control.faults(mute=True)
    program.control.quote("SPY", 100.0, 100.02)
    yield program
    program.stop()


@pytest.fixture
def opened() -> Iterator[Open]:
    things: list[Any] = []

    def keep(thing: Any) -> Any:
        things.append(thing)
        return thing

    yield keep
    for thing in things:
        thing.close()


def test_an_order_that_was_never_answered_is_there_all_the_same(program: Any, opened: Open, tmp_path: Any) -> None:
    rest = opened(Rest(program))
    program.control.faults(rest_drop_reply=1)
    with pytest.raises(TimeoutError):
        rest.order("silent", timeout_s=0.2, limit_price="100.02")
    rest = opened(Rest(program))
    assert rest.order("silent")[1]["code"] == 40010001, "asked again it is not doubled"
    assert rest.ask("GET", "/v2/orders:by_client_order_id?client_order_id=silent")[1]["status"] == "filled"
    program.control.faults(rest_cut_reply=1)
    with pytest.raises((ConnectionError, http.client.RemoteDisconnected)):
        rest.order("cut")
    rest = opened(Rest(program))
    assert [order["client_order_id"] for order in rest.ask("GET", "/v2/orders")[1]] == ["cut"]
    program.control.faults(rest_status=[429, 1], order_refuse=[403, 1], rest_delay_ms=30)
    assert rest.order("never") == (429, {"code": 42900000, "message": "too many requests."})
    status, body = rest.order("never")
    assert (status, body["code"]) == (403, 40310000)
    assert rest.order("never")[0] == 200
    program.control.lift_faults()
    lines = [json.loads(line) for line in (tmp_path / "audit").read_text().splitlines()]
    orders = [line for line in lines if "order" in line]
    assert [(o["client_order_id"], o["event"]) for o in orders if o["client_order_id"] == "silent"] == [
        ("silent", "pending_new"), ("silent", "new"), ("silent", "fill"),
    ]  # fmt: skip
    assert {o["client_order_id"]: o["filled_qty"] for o in orders} == {"silent": "1", "cut": "0", "never": "0"}
    assert program.control.state()["orders"]["by_status"] == {"filled": 1, "new": 2}


def test_updates_lost_doubled_out_of_order_late_and_null(program: Any, opened: Open) -> None:
    rest, stream = opened(Rest(program)), opened(Stream(program)).listen()
    program.control.faults(update_lost=1)
    rest.order("a")
    assert stream.told(1) == ["a new"]
    program.control.faults(update_duplicate=1, update_null=1)
    rest.order("b")
    assert stream.told(4) == ["null", "b pending_new", "b pending_new", "b new"]
    program.control.faults(update_reorder=1)
    rest.order("c")
    assert stream.told(2) == ["c new", "c pending_new"]
    program.control.faults(update_late_ms=80)
    rest.order("d")
    assert rest.ask("GET", "/v2/orders:by_client_order_id?client_order_id=d")[1]["status"] == "new"
    assert stream.told(2) == ["d pending_new", "d new"]
    assert program.control.state()["orders"]["updates_lost"] == 1


def test_the_stream_speaks_three_ways_and_refuses_as_documented(program: Any, opened: Open) -> None:
    first = opened(Stream(program))
    assert first.ask({"action": "listen", "data": {"streams": ["trade_updates"]}})["data"]["status"] == "unauthorized"
    program.control.faults(stream_auth_fail=1)
    keys = {"action": "authenticate", "data": {"key_id": "k", "secret_key": "s"}}
    assert first.ask(keys)["data"] == {"status": "unauthorized", "action": "authenticate"}
    assert first.ask(keys)["data"] == {"status": "authorized", "action": "authenticate"}
    assert first.opcode == websocket.ABNF.OPCODE_BINARY, "JSON in binary frames"
    second = opened(Stream(program))
    assert second.ask(keys) == {"action": "error", "data": {"error_message": "connection limit exceeded"}}
    assert second.ends()
    assert first.ask("nonsense")["action"] == "error"
    assert first.ends()
    packed = opened(Stream(program, "Content-Type: application/msgpack", *(f"{n}: {v}" for n, v in HEADERS.items())))
    assert packed.receive()["data"]["status"] == "authorized"
    packed.socket.send_binary(msgpack.packb({"action": "listen", "data": {"streams": ["trade_updates"]}}))
    assert packed.receive()["stream"] == "listening"
    opened(Rest(program)).order("packed")
    assert packed.told(2) == ["packed pending_new", "packed new"]


def test_a_stream_is_cut_and_a_market_data_line_is_not(program: Any, opened: Open, logged_in: Open) -> None:
    prices = logged_in(program.url())
    rest, stream = opened(Rest(program)), opened(Stream(program)).listen()
    program.control.faults(stream_cut_mid_frame=["rst", 1])
    rest.order("torn")
    assert stream.ends()
    stream = opened(Stream(program)).listen()
    program.control.faults(cut="rst")
    prices.wait_closed()
    rest.order("whole")
    assert stream.told(2) == ["whole pending_new", "whole new"], "nothing of what was missed is sent again"
    program.control.faults(stream_cut="fin")
    assert stream.ends()
    program.control.faults(stream_http_status=429)
    with pytest.raises(websocket.WebSocketBadStatusException):
        Stream(program)
    program.control.faults(stream_http_status=None)
    stream = opened(Stream(program)).listen()
    program.control.faults(stream_error=500)
    assert stream.receive() == {"action": "error", "data": {"error_message": "error 500"}}
    assert stream.ends()
    state = program.control.state()
    assert (state["upgraded_total"], state["orders"]["upgraded_total"]) == (1, 3)


def test_orders_fill_on_a_symbol_that_nobody_is_subscribed_to(start: Open, opened: Open) -> None:
    program = start("--rate", "200", "--cash", "1e9")
    rest, stream = opened(Rest(program)), opened(Stream(program)).listen()
    rest.order("big", symbol="AAPL", type="market", limit_price=None, qty="20000")
    event = ""
    fills = 0
    while event != "big fill":
        [event] = stream.told(1)
        fills += "fill" in event
    assert fills > 3, "what is shown is taken, quote after quote"
    program.stop()

"""What official SDKs ask of the REST port: the order stream under the same address, and assets by id."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import websocket

Open = Callable[..., Any]
HEADERS = {"APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "s"}
TIMEOUT_S = 8.0


@pytest.fixture
def program(start: Open) -> Iterator[Any]:
    program = start("--rate", "100")
    yield program
    program.stop()


def ask(program: Any, method: str, path: str, body: object = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(urlsplit(program.rest).netloc, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), HEADERS)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def listen(url: str, *headers: str) -> websocket.WebSocket:
    socket = websocket.create_connection(url, timeout=TIMEOUT_S, header=list(headers), http_no_proxy=["127.0.0.1"])
    socket.send(json.dumps({"action": "auth", "key": "k", "secret": "s"}))
    assert json.loads(socket.recv())["data"]["status"] == "authorized"
    socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
    assert json.loads(socket.recv()) == {"stream": "listening", "data": {"streams": ["trade_updates"]}}
    return socket


@pytest.mark.parametrize("path", ["/stream", "/stream/"])
@pytest.mark.parametrize("port", ["rest", "stream"])
def test_the_order_stream_is_on_both_ports_with_or_without_a_slash(
    program: Any, eventually: Open, port: str, path: str
) -> None:
    base = program.rest.replace("http", "ws") if port == "rest" else program.stream.removesuffix("/stream")
    socket = listen(base + path)
    body = {"symbol": "SPY", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1"}
    status, order = ask(program, "POST", "/v2/orders", body)
    assert status == 200
    update = json.loads(socket.recv())
    assert (update["data"]["event"], update["data"]["order"]["id"]) == ("pending_new", order["id"])
    assert program.control.state()["orders"]["upgraded_total"] == 1
    socket.close()
    eventually(lambda: not program.control.state()["orders"]["streams"])


def test_only_the_stream_is_upgraded_on_the_rest_port(program: Any) -> None:
    for path in ("/v2/iex", "/v2/account", "/stream/x"):
        with pytest.raises(websocket.WebSocketBadStatusException):
            websocket.create_connection(program.rest.replace("http", "ws") + path, http_no_proxy=["127.0.0.1"])
    assert ask(program, "GET", "/stream")[0] == 404, "a plain request is no upgrade"


def test_faults_of_the_stream_act_on_the_rest_port_too(program: Any) -> None:
    url = program.rest.replace("http", "ws") + "/stream"
    program.control.faults(stream_http_status=503)
    with pytest.raises(websocket.WebSocketBadStatusException, match="503"):
        websocket.create_connection(url, http_no_proxy=["127.0.0.1"])
    program.control.lift_faults()
    socket = listen(url)
    program.control.faults(stream_cut="rst")
    with pytest.raises((ConnectionError, websocket.WebSocketConnectionClosedException)):
        socket.recv()
    socket.close()


def test_an_asset_is_found_by_its_id(program: Any) -> None:
    for symbol in ("AAPL", "QUIETX", "BRK.B"):
        status, asset = ask(program, "GET", f"/v2/assets/{symbol}")
        assert (status, asset["symbol"]) == (200, symbol)
        assert ask(program, "GET", f"/v2/assets/{asset['id']}") == (200, asset)
    other = ask(program, "GET", "/v2/assets/00000000-0000-4000-8000-000000000000")
    assert other[0] == 404


def test_an_asset_that_is_well_known_or_was_ordered_is_found_by_its_id_alone(program: Any) -> None:
    body = {"symbol": "ODDNAME", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1"}
    order = ask(program, "POST", "/v2/orders", body)[1]
    assert ask(program, "GET", f"/v2/assets/{order['asset_id']}")[1]["symbol"] == "ODDNAME"

"""Successful and other answers whose bodies are of any shape: no request falls, and no order is over by a guess."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import get_args

import pytest

from quotebus.execution_adapter.gateways.alpaca import AlpacaGateway
from quotebus.execution_adapter.gateways.base import Gateway, read_order
from quotebus.execution_adapter.gateways.simulator import SimulatorGateway
from quotebus.execution_adapter.orders.child_order import contradicts_itself, proves_final
from quotebus.execution_adapter.orders.order import Answer, ClockReport, Order, PositionReport, Report, Unknown
from tests.support.http_server import serving

ODD: tuple[object, ...] = (None, True, 0, -1, 1.5, 1e400, "", "0", "-5", "NaN", "x" * 500, [], [None], {}, {"a": [1]})
GOOD: dict[str, object] = {
    "id": "b-1", "client_order_id": "a", "status": "filled", "qty": "10", "filled_qty": "10",
    "filled_avg_price": "9.5", "limit_price": None, "replaced_by": None,
}  # fmt: skip
DEEP = b"[" * 100_000
ODD_ERROR = b'{"code": [], "message": {"a": null}, "held_for_orders": {}}'
BODIES = [
    b"", b"null", b"[]", b'"text"', b"\xff\xfe", b"<html>", b'{"id": ', ODD_ERROR, DEEP, b'{"message": ' + DEEP,
    b"9" * 5_000,
]  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore:websockets.legacy is deprecated")
ORDER = Order("a", "SPY", "buy", Decimal(10), Decimal(9))


class Broker(HTTPServer):
    status, body = 200, b""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Broker

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    server = Broker()
    with serving(server):
        yield server


def make_alpaca(url: str) -> Gateway:
    return AlpacaGateway("key", "secret", paper=True, timeout_s=3, url=url)


def make_simulator(url: str) -> Gateway:
    return SimulatorGateway(url, "key", "secret", 3)


def ask_all(gateway: Gateway) -> list[Answer]:
    return [
        gateway.submit_order(ORDER), gateway.cancel_order("a", "b-1"), gateway.cancel_order("a", ""),
        gateway.query_order("a"), gateway.query_order("a", "b-1"), gateway.query_position("r", "SPY"),
        gateway.query_clock(),
    ]  # fmt: skip


@pytest.mark.parametrize("make", [make_simulator, make_alpaca])
def test_no_body_makes_a_request_fall_or_says_anything(broker: Broker, make: Callable[[str], Gateway]) -> None:
    gateway = make(f"http://127.0.0.1:{broker.server_port}")
    for broker.status in (200, 404, 422, 500):
        for broker.body in BODIES:
            for answer in ask_all(gateway):
                assert isinstance(answer, get_args(Answer))
                assert not isinstance(answer, (Report, PositionReport, ClockReport))


@pytest.mark.parametrize("field", GOOD)
def test_no_odd_value_of_a_field_is_taken_for_a_count(field: str) -> None:
    for odd in ODD:
        found = read_order("a", {**GOOD, field: odd})
        if isinstance(found, Unknown):
            continue
        assert isinstance(found, Report)
        assert found.client_order_id == "a"
        is_count = proves_final(found) and not contradicts_itself(found)
        assert not is_count or found.filled == 10, f"{field} {odd!r}: {found}"
    missing = read_order("a", {name: value for name, value in GOOD.items() if name != field})
    assert isinstance(missing, Unknown) or not proves_final(missing) or missing.filled == 10  # type: ignore[arg-type, union-attr]

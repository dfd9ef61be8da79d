"""Orders read by REST from a server that says what it is told to: pages, orders by id, and answers that are none."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from quotebus.bus.clock import NS_PER_S
from quotebus.pricing.orders import rest
from quotebus.pricing.orders.core import Reconcile
from quotebus.pricing.orders.rest import OrdersRest, Reconciled, ReconcileFailed
from quotebus.pricing.trading_budget import TradingBudget
from tests.support.http_server import serving

Answer = Callable[[str, dict[str, str]], tuple[int, object]]
WANTED = Reconcile(since_utc_ns=1_767_623_400 * NS_PER_S, order_ids=("3", "gone", "7"), generation=5)


class Broker(HTTPServer):
    answer: Answer

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Broker

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server.asked.append(self.path)
        assert self.headers["APCA-API-KEY-ID"] == "key"
        status, value = self.server.answer(parts.path, {k: v[0] for k, v in parse_qs(parts.query).items()})
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    monkeypatch.setattr(rest, "PAGE", 2)
    monkeypatch.setattr(rest, "MOST_PAGES", 3)
    server = Broker()
    with serving(server):
        yield server


def read(broker: Broker, answer: Answer, folder: Path | None = None) -> Reconciled | ReconcileFailed:
    broker.answer = answer
    reports: Queue[Reconciled | ReconcileFailed] = Queue()
    with tempfile.TemporaryDirectory() as own:
        make(broker, folder or Path(own), reports).start(WANTED)
        return reports.get(timeout=10)


def make(broker: Broker, folder: Path, reports: Queue[Reconciled | ReconcileFailed]) -> OrdersRest:
    url = f"http://127.0.0.1:{broker.server_port}"
    budget = TradingBudget(url, folder, 1, lambda: ("key", "secret"))
    return OrdersRest(url, None, lambda: ("key", "secret"), reports.put, budget)


def order(number: int, status: str = "new") -> dict[str, Any]:
    return {"id": str(number), "submitted_at": f"2026-01-05T14:30:0{number}Z", "status": status}


def test_pages_are_read_to_the_end_and_what_they_lack_by_id(broker: Broker) -> None:
    def answer(path: str, query: dict[str, str]) -> tuple[int, object]:
        if path == "/v2/orders/7":
            return 200, order(7, "canceled")
        if path != "/v2/orders":
            return 404, {"message": "order not found"}
        if query["status"] == "open":
            return 200, [order(1)]
        late = [order(number, "filled") for number in (1, 2, 3) if order(number)["submitted_at"] > query["after"]]
        return 200, late[:2]

    found = read(broker, answer)
    assert isinstance(found, Reconciled)
    assert [(one["id"], one["status"]) for one in found.orders] == [
        ("1", "filled"), ("2", "filled"), ("3", "filled"), ("7", "canceled"),
    ]  # fmt: skip
    assert found.generation == 5
    assert [path for path in broker.asked if "orders/" in path] == ["/v2/orders/gone", "/v2/orders/7"]


def test_orders_of_one_moment_on_two_pages_are_all_found(broker: Broker) -> None:
    moments = {"a": 1, "b": 2, "c": 2, "d": 3}

    def answer(path: str, query: dict[str, str]) -> tuple[int, object]:
        after = query.get("after", "")
        late = [order(at) | {"id": name} for name, at in moments.items() if order(at)["submitted_at"] > after]
        return (200, late[:2]) if path == "/v2/orders" else (404, {})

    found = read(broker, answer)
    assert isinstance(found, Reconciled)
    assert [one["id"] for one in found.orders] == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("status", "value", "why"),
    [
        (500, [], "HTTP 500"),
        (302, [], "HTTP 302"),
        (200, b"<html>", "not JSON"),
        (200, {"orders": []}, "not a list of orders"),
        (200, [{"id": 5}], "not a list of orders"),
        (200, [order(1), order(1)], "more than 3 pages of orders"),
        (404, [], "not a list of orders"),
    ],
)
def test_answer_that_is_none_fails_with_a_word_and_not_with_half_the_orders(
    broker: Broker, status: int, value: object, why: str
) -> None:
    assert read(broker, lambda path, query: (status, value)) == ReconcileFailed(5, why)


def test_nobody_there_is_a_failure_too(tmp_path: Path) -> None:
    reports: Queue[Reconciled | ReconcileFailed] = Queue()
    budget = TradingBudget("http://127.0.0.1:1", tmp_path, 1, lambda: ("key", "secret"))
    OrdersRest("http://127.0.0.1:1", None, lambda: ("key", "secret"), reports.put, budget).start(WANTED)
    assert reports.get(timeout=10) == ReconcileFailed(5, "ConnectionRefusedError")

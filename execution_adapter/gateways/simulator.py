"""Orders over plain REST to a broker on this machine that speaks Alpaca's trading API: the exchange simulator.

One connection per request: a reused connection that the broker has closed meanwhile would leave an outcome unknown.
"""

from __future__ import annotations

import http.client
import json
from urllib.parse import quote, urlsplit

from quotebus.execution_adapter.gateways.base import (
    BAD_FIELD_CODE,
    NO_POSITION_CODE,
    read_clock,
    read_error,
    read_order,
    read_position,
    settle_doubt,
)
from quotebus.execution_adapter.orders.order import (
    CLOCK,
    ZERO,
    Answer,
    NotFound,
    Order,
    PositionReport,
    Request,
    Unknown,
)

MAX_BODY_BYTES = 1 << 20


class SimulatorGateway:
    """The broker at `url`, such as `http://127.0.0.1:8766/v2`. `timeout_s` bounds each step of a request.

    `extended_hours`: limit orders may fill outside the regular session.
    """

    def __init__(self, url: str, key: str, secret: str, timeout_s: float, *, extended_hours: bool = False) -> None:
        parts = urlsplit(url)
        self._host, self._port, self._path = parts.hostname or "", parts.port or 80, parts.path.rstrip("/")
        self._headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret, "Content-Type": "application/json"}
        self._timeout_s = timeout_s
        self._extended = {"extended_hours": True} if extended_hours else {}

    def submit_order(self, order: Order) -> Answer:
        body: dict[str, object] = {
            "symbol": order.symbol, "side": order.side, "qty": f"{order.qty:f}", "time_in_force": "day",
            "client_order_id": order.client_order_id, "type": "market",
        }  # fmt: skip
        if order.limit_price is not None:
            body |= {"type": "limit", "limit_price": f"{order.limit_price:f}", **self._extended}
        try:
            status, answer = self._request("POST", "/orders", body)
        except (OSError, http.client.HTTPException) as error:
            return Unknown(order.client_order_id, _said(error))
        if status in (200, 201):
            return read_order(order.client_order_id, answer)
        refused = read_error(order.client_order_id, Request.PLACE, status, _reason(answer))
        if _code(answer) == BAD_FIELD_CODE:
            return settle_doubt(refused, self.query_order(order.client_order_id))
        return refused

    def cancel_order(self, client_order_id: str, order_id: str) -> Answer:
        if not order_id:
            found = self.query_order(client_order_id)
            if not (order_id := getattr(found, "order_id", "")):
                return found
        try:
            status, answer = self._request("DELETE", f"/orders/{quote(order_id, safe='')}")
        except (OSError, http.client.HTTPException) as error:
            return Unknown(client_order_id, _said(error))
        if status in (200, 204):
            return self.query_order(client_order_id)
        return read_error(client_order_id, Request.CANCEL, status, _reason(answer))

    def query_order(self, client_order_id: str) -> Answer:
        path = f"/orders:by_client_order_id?client_order_id={quote(client_order_id, safe='')}"
        try:
            status, answer = self._request("GET", path)
        except (OSError, http.client.HTTPException) as error:
            return Unknown(client_order_id, _said(error))
        if status == 200:
            return read_order(client_order_id, answer)
        return NotFound(client_order_id) if status == 404 else Unknown(client_order_id, f"http {status}")

    def query_position(self, request_id: str, symbol: str) -> Answer:
        try:
            status, answer = self._request("GET", f"/positions/{quote(symbol, safe='')}")
        except (OSError, http.client.HTTPException) as error:
            return Unknown(request_id, _said(error))
        if status == 404 and _code(answer) == NO_POSITION_CODE:
            return PositionReport(request_id, ZERO, ZERO)
        return read_position(request_id, answer) if status == 200 else Unknown(request_id, f"http {status}")

    def query_clock(self) -> Answer:
        try:
            status, answer = self._request("GET", "/clock")
        except (OSError, http.client.HTTPException) as error:
            return Unknown(CLOCK, _said(error))
        return read_clock(answer) if status == 200 else Unknown(CLOCK, f"http {status}")

    def _request(self, method: str, path: str, body: dict[str, object] | None = None) -> tuple[int, object]:
        """Status and decoded body; None for a body that is not JSON. Raises OSError or HTTPException."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            payload = None if body is None else json.dumps(body)
            connection.request(method, f"{self._path}{path}", payload, self._headers)
            response = connection.getresponse()
            raw = response.read(MAX_BODY_BYTES)
        finally:
            connection.close()
        try:
            return response.status, json.loads(raw) if raw else None
        except ValueError:
            return response.status, None


def _said(error: Exception) -> str:
    return f"no answer: {type(error).__name__}"


def _code(answer: object) -> object:
    return answer.get("code") if isinstance(answer, dict) else None


def _reason(answer: object) -> str:
    return str(answer.get("message", "")) if isinstance(answer, dict) else ""

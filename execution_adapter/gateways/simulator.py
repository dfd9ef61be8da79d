"""Orders over plain REST to a broker on this machine that speaks Alpaca's trading API: the exchange simulator.

One connection per request: a reused connection that the broker has closed meanwhile would leave an outcome unknown.
"""

from __future__ import annotations

import http.client
import json
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from quotebus.bus.rest_address import VERSION, strip_version
from quotebus.execution_adapter.gateways.base import (
    NO_POSITION_CODE,
    Watch,
    read_clock,
    read_error,
    read_order,
    read_position,
    settle_doubt,
    watch_nothing,
)
from quotebus.execution_adapter.gateways.unsent import refuse_unsent
from quotebus.execution_adapter.orders.order import (
    CLOCK,
    TIME_IN_FORCE,
    ZERO,
    Answer,
    NotFound,
    Order,
    PositionReport,
    Request,
    Taken,
    Unknown,
)

MAX_BODY_BYTES = 1 << 20


class _Reply(NamedTuple):
    """Status and decoded body, None for a body that is not JSON, and how long the answer asks to wait."""

    status: int
    body: object
    wait_ns: int | None


class _NotConnected(OSError):
    """There is no connection, so nothing was sent. Carries the name of the error that said so."""


class SimulatorGateway:
    """The broker at `url`, such as `http://127.0.0.1:8766/v2`, with or without the version.

    `timeout_s` bounds each step of a request. `extended_hours`: limit orders may fill outside the regular session.
    `watch` is told status and headers of every answer, and says how long they ask to wait.
    """

    def __init__(
        self,
        url: str,
        key: str,
        secret: str,
        timeout_s: float,
        *,
        extended_hours: bool = False,
        watch: Watch = watch_nothing,
    ) -> None:
        parts = urlsplit(strip_version(url))
        self._host, self._port, self._path = parts.hostname or "", parts.port or 80, f"{parts.path}/{VERSION}"
        self._headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret, "Content-Type": "application/json"}
        self._timeout_s = timeout_s
        self._extended = {"extended_hours": True} if extended_hours else {}
        self._watch = watch

    def submit_order(self, order: Order) -> Answer:
        body: dict[str, object] = {
            "symbol": order.symbol, "side": order.side, "qty": f"{order.qty:f}", "time_in_force": TIME_IN_FORCE,
            "client_order_id": order.client_order_id, "type": "market",
        }  # fmt: skip
        if order.limit_price is not None:
            body |= {"type": "limit", "limit_price": f"{order.limit_price:f}", **self._extended}
        try:
            reply = self._request("POST", "/orders", body)
        except _NotConnected as error:
            return refuse_unsent(order.client_order_id, str(error))
        except (OSError, http.client.HTTPException) as error:
            return Unknown(order.client_order_id, _said(error))
        if reply.status in (200, 201):
            return read_order(order.client_order_id, reply.body)
        answer = read_error(order.client_order_id, Request.PLACE, reply.status, reply.body, reply.wait_ns)
        return settle_doubt(answer, self.query_order)

    def cancel_order(self, client_order_id: str, order_id: str) -> Answer:
        if not order_id:
            found = self.query_order(client_order_id)
            if not (order_id := getattr(found, "order_id", "")):
                return found
        try:
            reply = self._request("DELETE", f"/orders/{quote(order_id, safe='')}")
        except (OSError, http.client.HTTPException) as error:
            return Unknown(client_order_id, _said(error))
        if reply.status in (200, 204):
            return Taken(client_order_id)
        return read_error(client_order_id, Request.CANCEL, reply.status, reply.body, reply.wait_ns)

    def query_order(self, client_order_id: str, order_id: str = "") -> Answer:
        path = f"/orders:by_client_order_id?client_order_id={quote(client_order_id, safe='')}"
        try:
            reply = self._request("GET", f"/orders/{quote(order_id, safe='')}" if order_id else path)
        except (OSError, http.client.HTTPException) as error:
            return Unknown(client_order_id, _said(error))
        if reply.status == 200:
            return read_order(client_order_id, reply.body, order_id)
        return NotFound(client_order_id) if reply.status == 404 else Unknown(client_order_id, f"http {reply.status}")

    def query_position(self, request_id: str, symbol: str) -> Answer:
        try:
            reply = self._request("GET", f"/positions/{quote(symbol, safe='')}")
        except (OSError, http.client.HTTPException) as error:
            return Unknown(request_id, _said(error))
        if reply.status == 404 and _code(reply.body) == NO_POSITION_CODE:
            return PositionReport(request_id, ZERO, ZERO)
        if reply.status != 200:
            return Unknown(request_id, f"http {reply.status}")
        return read_position(request_id, reply.body)

    def query_clock(self) -> Answer:
        try:
            reply = self._request("GET", "/clock")
        except (OSError, http.client.HTTPException) as error:
            return Unknown(CLOCK, _said(error))
        return read_clock(reply.body) if reply.status == 200 else Unknown(CLOCK, f"http {reply.status}")

    def _request(self, method: str, path: str, body: dict[str, object] | None = None) -> _Reply:
        """Raises OSError or HTTPException when there is no answer."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            payload = None if body is None else json.dumps(body)
            try:
                connection.connect()
            except OSError as error:
                raise _NotConnected(type(error).__name__) from None
            connection.request(method, f"{self._path}{path}", payload, self._headers)
            response = connection.getresponse()
            raw = response.read(MAX_BODY_BYTES)
        finally:
            connection.close()
        wait_ns = self._watch(response.status, {name.lower(): value for name, value in response.headers.items()})
        try:
            return _Reply(response.status, json.loads(raw) if raw else None, wait_ns)
        except (ValueError, RecursionError):
            return _Reply(response.status, None, wait_ns)


def _said(error: Exception) -> str:
    return f"no answer: {type(error).__name__}"


def _code(answer: object) -> object:
    return answer.get("code") if isinstance(answer, dict) else None

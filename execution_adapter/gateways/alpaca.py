"""Orders to Alpaca, paper or live, through alpaca-py's TradingClient (the extra `alpaca`)."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from quotebus.bus.errors import ConfigError
from quotebus.bus.rest_address import strip_version
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
from quotebus.execution_adapter.orders.order import CLOCK, ZERO, Answer, NotFound, Order, PositionReport, Taken, Unknown
from quotebus.execution_adapter.orders.order import Request as BrokerRequest

if TYPE_CHECKING:
    from alpaca.common.exceptions import APIError


class AlpacaGateway:
    """Alpaca's account behind key and secret. Raises ConfigError when alpaca-py is not installed.

    `extended_hours`: limit orders may fill outside the regular session. `url` replaces Alpaca's address, with or
    without the version; `timeout_s` bounds connecting and reading, which alpaca-py itself does not. `watch` is told
    status and headers of every answer, and says how long they ask to wait.
    """

    def __init__(
        self,
        key: str,
        secret: str,
        *,
        paper: bool,
        timeout_s: float,
        url: str = "",
        extended_hours: bool = False,
        watch: Watch = watch_nothing,
    ) -> None:
        try:
            from alpaca.common.exceptions import APIError
            from alpaca.trading.client import TradingClient
            from alpaca.trading.enums import OrderSide, TimeInForce
            from alpaca.trading.requests import LimitOrderRequest, MarketOrderRequest
            from requests import RequestException
            from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
        except ImportError:
            raise ConfigError(
                "EXECUTION_GATEWAY: paper and live need alpaca-py: pip install 'quotebus[alpaca]'"
            ) from None
        if not key or not secret:
            raise ConfigError("EXECUTION_GATEWAY: paper and live need APCA_API_KEY_ID and APCA_API_SECRET_KEY")

        class Client(TradingClient):  # type: ignore[misc, unused-ignore]
            """Sets a deadline on every request and never repeats one: what to repeat is decided here."""

            def _one_request(self, method: str, url: str, opts: dict[str, Any], retry: int) -> Any:  # noqa: ARG002
                return super()._one_request(method, url, {**opts, "timeout": timeout_s}, 0)

        self._client = Client(key, secret, paper=paper, raw_data=True, url_override=strip_version(url) or None)
        self._watch = watch
        self._client._session.hooks["response"].append(lambda response, **_: self._see(response))
        self._market, self._limit = MarketOrderRequest, LimitOrderRequest
        self._sides, self._day = {"buy": OrderSide.BUY, "sell": OrderSide.SELL}, TimeInForce.DAY
        self._extended = {"extended_hours": True} if extended_hours else {}
        self._api_error: type[APIError] = APIError
        # A body that is no JSON is one of the last two; whatever requests raises is one of its own, an OSError.
        self._lost: tuple[type[Exception], ...] = (RequestException, ValueError, RecursionError)
        self._no_connection: tuple[type[Exception], ...] = (ConnectTimeoutError, NewConnectionError)

    def submit_order(self, order: Order) -> Answer:
        wanted: dict[str, Any] = {
            "symbol": order.symbol, "qty": float(order.qty), "side": self._sides[order.side],
            "time_in_force": self._day, "client_order_id": order.client_order_id,
        }  # fmt: skip
        limit = order.limit_price
        try:
            answer = self._client.submit_order(
                self._market(**wanted)
                if limit is None
                else self._limit(**wanted, limit_price=float(limit), **self._extended)
            )
        except self._api_error as error:
            return settle_doubt(self._refusal(order.client_order_id, BrokerRequest.PLACE, error), self.query_order)
        except self._lost as error:
            if self._is_unsent(error):
                return refuse_unsent(order.client_order_id, type(error).__name__)
            return Unknown(order.client_order_id, f"no answer: {type(error).__name__}")
        return read_order(order.client_order_id, answer)

    def cancel_order(self, client_order_id: str, order_id: str) -> Answer:
        if not order_id:
            found = self.query_order(client_order_id)
            if not (order_id := getattr(found, "order_id", "")):
                return found
        try:
            self._client.cancel_order_by_id(order_id)
        except self._api_error as error:
            return self._refusal(client_order_id, BrokerRequest.CANCEL, error)
        except self._lost as error:
            return Unknown(client_order_id, f"no answer: {type(error).__name__}")
        return Taken(client_order_id)

    def query_order(self, client_order_id: str, order_id: str = "") -> Answer:
        try:
            answer = (
                self._client.get_order_by_id(order_id)
                if order_id
                else self._client.get_order_by_client_id(client_order_id)
            )
        except self._api_error as error:
            if error.status_code == 404:
                return NotFound(client_order_id)
            return Unknown(client_order_id, f"http {error.status_code}")
        except self._lost as error:
            return Unknown(client_order_id, f"no answer: {type(error).__name__}")
        return read_order(client_order_id, answer, order_id)

    def query_position(self, request_id: str, symbol: str) -> Answer:
        try:
            answer = self._client.get_open_position(symbol)
        except self._api_error as error:
            if error.status_code == 404 and _code(error) == NO_POSITION_CODE:
                return PositionReport(request_id, ZERO, ZERO)
            return Unknown(request_id, f"http {error.status_code}")
        except self._lost as error:
            return Unknown(request_id, f"no answer: {type(error).__name__}")
        return read_position(request_id, answer)

    def query_clock(self) -> Answer:
        try:
            return read_clock(self._client.get_clock())
        except self._api_error as error:
            return Unknown(CLOCK, f"http {error.status_code}")
        except self._lost as error:
            return Unknown(CLOCK, f"no answer: {type(error).__name__}")

    def _is_unsent(self, error: Exception) -> bool:
        """Whether not even a connection was made: what requests raises carries the reason in what it was raised for."""
        return isinstance(getattr(next(iter(error.args), None), "reason", None), self._no_connection)

    def _see(self, response: Any) -> None:
        headers = {name.lower(): value for name, value in response.headers.items()}
        _waits.ns = self._watch(response.status_code, headers)

    def _refusal(self, client_order_id: str, request: BrokerRequest, error: APIError) -> Answer:
        if error.status_code is None:
            return Unknown(client_order_id, "no HTTP status")
        try:
            body = json.loads(str(error))
        except (ValueError, RecursionError):
            body = None
        return read_error(client_order_id, request, error.status_code, body, _waits.ns)


class _Waits(threading.local):
    """How long the last answer to this thread asked to wait: what alpaca-py raises does not carry headers on."""

    ns: int | None = None


_waits = _Waits()


def _code(error: APIError) -> int | None:
    try:
        return int(error.code)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None

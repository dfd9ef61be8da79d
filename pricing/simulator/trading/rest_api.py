"""Alpaca's trading REST API: takes requests, calls the broker, returns entities and error bodies. Pure."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from urllib.parse import parse_qsl, unquote

from quotebus.pricing.simulator.faults import Faults
from quotebus.pricing.simulator.trading import data_api
from quotebus.pricing.simulator.trading.assets import Assets
from quotebus.pricing.simulator.trading.broker import Broker
from quotebus.pricing.simulator.trading.data_api import DataApi
from quotebus.pricing.simulator.trading.market_hours import count_days
from quotebus.pricing.simulator.trading.rest_limit import RestLimit
from quotebus.pricing.simulator.trading.tickets import MALFORMED, NOT_FOUND, RestError, order_not_found

NS_PER_S = 1_000_000_000
MOST_LISTED = 500
LISTED = 50
TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?)?\Z")
PHRASES = {429: "too many requests.", 500: "internal server error occurred", 503: "service unavailable"}
HTML = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center><hr></body></html>"
"""The body of a proxy's answer, not of Alpaca's own programs."""


@dataclass(frozen=True, slots=True)
class RestRequest:
    """One HTTP request; header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer, to be sent `delay_ns` later. With `lost` it is not sent: `silent`, or `rst` for a reset."""

    status: int
    value: object
    """JSON, or bytes of HTML."""
    delay_ns: int = 0
    lost: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class RestApi:
    """Answers the requests of all clients; there is one account."""

    def __init__(
        self, broker: Broker, data: DataApi, faults: Faults, key: str, secret: str, seed: int, per_minute: int = 0
    ) -> None:
        self._broker = broker
        self._data = data
        self._faults = faults
        self._key, self._secret = key, secret
        self._assets = Assets(seed, faults, broker.orders.asset_id)
        self._utc_ns = 0
        self.requests = 0
        self.of_orders = self.limited = 0
        self._per_minute = per_minute
        self._limit = RestLimit()
        self._routes: tuple[tuple[str, re.Pattern[str], Callable[..., tuple[int, object]]], ...] = (
            ("POST", re.compile(r"/v2/orders"), self._place),
            ("GET", re.compile(r"/v2/orders"), self._list),
            ("DELETE", re.compile(r"/v2/orders"), self._cancel_all),
            ("GET", re.compile(r"/v2/orders:by_client_order_id"), self._by_client_id),
            ("GET", re.compile(r"/v2/orders/([^/]+)"), self._get),
            ("PATCH", re.compile(r"/v2/orders/([^/]+)"), self._replace),
            ("DELETE", re.compile(r"/v2/orders/([^/]+)"), self._cancel),
            ("GET", re.compile(r"/v2/account"), self._account),
            ("GET", re.compile(r"/v2/positions"), self._positions),
            ("GET", re.compile(r"/v2/positions/(.+)"), self._position),
            ("GET", re.compile(r"/v2/clock"), self._clock),
            ("GET", re.compile(r"/v2/calendar"), self._calendar),
            ("GET", re.compile(r"/v3/clock"), self._phases),
            ("GET", re.compile(r"/v2/assets"), self._list_assets),
            ("GET", re.compile(r"/v2/assets/(.+)"), self._asset),
        )

    def answer(self, request: RestRequest, utc_ns: int) -> Reply:
        """Act on one request and answer it."""
        self.requests += 1
        self._utc_ns = utc_ns
        delay_ns = self._faults.draw_ns("rest_delay_ms")
        headers: Mapping[str, str] = {}
        lost = ""
        try:
            key = self._authorize(request.headers)
            if request.method == "GET" and data_api.PATH.fullmatch(request.path):
                self._refuse_on_purpose()
                status, value, headers = self._data.answer(request.path, request.query, utc_ns)
            else:
                self.of_orders += 1
                is_allowed, headers = self._limit.count(key, self._most(), utc_ns)
                if not is_allowed:
                    self.limited += 1
                    raise RestError(429, 42910000, PHRASES[429])
                status, value = self._act(request)
                if request.method != "GET":
                    lost = self._lose()
                    self._refuse_on_purpose("rest_late_status")
        except RestError as refused:
            status, value = refused.status, refused.body
        if (status == 429 or status >= 500) and self._faults.take("rest_html"):
            value = HTML.format(f"{status} {PHRASES.get(status, 'error')}").encode()
        return Reply(status, value, delay_ns, lost, self._add_headers(status, headers))

    def _most(self) -> int:
        limit = self._faults.number("rest_limit")
        return self._per_minute if limit is None else int(limit)

    def _lose(self) -> str:
        """How the answer is lost, though the request has taken effect; empty when it is not."""
        if self._faults.take("rest_drop_reply"):
            return "silent"
        return "rst" if self._faults.take("rest_cut_reply") else ""

    def _refuse_on_purpose(self, fault: str = "rest_status") -> None:
        status = self._faults.take_value(fault)
        if isinstance(status, int):
            raise RestError(status, status * 100_000, PHRASES.get(status, "refused on purpose"))

    def _add_headers(self, status: int, headers: Mapping[str, str]) -> Mapping[str, str]:
        after_s = self._faults.number("rest_retry_after_s")
        kept = {} if self._faults.on("rest_no_rate_headers") else headers
        return kept if after_s is None or status not in (429, 503) else {**kept, "Retry-After": str(int(after_s))}

    def _act(self, request: RestRequest) -> tuple[int, object]:
        self._refuse_on_purpose()
        known = False
        for method, path, act in self._routes:
            match = path.fullmatch(request.path)
            if match is not None and method == request.method:
                return act(request, *(unquote(part) for part in match.groups()))
            known = known or match is not None
        if known:
            raise RestError(405, 40510000, "method not allowed")
        raise RestError(404, NOT_FOUND, "endpoint not found")

    def _authorize(self, headers: Mapping[str, str]) -> str:
        """The key of a request that may be answered. RestError (401, 403) for any other."""
        key, secret = headers.get("apca-api-key-id", ""), headers.get("apca-api-secret-key", "")
        kind, _, given = headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                key, _, secret = base64.b64decode(given).decode().partition(":")
            except ValueError:
                key = ""
        if not key or not secret or self._faults.take("rest_auth_fail"):
            raise RestError(401, 40110000, "request is not authorized")
        if self._key not in ("", key) or self._secret not in ("", secret):
            raise RestError(403, 40310000, "forbidden.")
        return key

    # Orders.

    def _place(self, request: RestRequest) -> tuple[int, object]:
        body = _object(request.body)
        status = self._faults.take_value("order_refuse")
        if isinstance(status, int):
            raise RestError(status, status * 100_000 + 10_000, "refused on purpose")
        return 200, self._broker.place(body)

    def _get(self, _: RestRequest, order_id: str) -> tuple[int, object]:
        return 200, self._broker.show(self._broker.find(order_id))

    def _by_client_id(self, request: RestRequest) -> tuple[int, object]:
        client_order_id = dict(parse_qsl(request.query)).get("client_order_id", "")
        order = self._broker.orders.by_client_id.get(client_order_id)
        if order is None or self._broker.is_hidden(order):
            raise order_not_found(client_order_id)
        return 200, self._broker.show(order)

    def _replace(self, request: RestRequest, order_id: str) -> tuple[int, object]:
        return 200, self._broker.replace(order_id, _object(request.body))

    def _cancel(self, _: RestRequest, order_id: str) -> tuple[int, object]:
        self._broker.cancel(order_id)
        return 204, None

    def _cancel_all(self, _: RestRequest) -> tuple[int, object]:
        answers = []
        for order in self._broker.orders.list_open():
            status, body = 200, self._broker.show(order)
            try:
                self._broker.cancel(order.order_id)
            except RestError as refused:
                status, body = refused.status, refused.body
            answers.append({"id": order.order_id, "status": status, "body": body})
        return 207, answers

    def _list(self, request: RestRequest) -> tuple[int, object]:
        query = dict(parse_qsl(request.query))
        status = query.get("status", "open")
        if status not in ("open", "closed", "all"):
            raise RestError(422, MALFORMED, "invalid status")
        limit = query.get("limit", str(LISTED))
        if not re.fullmatch(r"[0-9]{1,3}", limit) or not 1 <= int(limit) <= MOST_LISTED:
            raise RestError(422, MALFORMED, f"limit must be from 1 to {MOST_LISTED}")
        direction = query.get("direction", "desc")
        if direction not in ("asc", "desc"):
            raise RestError(422, MALFORMED, "invalid direction")
        after_ns, until_ns = _utc_ns(query.get("after"), "after"), _utc_ns(query.get("until"), "until")
        symbols = {symbol for symbol in query.get("symbols", "").upper().split(",") if symbol}
        found = [
            order
            for order in self._broker.orders.by_id.values()
            if (status == "all" or order.is_open == (status == "open"))
            and not self._broker.is_hidden(order)
            and (after_ns is None or order.submitted_ns > after_ns)
            and (until_ns is None or order.submitted_ns <= until_ns)
            and (not symbols or order.ticket.symbol in symbols)
            and query.get("side", order.ticket.side) == order.ticket.side
        ]
        if direction == "desc":
            found.reverse()
        return 200, [self._broker.show(order) for order in found[: int(limit)]]

    # The account and the market.

    def _account(self, _: RestRequest) -> tuple[int, object]:
        return 200, self._broker.account.json(self._broker.orders.list_open(), self._broker.price)

    def _reserved(self, symbol: str) -> Decimal:
        sells = [o for o in self._broker.orders.list_open_in(symbol) if not o.is_buy]
        return self._broker.account.reserve(symbol, sells, self._broker.price(symbol))

    def _position_of(self, symbol: str) -> dict[str, object]:
        broker = self._broker
        return broker.account.position_json(
            symbol, broker.orders.asset_id(symbol), broker.price(symbol), self._reserved(symbol)
        )

    def _positions(self, _: RestRequest) -> tuple[int, object]:
        return 200, [self._position_of(symbol) for symbol in self._broker.account.shown]

    def _position(self, _: RestRequest, symbol: str) -> tuple[int, object]:
        for held in self._broker.account.shown:
            if symbol in (held, self._broker.orders.asset_id(held)):
                return 200, self._position_of(held)
        raise RestError(404, NOT_FOUND, "position does not exist")

    def _clock(self, _: RestRequest) -> tuple[int, object]:
        return 200, self._broker.hours.clock(self._utc_ns)

    def _calendar(self, request: RestRequest) -> tuple[int, object]:
        return 200, self._broker.hours.calendar(dict(parse_qsl(request.query)))

    def _phases(self, request: RestRequest) -> tuple[int, object]:
        markets = dict(parse_qsl(request.query)).get("markets", "")
        return 200, self._broker.hours.phases([name for name in markets.split(",") if name])

    def _list_assets(self, request: RestRequest) -> tuple[int, object]:
        return 200, self._assets.list(dict(parse_qsl(request.query)))

    def _asset(self, _: RestRequest, symbol_or_id: str) -> tuple[int, object]:
        symbol = self._broker.orders.find_symbol(symbol_or_id.lower()) or symbol_or_id.upper()
        asset = self._assets.find(symbol)
        if asset is None:
            raise RestError(404, NOT_FOUND, f"asset not found for {symbol[:32]}")
        return 200, asset


def _object(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise RestError(400, 40010000, "request body format is invalid")
    return value


def _utc_ns(text: str | None, name: str) -> int | None:
    """RFC 3339, or a date, as UTC nanoseconds."""
    if not text:
        return None
    match = TIME.match(text.replace(" ", "+") if text[-6:-5] == " " else text)
    if match is None:
        raise RestError(422, MALFORMED, f"invalid {name}")
    date, clock, fraction, zone = match.groups()
    year, month, day = (int(part) for part in date.split("-"))
    hours, minutes, seconds = (int(part) for part in (clock or "0:0:0").split(":"))
    total = count_days(year, month, day) * 86_400 + hours * 3_600 + minutes * 60 + seconds
    if zone and zone != "Z":
        digits = zone[1:].replace(":", "")
        offset = int(digits[:2]) * 3_600 + int(digits[2:]) * 60
        total += offset if zone[0] == "-" else -offset
    return total * NS_PER_S + int((fraction or "0").ljust(9, "0"))

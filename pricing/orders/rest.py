"""Reads orders by REST in a thread of its own, one read at a time, each request with a deadline.

Redirects are not followed and proxy variables are ignored: either would carry our key elsewhere. Answers are bounded.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from quotebus.bus.clock import NS_PER_S
from quotebus.bus.errors import QuotebusError
from quotebus.pricing.orders.core import Reconcile

TIMEOUT_S = 4.0
PAGE = 500
MOST_PAGES = 40
MOST_BY_ID = 150
"""Orders read one by one: an account may make 200 requests a minute."""
MAX_BODY_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The orders that were read for the Reconcile of this generation."""

    orders: list[dict[str, Any]]
    generation: int


@dataclass(frozen=True, slots=True)
class ReconcileFailed:
    """The orders could not be read. `why` is for people and holds no secret."""

    generation: int
    why: str


class _Failed(QuotebusError):
    """The request brought no orders; the text says why."""


class OrdersRest:
    """One read at a time, in its own thread, which calls `report` with the outcome."""

    def __init__(
        self,
        url: str,
        ca_file: str | None,
        credentials: Callable[[], tuple[str, str]],
        report: Callable[[Reconciled | ReconcileFailed], None],
    ) -> None:
        self._parts = urlsplit(url)
        self._ca_file = ca_file
        self._credentials = credentials
        self._report = report
        self._connection: http.client.HTTPConnection | None = None

    def start(self, wanted: Reconcile) -> None:
        """Start a read; one that is under way is abandoned."""
        self.abandon()
        threading.Thread(target=self._run, args=(wanted,), name="orders-rest", daemon=True).start()

    def abandon(self) -> None:
        """Make the read that is under way fail soon."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def _run(self, wanted: Reconcile) -> None:
        outcome: Reconciled | ReconcileFailed = ReconcileFailed(wanted.generation, "the read ended unexpectedly")
        try:
            outcome = Reconciled(self._read(wanted), wanted.generation)
        except _Failed as failure:
            outcome = ReconcileFailed(wanted.generation, str(failure))
        except (http.client.HTTPException, OSError, ValueError) as error:
            outcome = ReconcileFailed(wanted.generation, type(error).__name__)
        finally:  # whatever happens, the stream must be told
            self._report(outcome)

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        context = ssl.create_default_context(cafile=self._ca_file)
        context.keylog_filename = None  # type: ignore[assignment]
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)

    def _read(self, wanted: Reconcile) -> list[dict[str, Any]]:
        self._connection = connection = self._connect()
        try:
            found = {order["id"]: order for order in self._pages(connection, "open", None)}
            since = _rfc3339(wanted.since_utc_ns)
            found |= {order["id"]: order for order in self._pages(connection, "all", since)}
            missing = [order_id for order_id in wanted.order_ids if order_id not in found]
            for order_id in missing[-MOST_BY_ID:]:
                order = self._get(connection, f"/v2/orders/{quote(order_id, safe='')}")
                if isinstance(order, dict):
                    found[order_id] = order
            return list(found.values())
        finally:
            connection.close()

    def _pages(self, connection: http.client.HTTPConnection, status: str, after: str | None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for _ in range(MOST_PAGES):
            query = {"status": status, "limit": PAGE, "direction": "asc", "nested": "false"}
            if after is not None:
                query["after"] = after
            page = self._get(connection, f"/v2/orders?{urlencode(query)}")
            if not isinstance(page, list) or not all(map(_is_order, page)):
                raise _Failed("not a list of orders")
            found += page
            if len(page) < PAGE:
                return found
            after = _go_on_after(page)
        raise _Failed(f"more than {MOST_PAGES} pages of orders")

    def _get(self, connection: http.client.HTTPConnection, path: str) -> object:
        """The decoded answer; None for 404."""
        key, secret = self._credentials()
        connection.request("GET", path, headers={"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret})
        response = connection.getresponse()
        body = response.read(MAX_BODY_BYTES + 1)
        if response.status == http.client.NOT_FOUND:
            return None
        if response.status != http.client.OK:
            raise _Failed(f"HTTP {response.status}")
        if len(body) > MAX_BODY_BYTES:
            raise _Failed(f"an answer of more than {MAX_BODY_BYTES} bytes")
        try:
            decoded: object = msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):
            raise _Failed("not JSON") from None
        return decoded


def _go_on_after(page: list[dict[str, Any]]) -> str:
    """The `after` of the next page. The upstream excludes that moment itself, and other orders of the last moment may
    be on the next page: so it is the moment before the last one, and the orders of the last are read twice."""
    last = str(page[-1].get("submitted_at"))
    return next((at for order in reversed(page) if (at := str(order.get("submitted_at"))) != last), last)


def _is_order(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("id"), str)


def _rfc3339(utc_ns: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(utc_ns // NS_PER_S))

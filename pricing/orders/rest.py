"""Reads orders by REST in a thread of its own, one read at a time, each request with a deadline and within the budget.

Redirects are not followed and proxy variables are ignored: either would carry our key elsewhere. Answers are bounded.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from quotebus.bus.clock import NS_PER_S
from quotebus.pricing.orders.core import Reconcile
from quotebus.pricing.rest_connection import RestConnection, RestFailed
from quotebus.pricing.trading_budget import TradingBudget

PAGE = 500
MOST_PAGES = 40
MOST_BY_ID = 150
"""Orders read one by one: an account may make 200 requests a minute."""
BUDGET_S = 20.0
"""How long a request may wait for the budget before the read has failed."""
WITHIN_S = 20.0
"""For one whole answer, which may be a page of orders."""


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


class OrdersRest:
    """One read at a time, in its own thread, which calls `report` with the outcome."""

    def __init__(
        self,
        url: str,
        ca_file: str | None,
        credentials: Callable[[], tuple[str, str]],
        report: Callable[[Reconciled | ReconcileFailed], None],
        budget: TradingBudget,
    ) -> None:
        self._url = url
        self._ca_file = ca_file
        self._credentials = credentials
        self._report = report
        self._budget = budget
        self._given_up = threading.Event()
        self._connection: RestConnection | None = None

    def start(self, wanted: Reconcile) -> None:
        """Start a read; one that is under way is abandoned."""
        self.abandon()
        self._given_up = threading.Event()
        threading.Thread(target=self._run, args=(wanted, self._given_up), name="orders-rest", daemon=True).start()

    def abandon(self) -> None:
        """Make the read that is under way fail soon."""
        self._given_up.set()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abort()

    def _run(self, wanted: Reconcile, given_up: threading.Event) -> None:
        outcome: Reconciled | ReconcileFailed = ReconcileFailed(wanted.generation, "the read ended unexpectedly")
        try:
            outcome = Reconciled(self._read(wanted, given_up), wanted.generation)
        except RestFailed as failure:
            outcome = ReconcileFailed(wanted.generation, str(failure))
        except (http.client.HTTPException, OSError, ValueError) as error:
            outcome = ReconcileFailed(wanted.generation, type(error).__name__)
        finally:  # whatever happens, the stream must be told
            self._report(outcome)

    def _read(self, wanted: Reconcile, given_up: threading.Event) -> list[dict[str, Any]]:
        with RestConnection(self._url, self._ca_file, self._credentials, watch=self._budget.watch) as connection:
            self._connection = connection

            def get(path: str) -> object:
                if not self._budget.wait(BUDGET_S, given_up):
                    raise RestFailed("the budget of requests is used up")
                return connection.get(path, within_s=WITHIN_S)

            found = {order["id"]: order for order in self._pages(get, "open", None)}
            since = _rfc3339(wanted.since_utc_ns)
            found |= {order["id"]: order for order in self._pages(get, "all", since)}
            missing = [order_id for order_id in wanted.order_ids if order_id not in found]
            for order_id in missing[-MOST_BY_ID:]:
                order = get(f"/v2/orders/{quote(order_id, safe='')}")
                if isinstance(order, dict):
                    found[order_id] = order
            return list(found.values())

    def _pages(self, get: Callable[[str], object], status: str, after: str | None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for _ in range(MOST_PAGES):
            query = {"status": status, "limit": PAGE, "direction": "asc", "nested": "false"}
            if after is not None:
                query["after"] = after
            page = get(f"/v2/orders?{urlencode(query)}")
            if not isinstance(page, list) or not all(map(_is_order, page)):
                raise RestFailed("not a list of orders")
            found += page
            if len(page) < PAGE:
                return found
            after = _go_on_after(page)
        raise RestFailed(f"more than {MOST_PAGES} pages of orders")


def _go_on_after(page: list[dict[str, Any]]) -> str:
    """The `after` of the next page. The upstream excludes that moment itself, and other orders of the last moment may
    be on the next page: so it is the moment before the last one, and the orders of the last are read twice."""
    last = str(page[-1].get("submitted_at"))
    return next((at for order in reversed(page) if (at := str(order.get("submitted_at"))) != last), last)


def _is_order(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("id"), str)


def _rfc3339(utc_ns: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(utc_ns // NS_PER_S))

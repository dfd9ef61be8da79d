"""What a node may ask the account's trading API, within the budget that it shares with the workers of its host.

It has the lowest class there: it asks only while half of what may come at once is left for orders, so that neither a
cancel nor an order waits behind a node. The file is the workers' own, see `host_budget`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from quotebus.bus.clock import NS_PER_S, now_ns, seconds
from quotebus.bus.process.host_budget import HostBudget
from quotebus.bus.process.order_budget import RequestClass
from quotebus.bus.rest_address import name_account

LOOK_AGAIN_S = 0.25
"""While it waits: somebody else's hold may be over sooner than was said."""


class TradingBudget:
    """The budget at `url` for the key that `credentials` says now. May be used from any thread; opens no file."""

    def __init__(self, url: str, folder: Path, share: float, credentials: Callable[[], tuple[str, str]]) -> None:
        self._url, self._folder, self._share, self._credentials = url, folder, share, credentials
        self._account, self._budget = "", HostBudget(folder, "", share, patient=False)

    def take(self, _now_ns: int = 0, /) -> bool:
        """Whether a request may be made now; it is counted then."""
        return not self._find().take(RequestClass.WATCH)

    def wait(self, within_s: float, given_up: threading.Event) -> bool:
        """Take one request as soon as there is one. False when there was none by then, or `given_up` was set."""
        budget, until_ns = self._find(), now_ns() + seconds(within_s)
        while wait_ns := budget.take(RequestClass.WATCH):
            left_ns = until_ns - now_ns()
            if left_ns <= 0 or given_up.wait(min(LOOK_AGAIN_S, wait_ns / NS_PER_S, left_ns / NS_PER_S)):
                return False
        return True

    def watch(self, status: int, headers: Mapping[str, str], _now_ns: int = 0, _utc_ns: int = 0, /) -> None:
        """Take the broker's word from status and headers of an answer, names in small letters."""
        self._find().watch(status, headers)

    def _find(self) -> HostBudget:
        """A key that was replaced while the node runs is another account."""
        account = name_account(self._url, self._credentials()[0])
        if account != self._account:
            self._account, self._budget = account, HostBudget(self._folder, account, self._share, patient=False)
        return self._budget

"""Order updates on their way to the stream, in Alpaca's form, and what faults do to them. Pure."""

from __future__ import annotations

import heapq
from itertools import count

from quotebus.pricing.simulator.encoding import rfc3339
from quotebus.pricing.simulator.faults import Faults
from quotebus.pricing.simulator.trading.order import decimal_text
from quotebus.pricing.simulator.trading.order_store import OrderEvent

REORDER_NS = 500_000_000
MOST_WAITING = 100_000


def build_update(happened: OrderEvent) -> dict[str, object]:
    """The update for an event. Only an execution has `price`, `qty` and `position_qty`; a bust or a correction of
    one also has `previous_execution_id`.
    """
    data: dict[str, object] = {
        "event": happened.event,
        "execution_id": happened.execution_id,
        "order": happened.order,
        "timestamp": rfc3339(happened.utc_ns),
    }
    if happened.fill is not None and happened.position_qty is not None:
        data["price"] = decimal_text(happened.fill.price)
        data["qty"] = decimal_text(happened.fill.qty)
        data["position_qty"] = decimal_text(happened.position_qty)
    if happened.previous_execution_id:
        data["previous_execution_id"] = happened.previous_execution_id
    if happened.reason:
        data["reason"] = happened.reason
    return {"stream": "trade_updates", "data": data}


class Updates:
    """Updates waiting to be sent. Bounded: the oldest are dropped, and counted in `dropped`."""

    def __init__(self, faults: Faults) -> None:
        self.dropped = 0
        self.lost = 0
        self._faults = faults
        self._numbers = count()
        self._waiting: list[tuple[int, int, dict[str, object]]] = []
        self._held: dict[str, object] | None = None
        self._held_until_ns = 0

    def add(self, update: dict[str, object], now_ns: int) -> None:
        """Queue one update, as the faults in force change it."""
        faults = self._faults
        if faults.take("update_lost"):
            self.lost += 1
            return
        due_ns = now_ns + faults.draw_ns("update_late_ms")
        if self._held is None and faults.take("update_reorder"):
            self._held, self._held_until_ns = update, due_ns + REORDER_NS
            return
        if faults.take("update_null"):
            self._put(due_ns, {"stream": "trade_updates", "data": None})
        self._put(due_ns, update)
        if faults.take("update_duplicate"):
            self._put(due_ns, update)
        if self._held is not None:
            self._put(due_ns, self._held)
            self._held = None

    def _put(self, due_ns: int, update: dict[str, object]) -> None:
        heapq.heappush(self._waiting, (due_ns, next(self._numbers), update))
        if len(self._waiting) > MOST_WAITING:
            heapq.heappop(self._waiting)
            self.dropped += 1

    def next_ns(self) -> int | None:
        """When `due` has something to return."""
        times = [self._waiting[0][0]] if self._waiting else []
        if self._held is not None:
            times.append(self._held_until_ns)
        return min(times, default=None)

    def due(self, now_ns: int) -> list[dict[str, object]]:
        """The updates to send now."""
        if self._held is not None and self._held_until_ns <= now_ns:
            self._put(now_ns, self._held)
            self._held = None
        found = []
        while self._waiting and self._waiting[0][0] <= now_ns:
            found.append(heapq.heappop(self._waiting)[2])
        return found

"""The account's order updates from the bus to any number of SDKs, each on its own `/stream`.

At the broker a connection that breaks is how an SDK learns that updates may be missing, and why it reads its orders
anew. So a reader's connection ends here as soon as one may be: the node's order stream was lost, the node was, or a
message between the node and the edge. Orders that the node reads by REST after such a gap are no events of the broker
and are not passed on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine

from quotebus.bus.async_client import AsyncBusClient
from quotebus.bus.clock import now_ns, seconds
from quotebus.bus.edge.connection import SdkConnection
from quotebus.bus.edge.edge_session import Entry
from quotebus.bus.edge.line_loss import LineLoss
from quotebus.bus.edge.order_format import order_message
from quotebus.bus.edge.order_session import OrderStreamSession
from quotebus.bus.edge.outbox import SERVICE_RESTART, TRY_AGAIN_LATER
from quotebus.bus.events import OrderUpdate

LOOK_EVERY_S = 0.1
LISTEN_WITHIN_S = 10.0
"""How long a reader waits for the node's order stream before it is sent away."""
FEED_BOUND = 10_000
RECONCILED = "reconciled"
COUNTERS = ("orders_listening", "order_updates", "order_reconciled", "order_cuts", "order_refused")
OrderConnection = SdkConnection[OrderStreamSession]
_log = logging.getLogger(__name__)


class OrderRelay:
    """Who follows the account's orders."""

    def __init__(self, bus: AsyncBusClient, entry: Entry) -> None:
        self.counters = dict.fromkeys(COUNTERS, 0)
        self._bus, self._entry = bus, entry
        self._readers: dict[OrderConnection, int] = {}
        """Those that want updates, with the time since when they have waited for the acknowledgement."""
        self._reading = asyncio.Event()
        self._last: dict[str, tuple[str, int]] = {}

    def tasks(self) -> list[Coroutine[None, None, None]]:
        """What has to run for ever."""
        return [self._pump(), self._look()]

    def session(self, *, is_full: bool) -> OrderStreamSession:
        """The protocol of another connection."""
        return OrderStreamSession(self._entry, is_full)

    def update(self, connection: OrderConnection) -> None:
        """What it wants has changed."""
        if connection.session.wants_updates:
            self._readers[connection] = now_ns()
            self._reading.set()
        else:
            self.remove(connection)

    def remove(self, connection: OrderConnection) -> None:
        """It has gone."""
        self._readers.pop(connection, None)
        self._count_listening()
        if not self._readers:
            self._reading.clear()

    async def _look(self) -> None:
        """Acknowledge those who wait once updates are known to arrive, and end what has a hole."""
        line = LineLoss()
        while True:
            if not self._reading.is_set():
                await self._reading.wait()
                line = LineLoss()  # what happened while nobody read is no loss
            streams = self._bus.orders_are_connected
            if line.observe(self._bus.order_health(), streams=streams):
                self._cut_all("the order stream was lost: updates may be missing")
            for connection, since_ns in list(self._readers.items()):
                if streams and connection.session.is_waiting:
                    for message in connection.session.acknowledge().messages:
                        connection.outbox.offer(message)
                    self._count_listening()
                elif connection.session.is_waiting and now_ns() - since_ns > seconds(LISTEN_WITHIN_S):
                    self._send_away(connection)
            await asyncio.sleep(LOOK_EVERY_S)

    def _count_listening(self) -> None:
        self.counters["orders_listening"] = sum(not each.session.is_waiting for each in self._readers)

    async def _pump(self) -> None:
        async for update in self._bus.orders(bound=FEED_BOUND):
            if not self._follows(update):
                self._cut_all("an order update was lost on its way")
            if update.event == RECONCILED:
                self.counters["order_reconciled"] += 1
                continue
            self.counters["order_updates"] += 1
            encoded: dict[bool, bytes] = {}
            for connection in self._readers:
                form = connection.outbox.form
                if form.is_text not in encoded:
                    encoded[form.is_text] = form.message(order_message(update))
                connection.outbox.offer(encoded[form.is_text])

    def _follows(self, update: OrderUpdate) -> bool:
        """Whether it is the one after the last, or the first of its source."""
        last, self._last[update.alias] = self._last.get(update.alias), (update.source, update.seq)
        return last is None or last[0] != update.source or update.seq == last[1] + 1

    def _cut_all(self, why: str) -> None:
        for connection in list(self._readers):
            self.counters["order_cuts"] += 1
            connection.outbox.cut(SERVICE_RESTART, why)
            self.remove(connection)

    def _send_away(self, connection: OrderConnection) -> None:
        self.counters["order_refused"] += 1
        health = self._bus.order_health()
        if health is None:
            why = "no node follows the account's orders: PRICING_ORDER_STREAM"
            _log.warning("order updates are asked for, and %s", why)
        else:
            why = f"the order stream is {health.state} ({health.cause})"
        connection.outbox.cut(TRY_AGAIN_LATER, why)
        self.remove(connection)

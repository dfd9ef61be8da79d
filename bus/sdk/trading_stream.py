"""`TradingStream`: alpaca-py's interface and models for the account's order updates, over the bus."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any

from alpaca.trading.models import TradeUpdate

from quotebus.bus.async_client import AsyncBusClient
from quotebus.bus.async_feed import AsyncFeed
from quotebus.bus.edge.formats import format_time
from quotebus.bus.edge.line_loss import LineLoss
from quotebus.bus.edge.order_format import order_message
from quotebus.bus.errors import StreamEnded
from quotebus.bus.events import OrderUpdate
from quotebus.bus.sdk.stream_life import FEED_BOUND, Handler, StreamLife, check_handler
from quotebus.bus.settings import BusSettings

LOOK_EVERY_S = 0.1
UNHEARD_S = 10.0
"""After so long without a node's order stream a warning says so."""
RECONCILED = "reconciled"
ACCOUNTS = {True: "live", False: "paper"}
"""By what `paper` says, the account that it is not."""
_log = logging.getLogger(__name__)


class TradingStream(StreamLife[OrderUpdate]):
    """The account's order updates, from the node that follows them.

    The arguments are alpaca-py's; the bus needs no key and no address. An update is what the broker sent, field by
    field. When some may have been missed, since the node's order stream was lost, a warning is logged: read your orders
    then, or have them told with `reconciled=True`.
    """

    def __init__(
        self,
        api_key: str = "",
        secret_key: str = "",
        paper: bool = True,
        raw_data: bool = False,
        url_override: str | None = None,
        websocket_params: dict[str, Any] | None = None,
        *,
        reconciled: bool = False,
        name: str | None = None,
        settings: BusSettings | None = None,
    ) -> None:
        """After `websocket_params` come what alpaca-py does not have.

        Args:
            api_key: Not used.
            secret_key: Not used.
            paper: Which account is meant: updates of `live` end a stream for the paper account, and the reverse.
            raw_data: The handler gets the message as a dictionary instead of a `TradeUpdate`.
            url_override: Not used.
            websocket_params: Not used.
            reconciled: The handler also gets orders as the node reads them by REST after a gap and at its start, with
                the event `reconciled`, which is not the broker's.
            name: The client's name on the bus, as in `BusClient`.
            settings: Where the broker is; by default from the environment and `.env`.
        """
        super().__init__(name=name, settings=settings)
        self._raw_data, self._reconciled, self._other_account = raw_data, reconciled, ACCOUNTS[paper]
        self._trade_updates_handler: Handler | None = None
        self._line_streams = False

    def subscribe_trade_updates(self, handler: Handler) -> None:
        """Have a coroutine function called with each update; the last one given counts.

        Raises:
            ValueError: The handler is no coroutine function.
        """
        check_handler(handler)
        self._trade_updates_handler = handler
        self._note_change()

    def _has_handlers(self) -> bool:
        return self._trade_updates_handler is not None

    def _open_feed(self, bus: AsyncBusClient) -> AsyncFeed[OrderUpdate]:
        return bus.orders(bound=FEED_BOUND)

    async def _watch(self, bus: AsyncBusClient) -> None:
        line, loop = LineLoss(), asyncio.get_running_loop()
        warn_at = loop.time() + UNHEARD_S
        while True:
            health, streams = bus.order_health(), bus.orders_are_connected
            self._line_streams = streams
            if line.observe(health, streams=streams):
                _log.warning("the order stream was lost: updates may be missing, read your orders")
            if streams:
                warn_at = loop.time() + UNHEARD_S
            elif loop.time() >= warn_at:
                warn_at = float("inf")
                state = "no node follows the orders" if health is None else f"the order stream is {health.state}"
                _log.warning("no order updates arrive: %s (PRICING_ORDER_STREAM of the node)", state)
            await asyncio.sleep(LOOK_EVERY_S)

    def _find_call(self, bus: AsyncBusClient, item: OrderUpdate) -> Awaitable[None] | None:
        if item.alias == self._other_account:
            raise StreamEnded(f"failed to authenticate: the node follows the {item.alias} account")
        handler = self._trade_updates_handler
        if handler is None or (item.event == RECONCILED and not self._reconciled):
            return None
        message = order_message(item)
        data = message["data"]
        assert isinstance(data, dict)
        if item.event == RECONCILED:
            data |= {"event": RECONCILED, "timestamp": format_time(item.exchange_ns)}
        return handler(message if self._raw_data else TradeUpdate(**data))

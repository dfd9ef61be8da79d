"""`quotebus.alpaca.TradingStream`: alpaca-py's models of the account's order updates, over the bus."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest
from alpaca.trading.models import TradeUpdate

from quotebus.alpaca import TradingStream
from quotebus.bus.settings import BusSettings
from tests.bus.sdk.test_stock_stream import serving, with_node
from tests.support.aio import soon
from tests.support.bus import FakeNode
from tests.support.samples import HEALTH, ORDER, like

TIME = "2026-01-05T14:30:00.123456789Z"
ID = "61e69015-8549-4bfd-b9c3-01e75843f47d"
SENT = {
    "event": "fill", "execution_id": ID, "price": "687.26", "qty": "10", "position_qty": "10", "timestamp": TIME,
    "order": {
        "id": ID, "client_order_id": "c-1", "created_at": TIME, "updated_at": TIME, "submitted_at": TIME,
        "asset_id": ID, "symbol": "SPY", "asset_class": "us_equity", "qty": "10", "filled_qty": "10",
        "filled_avg_price": "687.26", "order_class": "", "order_type": "limit", "type": "limit", "side": "buy",
        "time_in_force": "day", "limit_price": "687.3", "status": "filled", "extended_hours": False, "legs": None,
    },
}  # fmt: skip
UPDATE = like(ORDER, original=json.dumps(SENT))
RECONCILED = msgspec.structs.replace(ORDER, event="reconciled", original=json.dumps({"order": SENT["order"]}))
STREAMING = like(HEALTH, node="pricing.orders")


@pytest.mark.parametrize("reconciled", [False, True])
def test_an_update_is_alpaca_pys_own_model(reconciled: bool, caplog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quotebus.bus.sdk.trading_stream.UNHEARD_S", 0.0)

    async def work(settings: BusSettings, node: FakeNode) -> None:
        got: list[Any] = []

        async def on_update(update: Any) -> None:
            got.append(update)

        stream = TradingStream("key", "secret", reconciled=reconciled, settings=settings)
        stream.subscribe_trade_updates(on_update)
        async with serving(stream):
            await soon(lambda: "no node follows the orders" in caplog.text)
            while not got:  # until the subscription is there
                node.publish(STREAMING, UPDATE)
                await asyncio.sleep(0.01)
            await soon(lambda: stream._line_streams, why="a look at a stream that streams")
            node.publish(like(STREAMING, state="backing_off"))
            await soon(lambda: "the order stream was lost" in caplog.text)
            got.clear()
            node.publish(like(ORDER, original=""), RECONCILED, UPDATE)
            await soon(lambda: got and got[-1].event == "fill")
        assert [str(update.event.value if hasattr(update.event, "value") else update.event) for update in got] == (
            ["reconciled", "fill"] if reconciled else ["fill"]
        )
        assert all(isinstance(update, TradeUpdate) for update in got)
        assert got[-1] == TradeUpdate(**SENT), "field by field"
        assert got[0].order.limit_price == "687.3"

    with_node(work)
    assert "error in a handler, or in a model" in caplog.text, "nothing is made up for what was not passed on"


def test_raw_data_and_the_other_account(caplog: Any) -> None:
    async def work(settings: BusSettings, node: FakeNode) -> None:
        got: list[Any] = []

        async def on_update(update: Any) -> None:
            got.append(update)

        raw = TradingStream("key", "secret", raw_data=True, settings=settings)
        live = TradingStream("key", "secret", paper=False, settings=settings)
        for stream in (raw, live):
            stream.subscribe_trade_updates(on_update)
        async with serving(raw), serving(live):
            while not got or live._running:
                node.publish(UPDATE)
                await asyncio.sleep(0.01)
        assert got[0] == {"stream": "trade_updates", "data": SENT}
        assert not any(isinstance(update, TradeUpdate) for update in got), "none for the live account"

    with_node(work)
    assert "the node follows the paper account" in caplog.text
    with pytest.raises(ValueError, match="handler must be a coroutine function"):
        TradingStream("key", "secret").subscribe_trade_updates(print)

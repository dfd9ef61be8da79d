"""Order updates as the broker writes them, in its two encodings. Pure. Every frame is one object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgpack
import msgspec

from quotebus.bus.edge.formats import Format, asks_for_msgpack, format_time
from quotebus.bus.edge.order_session import TRADE_UPDATES
from quotebus.bus.events import OrderUpdate


class OrderFormat:
    """Order updates: one object a frame, JSON in text frames or MessagePack in binary ones."""

    records_per_frame = 1

    def __init__(self, *, is_text: bool) -> None:
        self.is_text = is_text

    def frame(self, records: Sequence[bytes]) -> bytes:
        return records[0]

    def message(self, message: Mapping[str, object]) -> bytes:
        if self.is_text:
            return msgspec.json.encode(message)
        packed: bytes = msgpack.packb(message)
        return packed


ORDER_JSON: Format = OrderFormat(is_text=True)
ORDER_MSGPACK: Format = OrderFormat(is_text=False)


def choose_order_format(content_type: str) -> Format:
    """The encoding that the Content-Type of an upgrade request asks for."""
    return ORDER_MSGPACK if asks_for_msgpack(content_type) else ORDER_JSON


def order_message(update: OrderUpdate) -> dict[str, object]:
    """An update as the broker sent it. Where that was not passed on, what is known of it, and nothing else."""
    if update.original:
        return {"stream": TRADE_UPDATES, "data": msgspec.json.decode(update.original)}
    order = {
        "id": update.order_id, "client_order_id": update.client_order_id, "symbol": update.symbol, "side": update.side,
        "status": update.status, "qty": update.qty, "filled_qty": update.filled_qty,
        "filled_avg_price": update.filled_avg_price, "replaced_by": update.replaced_by or None,
    }  # fmt: skip
    known: dict[str, object] = {"event": update.event, "timestamp": format_time(update.exchange_ns), "order": order}
    told = {
        "execution_id": update.execution_id or None, "price": update.price, "qty": update.execution_qty,
        "position_qty": update.position_qty,
    }  # fmt: skip
    known |= {name: value for name, value in told.items() if value is not None}
    return {"stream": TRADE_UPDATES, "data": known}

"""A node as one builds it from cryptofeed: its feed handler reads the upstream, its ZeroMQ backend publishes tickers.

Run by an interpreter that has `cryptofeed` and `msgpack`: `PYTHON cryptofeed_node.py UPSTREAM_URL PORT`. It starts once
a reader has bound PORT, to which the backend connects: there is no broker in between.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from decimal import Decimal
from typing import Any, ClassVar

import msgpack
from cryptofeed import FeedHandler
from cryptofeed.backends.zmq import TickerZMQ
from cryptofeed.connection import WSAsyncConn
from cryptofeed.defines import TICKER
from cryptofeed.feed import Feed
from cryptofeed.symbols import Symbols
from cryptofeed.types import Ticker

SYMBOLS = [f"S{number}" for number in range(100)]
PATIENCE_S = 20.0


class Alpaca(Feed):
    """The upstream's protocol in cryptofeed's terms, as its own exchanges are written."""

    id = "ALPACA"
    rest_endpoints: ClassVar[list[Any]] = []
    websocket_endpoints: ClassVar[list[Any]] = []
    websocket_channels: ClassVar[dict[str, str]] = {TICKER: "quotes"}
    upstream_url = ""

    def connect(self) -> list[tuple[Any, ...]]:
        line = WSAsyncConn("wss://", self.id, subscription=self.subscription)
        line.address = self.upstream_url  # it takes no unencrypted address
        return [(line, self.subscribe, self.message_handler, self.authenticate)]

    async def subscribe(self, connection: Any) -> None:
        await connection.write(msgpack.packb({"action": "auth", "key": "key", "secret": "secret"}))
        await connection.write(msgpack.packb({"action": "subscribe", "quotes": SYMBOLS}))

    async def message_handler(self, msg: bytes, conn: Any, timestamp: float) -> None:
        for record in msgpack.unpackb(msg):
            if record["T"] == "q":
                sent_s = record["t"].to_unix_nano() / 1e9
                bid, ask = Decimal(str(record["bp"])), Decimal(str(record["ap"]))
                ticker = Ticker(self.id, record["S"], bid, ask, sent_s, raw=record)
                await self.callback(TICKER, ticker, timestamp)


def main() -> None:
    Alpaca.upstream_url, port = sys.argv[1], int(sys.argv[2])
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:  # for the reader
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
        time.sleep(0.01)  # asks again
    Symbols.set(Alpaca.id, {name: name for name in SYMBOLS}, {"instrument_type": {}})
    handler = FeedHandler(config={"uvloop": True, "log": {"disabled": True}})
    handler.add_feed(Alpaca(symbols=SYMBOLS, channels=[TICKER], callbacks={TICKER: TickerZMQ(port=port)}))
    handler.run()


if __name__ == "__main__":
    main()

"""An edge within a test's event loop, and a connection to it without an SDK."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from quotebus.bus.edge.server import EdgeServer
from quotebus.bus.edge.settings import EdgeSettings
from quotebus.bus.settings import BusSettings
from tests.support.aio import soon

KEYS = {"key_id": "k", "secret_key": "s"}


@asynccontextmanager
async def running_edge(bus: BusSettings, **settings: object) -> AsyncIterator[tuple[EdgeServer, str]]:
    """A server on a free port, and its address without a path."""
    said: list[str] = []
    server = EdgeServer(EdgeSettings(**{**bus.model_dump(), "edge_port": 0, **settings}), said.append)
    serving = asyncio.create_task(server.run())
    try:
        await soon(lambda: said or serving.done(), why="it listens")
        if serving.done():
            await serving
        yield server, said[0].split()[2].removesuffix("/v2/iex")
    finally:
        server.stop()
        await serving


class Raw:
    """A connection without an SDK, in JSON."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, **message: object) -> None:
        await self.socket.send(json.dumps(message))

    async def ask(self, **message: object) -> dict[str, Any]:
        """The next message that is no record."""
        await self.send(**message)
        return await self.told()

    async def told(self) -> dict[str, Any]:
        """The next message of the market-data stream that is no record."""
        while True:
            for record in await self.frame():
                if record["T"] not in ("q", "t"):
                    return record

    async def frame(self) -> Any:
        return json.loads(await self.socket.recv())

    async def read_to_the_end(self) -> None:
        """Raises ConnectionClosed."""
        while True:
            await self.frame()

    async def collect(self, count: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while len(found) < count:
            found += [record for record in await self.frame() if record["T"] in ("q", "t")]
        return found


@asynccontextmanager
async def raw(url: str, *, auth: bool = True, **arguments: Any) -> AsyncIterator[Raw]:
    """Connected to the market-data stream."""
    async with connect(url, compression=None, close_timeout=0.2, **arguments) as socket:
        one = Raw(socket)
        assert await one.frame() == [{"T": "success", "msg": "connected"}]
        if auth:
            assert (await one.ask(action="auth", key="k", secret="s"))["msg"] == "authenticated"
        yield one


@asynccontextmanager
async def order_reader(base: str, *, listens: bool = True, tls: ssl.SSLContext | None = None) -> AsyncIterator[Raw]:
    """Connected to `/stream`, and authorized; with `listens` updates are asked for."""
    async with connect(f"{base}/stream", compression=None, close_timeout=0.2, ssl=tls) as socket:
        one = Raw(socket)
        await one.send(action="authenticate", data=KEYS)
        assert (await one.frame())["data"] == {"status": "authorized", "action": "authenticate"}
        if listens:
            await one.send(action="listen", data={"streams": ["trade_updates", "account_updates"]})
        yield one

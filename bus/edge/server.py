"""The edge's server: one client of the bus, and any number of SDKs. Everything is on one event loop.

The SDKs share one client because a record is then read and encoded once, however many get it. Each has its own
subscriptions, its own queue and its own end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from http import HTTPStatus
from socket import SO_SNDBUF, SOL_SOCKET

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from quotebus.bus.async_client import AsyncBusClient
from quotebus.bus.edge.audience import Audience
from quotebus.bus.edge.edge_session import Answer, EdgeSession, Entry, error_message
from quotebus.bus.edge.formats import JSON, MAX_REQUEST_BYTES, MSGPACK, Format, choose_format, decode_request
from quotebus.bus.edge.outbox import SdkOutbox
from quotebus.bus.edge.settings import EdgeSettings
from quotebus.bus.errors import ConfigError
from quotebus.bus.events import Quote, Trade
from quotebus.bus.protocol import MAX_SYMBOLS

FEEDS = ("iex", "sip", "delayed_sip", "test", "boats", "overnight")
PATHS = {"/": ""} | {f"{version}/{feed}": feed for version in ("", "/v2", "/v1beta1") for feed in FEEDS}
"""What an SDK connects to, and the feed it means; the root means any."""
REQUEST_EVERY_S = 0.05
"""A hundred SDKs that start together are a few requests on the bus, not a hundred."""
FEED_BOUND = 200_000
SEND_BUFFER_BYTES = 256 << 10
"""In the kernel, for each SDK: about 2,000 quotes. Left to itself it grows to megabytes: seconds of old prices."""
COUNTERS = (
    *("connections", "connections_total", "refused", "slow", "errors"),
    *("quotes", "trades", "records_sent", "records_dropped", "policy_dropped"),
)
_log = logging.getLogger(__name__)


class EdgeServer:
    """Serves until `stop`. `say` prints a line."""

    def __init__(self, settings: EdgeSettings, say: Callable[[str], None]) -> None:
        self._settings, self._say = settings, say
        self._entry = Entry(settings.edge_key.get_secret_value(), settings.edge_secret.get_secret_value())
        self._audience: Audience[SdkOutbox] = Audience()
        self._limit = settings.edge_symbol_limit or MAX_SYMBOLS
        self._counters = dict.fromkeys(COUNTERS, 0)
        self._changed = asyncio.Event()
        self._ending = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bus: AsyncBusClient

    def stop(self) -> None:
        """End `run`; may be called from a signal handler."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ending.set)

    async def run(self) -> None:
        """Listen, and serve from the bus. Raises ConfigError when the port cannot be had."""
        settings, self._loop = self._settings, asyncio.get_running_loop()
        async with AsyncBusClient(settings, name=settings.edge_client) as bus:
            self._bus = bus
            server = await self._listen()
            work = (self._pump_quotes(), self._pump_trades(), self._follow_interest())
            pumps = [asyncio.create_task(each) for each in work]
            ending = asyncio.create_task(self._ending.wait())
            done, _ = await asyncio.wait([ending, *pumps], return_when=asyncio.FIRST_COMPLETED)
            server.close()
            for task in (ending, *pumps):
                task.cancel()
            await server.wait_closed()
            for task in done - {ending}:
                task.result()  # a pump never ends by itself: what ended it is told

    async def _listen(self) -> Server:
        settings = self._settings
        try:
            server = await serve(
                self._serve,
                settings.edge_host,
                settings.edge_port,
                process_request=self._answer_http,
                origins=[None],  # a web page that runs in a browser on this machine is no SDK
                compression=None,
                max_size=MAX_REQUEST_BYTES,
                server_header=None,
            )
        except OSError as error:
            where = f"{settings.edge_host}:{settings.edge_port}"
            raise ConfigError(f"EDGE_PORT: cannot listen on {where}: {error.strerror}") from None
        for listening in server.sockets:  # what is accepted there has the same
            listening.setsockopt(SOL_SOCKET, SO_SNDBUF, SEND_BUFFER_BYTES)
        port = server.sockets[0].getsockname()[1]
        self._say(f"quotebus edge: ws://{settings.edge_host}:{port}/v2/iex and so on, as {settings.edge_client}")
        return server

    # one SDK

    def _answer_http(self, connection: ServerConnection, request: Request) -> Response | None:
        """Paths that are none of the venue's, and the counters."""
        path = request.path.partition("?")[0]
        if path == "/counters":
            return connection.respond(HTTPStatus.OK, json.dumps(self.counters()) + "\n")
        if (path.rstrip("/") or "/") not in PATHS:
            return connection.respond(HTTPStatus.NOT_FOUND, "no such stream\n")
        return None

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        headers, path = socket.request.headers, socket.request.path.partition("?")[0].rstrip("/") or "/"
        outbox = SdkOutbox(socket, choose_format(headers.get("Content-Type", "")), self._settings.edge_queue)
        session = EdgeSession(self._entry, self._has_room, lambda: self._refuse(PATHS[path]))
        self._counters["connections"] += 1
        self._counters["connections_total"] += 1
        _log.info("%s: connected to %s", socket.remote_address, path)
        work = (self._read(socket, session, outbox), outbox.write(), outbox.become_slow())
        tasks = {asyncio.create_task(each) for each in work}
        last = None
        try:
            opening = session.open(headers.get("APCA-API-KEY-ID"), headers.get("APCA-API-SECRET-KEY"))
            self._take(opening, session, outbox)
            waits_s = self._settings.edge_auth_s
            done, _ = await asyncio.wait(tasks, timeout=waits_s, return_when=asyncio.FIRST_COMPLETED)
            if not done and (expired := session.expire()).ends:
                last = expired.messages[0]
            elif not done:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if outbox.is_slow:
                self._counters["slow"] += 1
                last = error_message(407)
        finally:
            self._audience.remove(outbox)
            self._changed.set()
            self._counters["connections"] -= 1
            self._counters["records_sent"] += outbox.sent
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                    await task
            with contextlib.suppress(ConnectionClosed):
                await outbox.end(last)
            _log.info("%s: left%s", socket.remote_address, "" if last is None else f" ({last['msg']})")

    async def _read(self, socket: ServerConnection, session: EdgeSession, outbox: SdkOutbox) -> None:
        async for data in socket:
            self._take(session.receive(decode_request(data)), session, outbox)

    def _take(self, answer: Answer, session: EdgeSession, outbox: SdkOutbox) -> None:
        for message in answer.messages:
            self._counters["errors"] += message["T"] == "error"
            outbox.offer(message)
        if answer.changed:
            self._audience.update(outbox, session.subscribed)
            self._changed.set()

    def _refuse(self, feed: str) -> int:
        """The code for one whose key is right, and who is not served all the same; 0 for none."""
        health = self._bus.health()
        if self._counters["connections"] > self._settings.edge_connections:
            code = 406
        else:
            code = 409 if feed and health is not None and health.feed != feed else 0
        self._counters["refused"] += code != 0
        return code

    def _has_room(self, symbols: set[str]) -> bool:
        return len(self._wanted() | symbols) <= self._limit

    # the bus

    def _wanted(self) -> set[str]:
        return self._audience.symbols("quotes") | self._audience.symbols("trades")

    async def _follow_interest(self) -> None:
        """Ask the bus for what all SDKs want together, whenever that changes."""
        asked: tuple[object, ...] = ((), ("quotes",))
        while True:
            await self._changed.wait()
            self._changed.clear()
            channels = ("quotes", "trades") if self._audience.symbols("trades") else ("quotes",)
            wanted = (tuple(sorted(self._wanted())), channels)
            if wanted != asked:
                asked = wanted
                await self._bus.request(wanted[0], channels=channels)
                await asyncio.sleep(REQUEST_EVERY_S)

    async def _pump_quotes(self) -> None:
        checks = self._settings.edge_policy == "usable"
        async for quote in self._bus.quotes(conflate=False, bound=FEED_BOUND):
            members = self._audience.find("quotes", quote.symbol)
            if not members:
                continue
            if checks and (quote.flags or not self._bus.usable(quote.symbol)):
                self._counters["policy_dropped"] += 1
                continue
            self._counters["quotes"] += 1
            self._pass_on(members, quote)

    async def _pump_trades(self) -> None:
        async for trade in self._bus.trades(bound=FEED_BOUND):
            if members := self._audience.find("trades", trade.symbol):
                self._counters["trades"] += 1
                self._pass_on(members, trade)

    def _pass_on(self, members: tuple[SdkOutbox, ...], tick: Quote | Trade) -> None:
        """Encode it once for each encoding that somebody has, and queue it for everybody."""
        encoded: dict[bool, bytes] = {}
        for outbox in members:
            record = encoded.get(outbox.form.is_text)
            if record is None:
                record = encoded[outbox.form.is_text] = _encode(outbox.form, tick)
            self._counters["records_dropped"] += not outbox.offer(record)

    def counters(self) -> dict[str, int]:
        """Since the start; `connections` is now."""
        bus = self._bus.counters
        return {**self._counters, "bus_lost": bus["lost"], "bus_feed_dropped": bus["feed_dropped"]}


def _encode(form: Format, tick: Quote | Trade) -> bytes:
    assert form in (JSON, MSGPACK)
    return form.quote(tick) if isinstance(tick, Quote) else form.trade(tick)

"""HTTP: the page and its events, health checks, metrics. One event loop, which asks the thread that listens."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Awaitable, Callable
from functools import partial
from socket import SO_SNDBUF, SOL_SOCKET
from urllib.parse import parse_qs

import msgspec
from aiohttp import web

from quotebus.bus import topics
from quotebus.bus.clock import now_ns, seconds, utc_ns
from quotebus.bus.errors import BadSymbol, ConfigError
from quotebus.bus.serve.access import COOKIE, HEADERS, OPEN_PATHS, Door, Guesses
from quotebus.bus.serve.assets import load_assets
from quotebus.bus.serve.connections import ConnectionLimit
from quotebus.bus.serve.follower import AnswerT, BusFollower
from quotebus.bus.serve.metrics import CONTENT_TYPE, render_metrics
from quotebus.bus.serve.page_messages import make_sparks, make_symbol
from quotebus.bus.serve.page_stream import PageComposer, PageVersions
from quotebus.bus.serve.readiness import Readiness
from quotebus.bus.serve.settings import ServeSettings
from quotebus.bus.serve.state import PageState, Picture
from quotebus.bus.tap.escape import encode_json_line

ANSWER_S = 5.0
"""The thread that listens must answer within this; else 503."""
STUCK_S = 5.0
"""That thread is stuck when it has not been seen for this long."""
WRITE_S = 15.0
"""A page that reads nothing for this long is dropped; it connects again by itself."""
BODY_S = 5.0
SEND_BUFFER_BYTES = 128 << 10
"""In the kernel, for each connection. Left to itself it grows to megabytes: minutes for a page that reads nothing."""
MAX_QUERY = 4_096
MAX_BODY = 2_048
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_log = logging.getLogger(__name__)


class PageServer:
    """Serves until `stop`. `say` prints a line."""

    def __init__(self, settings: ServeSettings, say: Callable[[str], None]) -> None:
        """Raises ConfigError when the page's files are not there, or the bus cannot be looked for."""
        self._settings, self._say = settings, say
        self._assets = load_assets()
        self._door = Door(settings.serve_host, settings.serve_names, settings.serve_token.get_secret_value())
        self._guesses = Guesses()
        self._follower = BusFollower(settings, self._publish)
        self._composer = PageComposer(secrets.token_hex(4))
        self._picture: Picture | None = None
        self._changed = asyncio.Event()
        self._ending = asyncio.Event()
        self._pages = self._dropped = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connections: ConnectionLimit
        self.address = ""
        """Where the page is, once it is."""

    def stop(self) -> None:
        """End `run`; may be called from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._ending.set)

    async def run(self) -> bool:
        """Listen and serve; False when the thread that listens to the bus has died. Raises ConfigError for the port."""
        self._loop = asyncio.get_running_loop()
        runner = web.AppRunner(self._application(), access_log=None, keepalive_timeout=30, shutdown_timeout=1.0)
        await runner.setup()
        assert runner.server is not None
        make = runner.server
        most = 4 * self._settings.serve_clients + 32
        self._connections = ConnectionLimit(make, lambda: make.connections, most)
        self._connections.sweep(now_ns())
        server = await self._listen()
        self._follower.start()
        try:
            while not self._ending.is_set() and self._follower.alive:
                self._connections.sweep(now_ns())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), 1.0)
            return self._follower.alive
        finally:
            self._ending.set()
            self._changed.set()
            server.close()
            await runner.cleanup()
            await asyncio.to_thread(self._follower.stop)

    async def _listen(self) -> asyncio.Server:
        host, port = self._settings.serve_host, self._settings.serve_port
        assert self._loop is not None
        try:
            server = await self._loop.create_server(self._connections, host.strip("[]"), port, backlog=128)
        except OSError as error:
            raise ConfigError(f"SERVE_PORT: cannot listen on {host}:{port}: {error.strerror}") from None
        for listening in server.sockets:  # what is accepted there has the same
            listening.setsockopt(SOL_SOCKET, SO_SNDBUF, SEND_BUFFER_BYTES)
        port = server.sockets[0].getsockname()[1]
        named = f"[{host}]" if ":" in host.strip("[]") else host
        self.address = f"http://{named}:{port}/"
        self._say(f"quotebus serve: {self.address}, listening to {self._settings.bus_address}")
        return server

    def _application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=MAX_BODY)
        app.add_routes(
            [
                web.get("/", self._page),
                web.post("/login", self._login),
                web.get("/static/{name}", self._asset),
                web.get("/events", self._events),
                web.get("/api/symbol", self._symbol),
                web.get("/api/sparks", self._sparks),
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
            ]
        )
        return app

    # who may look

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        self._connections.note_request(request.protocol)
        try:
            response = await self._admit(request, handler)
        except web.HTTPException as error:
            response = _text(error.status, error.reason)
            if "Allow" in error.headers:
                response.headers["Allow"] = error.headers["Allow"]
        if not response.prepared:
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
        return response

    async def _admit(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if not self._door.knows_host(request.headers.get("Host", "")):
            return _text(421, "this is not a name of this server: name it with SERVE_NAMES")
        if not self._door.knows_origin(request.headers):
            return _text(403, "a page of another site asked")
        if len(request.query_string) > MAX_QUERY:
            return _text(414, "the query is too long")
        is_open = request.path in (*OPEN_PATHS, "/login") or request.path.startswith("/static/")
        if is_open or self._door.admits(request.headers, request.cookies.get(COOKIE, "")):
            return await handler(request)
        if request.path == "/":
            return self._file("login.html", status=401)
        response = _text(401, "a token is needed")
        response.headers["WWW-Authenticate"] = 'Bearer realm="quotebus"'
        return response

    async def _login(self, request: web.Request) -> web.StreamResponse:
        if not self._guesses.is_allowed(now_ns()):
            return _text(429, "too many wrong tokens: wait a minute")
        try:
            async with asyncio.timeout(BODY_S):
                body = await request.read()
        except TimeoutError:
            return _text(408, "the token did not come")
        except ConnectionResetError:
            return _text(400, "the connection was closed")
        given = parse_qs(body.decode("utf-8", "replace"), max_num_fields=5).get("token", [""])[0]
        if not self._door.is_token(given.strip()):
            self._guesses.add_wrong(now_ns())
            _log.warning("a wrong token from %s", request.remote)
            return self._file("login.html", status=401)
        response = web.Response(status=303, headers={"Location": "/"})
        secure = request.headers.get("X-Forwarded-Proto") == "https"
        response.set_cookie(
            COOKIE, self._door.cookie(), max_age=30 * 86_400, httponly=True, samesite="Lax", secure=secure
        )
        return response

    # the page

    async def _page(self, _: web.Request) -> web.StreamResponse:
        return self._file("index.html")

    async def _asset(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in self._assets or name.endswith(".html"):
            return _text(404, "no such file")
        asset = self._assets[name]
        headers = {"ETag": f'"{asset.etag}"', "Cache-Control": "no-cache", "Content-Type": asset.content_type}
        if f'"{asset.etag}"' in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        return web.Response(body=asset.body, headers=headers)

    def _file(self, name: str, status: int = 200) -> web.Response:
        asset = self._assets[name]
        return web.Response(body=asset.body, status=status, headers={"Content-Type": asset.content_type})

    async def _events(self, request: web.Request) -> web.StreamResponse:
        if self._pages >= self._settings.serve_clients:
            return _text(503, "too many pages are open: SERVE_CLIENTS")
        response = web.StreamResponse(
            headers={**HEADERS, "Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        )
        self._pages += 1
        try:
            await response.prepare(request)
            await response.write(b"retry: 1000\n\n")
            versions = PageVersions()
            while not self._ending.is_set():
                changed = self._changed
                events, versions = await self._ask(partial(self._compose, versions))
                async with asyncio.timeout(WRITE_S):
                    await response.write(events)
                await changed.wait()
        except TimeoutError:
            self._dropped += 1
            if request.transport is not None:
                request.transport.abort()
        except (ConnectionResetError, asyncio.CancelledError):
            pass  # the page was closed
        finally:
            self._pages -= 1
        return response

    async def _symbol(self, request: web.Request) -> web.StreamResponse:
        try:
            symbol = topics.symbol(request.query.get("symbol", ""))
        except BadSymbol as error:
            return _text(400, str(error))
        return await self._answer(lambda state: make_symbol(state, state.explain(symbol, utc_ns())))

    async def _sparks(self, request: web.Request) -> web.StreamResponse:
        symbols = [each for each in request.query.get("symbols", "").split(",") if topics.is_symbol(each)]
        return await self._answer(lambda state: make_sparks(state, symbols, utc_ns()))

    # for machines

    async def _healthz(self, _: web.Request) -> web.StreamResponse:
        if not self._follower.alive or now_ns() - self._follower.beat_ns > seconds(STUCK_S):
            return _verdict(Readiness(False, "the thread that listens to the bus is stuck", ""))
        return _verdict(self._picture.healthy if self._picture else Readiness(False, "has just started", ""))

    async def _readyz(self, _: web.Request) -> web.StreamResponse:
        if now_ns() - self._follower.beat_ns > seconds(STUCK_S):
            return _verdict(Readiness(False, "the thread that listens to the bus is stuck"))
        return _verdict(self._picture.ready if self._picture else Readiness(False, "has just started"))

    async def _metrics(self, _: web.Request) -> web.StreamResponse:
        picture, pages, dropped = self._picture, self._pages, self._dropped
        if picture is None:
            return _text(503, "has just started")
        try:
            body = await self._ask(lambda state: render_metrics(state, picture, pages, dropped))
        except TimeoutError:
            return _text(503, "the thread that listens to the bus is busy")
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    # the thread that listens

    def _compose(self, versions: PageVersions, state: PageState) -> tuple[bytes, PageVersions]:
        return self._composer.compose(state, versions)

    def _publish(self, _: PageState, picture: Picture) -> None:
        """In the follower's thread: a new picture is there."""
        self._composer.take(picture)
        if self._loop is not None and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):  # the loop ended in between
                self._loop.call_soon_threadsafe(self._show, picture)

    def _show(self, picture: Picture) -> None:
        self._picture = picture
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        if self._ending.is_set():
            self._changed.set()

    async def _ask(self, question: Callable[[PageState], AnswerT]) -> AnswerT:
        """Raises TimeoutError when the thread does not answer."""
        return await asyncio.wait_for(asyncio.wrap_future(self._follower.ask(question)), ANSWER_S)

    async def _answer(self, question: Callable[[PageState], object]) -> web.Response:
        try:
            body = await self._ask(lambda state: encode_json_line(question(state)))
        except TimeoutError:
            return _text(503, "the thread that listens to the bus is busy")
        return web.Response(text=body, headers={"Content-Type": "application/json"})


def _text(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers={"Content-Type": "text/plain; charset=utf-8"})


def _verdict(readiness: Readiness) -> web.Response:
    body = msgspec.json.encode({"ok": readiness.ready, "why": readiness.why, "rule": readiness.rule}) + b"\n"
    headers = {"Content-Type": "application/json"}
    return web.Response(status=200 if readiness.ready else 503, body=body, headers=headers)

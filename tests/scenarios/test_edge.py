"""`quotebus edge`: unmodified SDKs over one upstream connection, each with its own subscriptions and its own end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgpack
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.scenarios.test_orders import Account
from tests.support.aio import run
from tests.support.edge import raw
from tests.support.programs import Program, eventually
from tests.support.world import World

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SYMBOLS = ("SPY", "QQQ", "AAPL", "MSFT")


class Edge:
    """A running edge and where it is."""

    def __init__(self, world: World, *arguments: str, rate: str = "200", **settings: str) -> None:
        self.world = world
        world.broker()
        world.exchange("--rate", rate)
        self.node = world.node()
        self.program = self.start(*arguments, **settings)

    @classmethod
    def of(cls, world: World) -> Edge:
        """An edge in a world whose other programs run."""
        edge = cls.__new__(cls)
        edge.world, edge.node = world, world.programs[-1]
        edge.program = edge.start()
        return edge

    def start(self, *arguments: str, port: str = "0", **settings: str) -> Program:
        program = self.world.start("quotebus", "edge", "--port", port, *arguments, **settings)
        self.base = program.line("quotebus edge: ws://").split()[2].removesuffix("/v2/iex")
        return program

    @property
    def url(self) -> str:
        return f"{self.base}/v2/iex"

    def counters(self) -> dict[str, int]:
        with urllib.request.urlopen(self.base.replace("ws", "http", 1) + "/counters", timeout=5) as answer:
            counters: dict[str, int] = json.load(answer)
        return counters

    def upstream_sockets(self) -> int:
        return int(self.world.control.state()["upgraded_total"])


class Sdk:
    """alpaca-py's own stream, unchanged but for its address, in a thread of its own."""

    def __init__(self, url: str, *symbols: str) -> None:
        from alpaca.data.live import StockDataStream

        self.heard: Counter[str] = Counter()
        self.own = StockDataStream("key", "secret", url_override=url)
        self.own._reconnect_min_backoff = 0.05
        self.own.subscribe_quotes(self._on_quote, *symbols)
        self._thread = threading.Thread(target=self.own.run, daemon=True)
        self._thread.start()

    async def _on_quote(self, quote: Any) -> None:
        self.heard[quote.symbol] += 1

    def stop(self) -> None:
        if vars(self.own)["_loop"] is not None:
            self.own.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()


@contextmanager
def sdks(url: str, count: int) -> Iterator[list[Sdk]]:
    """Each with two of the symbols, so that neighbours overlap."""
    made = [Sdk(url, SYMBOLS[n % 4], SYMBOLS[(n + 1) % 4]) for n in range(count)]
    try:
        yield made
    finally:
        for sdk in made:
            sdk.stop()


@pytest.mark.parametrize("count", [1, 10])
def test_alpaca_py_by_its_address_alone(world: World, count: int) -> None:
    edge = Edge(world)
    with sdks(edge.url, count) as made:
        eventually(lambda: all(len(sdk.heard) == 2 and min(sdk.heard.values()) >= 5 for sdk in made))
        for n, sdk in enumerate(made):
            assert set(sdk.heard) == {SYMBOLS[n % 4], SYMBOLS[(n + 1) % 4]}, "its own and no other"
        assert edge.upstream_sockets() == 1
        first = made[0]
        first.own.subscribe_quotes(first._on_quote, "NVDA")  # a second one while it runs
        eventually(lambda: first.heard["NVDA"])
        first.own.unsubscribe_quotes(SYMBOLS[0])
        if count > 1:
            before = made[3].heard[SYMBOLS[0]]
            eventually(lambda: made[3].heard[SYMBOLS[0]] > before + 5, why="it has been taken from nobody else")
        assert edge.upstream_sockets() == 1
    eventually(lambda: edge.counters()["connections"] == 0)
    eventually(lambda: not world.control.state()["connections"], why="nobody wants anything: the line is closed")


def test_a_hundred_at_once_and_most_of_them_cut(world: World) -> None:
    edge = Edge(world, rate="400")

    async def work() -> None:
        async with contextlib.AsyncExitStack() as stack:
            made = [await stack.enter_async_context(raw(edge.url)) for _ in range(100)]
            for n, one in enumerate(made):
                wanted = [SYMBOLS[n % 4]] if n % 3 else [SYMBOLS[n % 4], SYMBOLS[(n + 1) % 4]]
                answer = await one.ask(action="subscribe", quotes=wanted)
                assert answer["quotes"] == sorted(wanted), "its own set, whatever the others want"
            for n, one in enumerate(made):
                wanted = {SYMBOLS[n % 4]} if n % 3 else {SYMBOLS[n % 4], SYMBOLS[(n + 1) % 4]}
                assert {record["S"] for record in await one.collect(20)} <= wanted
            assert edge.counters()["connections"] == 100
            for one in made[4:]:
                one.socket.transport.abort()  # without a word, as one that is killed
            for n, one in enumerate(made[:4]):
                assert {record["S"] for record in await one.collect(50)} <= {SYMBOLS[n % 4], SYMBOLS[(n + 1) % 4]}
            while edge.counters()["connections"] != 4:
                await asyncio.sleep(0.01)
            assert edge.upstream_sockets() == 1

    run(work(), within_s=60)


def test_everything_is_restarted_and_the_sdk_goes_on(world: World) -> None:
    edge = Edge(world)
    sdk = Sdk(edge.url, "SPY")

    def goes_on() -> None:
        before = sdk.heard["SPY"]
        eventually(lambda: sdk.heard["SPY"] > before + 5)

    try:
        goes_on()
        world.control.faults(cut="rst")
        goes_on()
        edge.node.kill()
        world.node()
        goes_on()
        world.programs[0].kill()
        world.broker()
        goes_on()
        edge.program.kill()
        edge.start(port=edge.base.rpartition(":")[2])
        goes_on()
    finally:
        sdk.stop()


class Orders:
    """alpaca-py's own trading stream, unchanged but for its address, in a thread of its own."""

    def __init__(self, url: str) -> None:
        from alpaca.trading.stream import TradingStream

        self.heard: list[Any] = []
        self.own = TradingStream("key", "secret", url_override=url)
        self.own._reconnect_min_backoff = 0.05
        self.own.subscribe_trade_updates(self._on_update)
        self._thread = threading.Thread(target=self.own.run, daemon=True)
        self._thread.start()

    async def _on_update(self, update: Any) -> None:
        self.heard.append(update)

    def fills(self) -> list[str]:
        return [update.order.client_order_id for update in self.heard if update.event == "fill"]

    def stop(self) -> None:
        """It looks for this every 5 s, or when its connection ends."""
        self.own.stop()

    def join(self) -> None:
        self._thread.join(10)
        assert not self._thread.is_alive()


def test_orders_and_the_symbol_limit_through_the_real_node(world: World) -> None:
    world.broker()
    world.exchange("--cash", "1e9", "--rate", "200", "--symbol-limit", "2")
    account = Account(world)
    world.node(PRICING_ORDER_STREAM="true")
    edge = Edge.of(world)
    world.control.faults(mute=None)

    async def work() -> None:
        wanted = ["AAPL", "MSFT", "QQQ"]
        async with raw(edge.url) as one:
            assert (await one.ask(action="subscribe", quotes=wanted))["quotes"] == wanted
            assert (await one.told())["code"] == 405
            kept = (await one.told())["quotes"]
            assert len(kept) == 2
            assert {record["S"] for record in await one.collect(20)} <= set(kept)
            assert (await one.ask(action="unsubscribe", quotes=kept[:1]))["quotes"] == kept[1:]
            assert len((await one.told())["quotes"]) == 2, "the third has its place"

    readers = [Orders(f"{edge.base}/stream") for _ in range(3)]
    try:
        run(work())
        eventually(lambda: edge.counters()["orders_listening"] == 3)
        account.order("first", 600)
        eventually(lambda: all(reader.fills() == ["first"] for reader in readers))
        fill = readers[0].heard[-1]
        assert (fill.order.symbol, fill.order.time_in_force, fill.order.limit_price) == ("SPY", "day", "600")
        assert fill.price > 0
        assert world.control.state()["orders"]["max_simultaneous"] == 1, "one upstream connection for all"
        edge.node.kill()
        world.node(PRICING_ORDER_STREAM="true")
        eventually(lambda: edge.counters()["order_cuts"] == 3, why="updates may have been missed")
        eventually(lambda: edge.counters()["orders_listening"] == 3, why="an SDK connects again by itself")
        account.order("second", 600)
        eventually(lambda: all(reader.fills() == ["first", "second"] for reader in readers))
    finally:
        for reader in readers:
            reader.stop()
        edge.program.stop()
        for reader in readers:
            reader.join()


def test_protocol_over_the_wire(world: World) -> None:
    edge = Edge(world, "--symbol-limit", "3", EDGE_KEY="k", EDGE_SECRET="s", EDGE_AUTH_S="1")

    async def work() -> None:
        async with raw(edge.url, auth=False) as one:
            assert (await one.ask(action="auth", key="k", secret="no"))["code"] == 402
            assert (await one.ask(action="subscribe", quotes=["SPY"]))["code"] == 401
            assert (await one.frame())[0]["code"] == 404
            with pytest.raises(ConnectionClosed):
                await one.frame()
        headers = {"APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "s", "Content-Type": "application/msgpack"}
        async with connect(edge.url, additional_headers=headers) as packed:
            assert [msgpack.unpackb(await packed.recv())[0]["msg"] for _ in range(2)] == ["connected", "authenticated"]
            await packed.send(msgpack.packb({"action": "subscribe", "trades": ["SPY"]}))
            while (record := msgpack.unpackb(await packed.recv())[0])["T"] != "t":
                assert record["T"] == "subscription"
            assert record["t"].to_unix_nano() > 0
            async with raw(edge.url) as one, raw(edge.url) as all_:
                assert (await one.ask(action="subscribe", quotes=["QQQ", "AAPL"]))["quotes"] == ["AAPL", "QQQ"]
                assert (await all_.ask(action="subscribe", quotes=["MSFT"]))["code"] == 405
                assert (await all_.ask(action="subscribe", quotes=["*"]))["quotes"] == ["*"]
                assert {record["S"] for record in await all_.collect(60)} <= {"SPY", "QQQ", "AAPL"}
        async with raw(f"{edge.base}/v2/sip", auth=False) as other:
            assert (await other.ask(action="auth", key="k", secret="s"))["code"] == 409, "the node has another feed"
        async with raw(edge.base) as any_feed, raw(f"{edge.base}/iex/") as short:
            assert (await any_feed.ask(action="subscribe", quotes=["SPY"]))["T"] == "subscription"
            assert (await short.ask(action="subscribe", quotes=["SPY"]))["T"] == "subscription"
        wrong = ((f"{edge.base}/v3/iex", {}, 404), (edge.url, {"origin": "http://evil.example"}, 403))
        for url, refused, status in wrong:
            with pytest.raises(InvalidStatus) as caught:
                async with connect(url, **refused):
                    pass
            assert caught.value.response.status_code == status

    run(work())
    assert not [line for line in edge.program.lines if "canary" in line or '"k"' in line]


def test_one_that_does_not_read_is_told_and_dropped_and_the_others_do_not_notice(world: World) -> None:
    edge = Edge(
        world, EDGE_QUEUE="20000", rate="5000"
    )  # seconds of them: the fast one may have to wait for a processor

    async def work() -> None:
        async with raw(edge.url) as fast:
            await fast.ask(action="subscribe", quotes=list(SYMBOLS))
            small = socket.socket()
            small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            small.connect(("127.0.0.1", int(edge.base.rpartition(":")[2])))
            async with raw(edge.url, sock=small, max_queue=1, ping_interval=None) as slow:
                await slow.ask(action="subscribe", quotes=list(SYMBOLS))
                while not (await asyncio.to_thread(edge.counters))["slow"]:
                    await fast.collect(500)
                with pytest.raises(ConnectionClosed):
                    await slow.collect(1_000_000_000)
            await fast.collect(500)

    run(work(), within_s=90)
    assert edge.counters()["slow"] == 1


def test_only_prices_that_may_be_used_by_policy(world: World) -> None:
    edge = Edge(world, "--policy", "usable")

    async def work() -> None:
        async with raw(edge.url) as one:
            await one.ask(action="subscribe", quotes=["SPY"])
            await one.collect(5)
            world.control.faults(crossed=["SPY"])
            while edge.counters()["policy_dropped"] < 20:
                await asyncio.sleep(0.01)
            world.control.lift_faults()
            assert all(record["bp"] < record["ap"] for record in await one.collect(200))

    run(work())


def test_a_port_that_is_taken(world: World) -> None:
    edge = Edge(world)
    second = world.start("quotebus", "edge", "--port", edge.base.rpartition(":")[2])
    assert second.wait(20) == 78
    assert any("cannot listen" in line for line in second.lines)
    assert edge.program.stop() == 0


def test_not_beyond_this_machine() -> None:
    from quotebus.bus.edge.settings import EdgeSettings
    from quotebus.bus.errors import ConfigError
    from quotebus.bus.settings import parse

    for flags, says in ((["--host", "0.0.0.0"], "of this machine"), (["--key", "k"], "both, or neither")):
        with pytest.raises(ConfigError, match=says):
            parse(EdgeSettings, flags, "quotebus edge")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen("http://127.0.0.1:1/counters", timeout=1)

"""The edge on a bus: order updates to many readers, symbols without a place, a line that is lost."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import msgspec
import pytest
from websockets.exceptions import ConnectionClosed

from quotebus.bus.edge.order_relay import LISTEN_WITHIN_S
from quotebus.bus.edge.server import load_certificate
from quotebus.bus.edge.settings import EdgeSettings
from quotebus.bus.errors import ConfigError
from quotebus.bus.events import AckRow, OrderUpdate, SymbolsRequested
from quotebus.bus.settings import parse
from tests.support.aio import run, soon
from tests.support.bus import FakeNode, fake_node, running_broker
from tests.support.edge import Raw, order_reader, raw, running_edge
from tests.support.samples import HEALTH, ORDER, like


def stream(node: FakeNode, state: str = "streaming", **changes: object) -> None:
    """The health of the node's order stream."""
    node.publish(like(HEALTH, node="pricing.orders", state=state, **changes))


def update(number: int, event: str = "fill") -> OrderUpdate:
    sent = {"event": event, "order": {"id": f"o-{number}"}}
    return msgspec.structs.replace(ORDER, event=event, original=msgspec.json.encode(sent).decode())


async def closed(one: Raw) -> tuple[int, str]:
    """The close code and reason that end it."""
    with pytest.raises(ConnectionClosed) as caught:
        await one.read_to_the_end()
    assert caught.value.rcvd is not None
    return caught.value.rcvd.code, caught.value.rcvd.reason


def test_order_updates_to_many_readers() -> None:
    async def work() -> None:
        with running_broker() as bus, fake_node(bus) as node:
            async with (
                running_edge(bus) as (server, base),
                order_reader(base) as one,
                order_reader(base) as two,
                order_reader(base, listens=False) as idle,
            ):
                await soon(lambda: server.counters()["connections"] == 3)
                stream(node, "connecting")
                node.publish(update(1))
                early = await one.frame()
                assert early["data"]["order"] == {"id": "o-1"}, "an early one harms nobody"
                stream(node)
                assert await one.frame() == {"stream": "listening", "data": {"streams": ["trade_updates"]}}
                assert [(await two.frame())["stream"] for _ in range(2)] == ["trade_updates", "listening"]
                node.publish(update(2), update(3, "reconciled"), update(4))
                two.socket.transport.abort()  # as one that is killed
                for number in (2, 4):
                    assert (await one.frame())["data"]["order"] == {"id": f"o-{number}"}
                stream(node, "backing_off")
                assert await closed(one) == (1012, "the order stream was lost: updates may be missing")
                await idle.send(action="listen", data={"streams": ["trade_updates"]})
                stream(node, connection=2)
                assert (await idle.frame())["stream"] == "listening", "the next one is not ended for it"
                counters = server.counters()
            assert (counters["order_updates"], counters["order_reconciled"], counters["order_cuts"]) == (3, 1, 1)

    run(work())


def test_an_update_that_was_lost_ends_those_who_would_miss_it() -> None:
    async def work() -> None:
        with running_broker() as bus, fake_node(bus) as node:
            async with running_edge(bus) as (_, base), order_reader(base) as one:
                stream(node)
                assert (await one.frame())["stream"] == "listening"
                node.publish(update(1))
                assert (await one.frame())["data"]["order"] == {"id": "o-1"}
                node.lose(update(2))
                node.publish(update(3))
                assert (await closed(one))[1] == "an order update was lost on its way"
                async with order_reader(base) as again:
                    stream(node)
                    assert (await again.frame())["stream"] == "listening"

    run(work())


def test_nobody_waits_for_ever_for_an_order_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    assert LISTEN_WITHIN_S == 10
    monkeypatch.setattr("quotebus.bus.edge.order_relay.LISTEN_WITHIN_S", 0.2)

    async def work() -> None:
        with running_broker() as bus, fake_node(bus) as node:
            async with running_edge(bus) as (server, base):
                async with order_reader(base) as one:
                    code, why = await closed(one)
                    assert (code, "PRICING_ORDER_STREAM" in why) == (1013, True)
                stream(node, "refused", cause="auth_failed")
                async with order_reader(base) as two:
                    assert (await closed(two))[1] == "the order stream is refused (auth_failed)"
                async with order_reader(base, listens=False) as three:
                    await three.send(action="listen", data={"streams": 7})
                    assert await three.frame() == {"action": "error", "data": {"error_message": "invalid streams"}}
                    await closed(three)
                assert server.counters()["order_refused"] == 2

    run(work())


def test_a_symbol_without_a_place_is_told_as_the_venue_would() -> None:
    evicted = {"AAPL"}

    def rows(request: SymbolsRequested) -> dict[str, object]:
        states = {symbol: "evicted" if symbol in evicted else "live" for symbol in request.symbols}
        return {"results": tuple(AckRow(symbol, state, "symbol_limit", None, 0) for symbol, state in states.items())}

    async def work() -> None:
        with running_broker() as bus, fake_node(bus) as node:
            node.answers = rows
            async with running_edge(bus) as (server, base), raw(base) as one, raw(base) as two, raw(base) as every:
                await every.ask(action="subscribe", quotes=["*"])
                assert (await one.ask(action="subscribe", quotes=["SPY", "AAPL"]))["quotes"] == ["AAPL", "SPY"]
                assert (await one.told())["code"] == 405
                assert (await one.told())["quotes"] == ["SPY"]
                assert (await two.ask(action="subscribe", trades=["AAPL"], quotes=["SPY"]))["code"] == 405
                told = await two.told()
                assert (told["trades"], told["quotes"]) == ([], ["SPY"]), "the rest of the request is served"
                assert server.counters()["evicted"] == 1
                evicted.clear()
                assert (await one.ask(action="subscribe", quotes=["QQQ"]))["quotes"] == ["QQQ", "SPY"]
                assert (await one.told())["quotes"] == ["AAPL", "QQQ", "SPY"], "it has its place again"
                assert (await two.told())["trades"] == ["AAPL"]
                await one.ask(action="unsubscribe", quotes=["AAPL", "QQQ", "SPY"])
                await two.ask(action="unsubscribe", trades=["AAPL"], quotes=["SPY"])
                await soon(lambda: node.requests[-1].symbols == ())
                assert (await every.ask(action="subscribe", quotes=["SPY"]))["quotes"] == ["*", "SPY"], "not told it"

    run(work())


@pytest.mark.parametrize("policy", ["silence", "close"])
def test_while_the_line_is_down(policy: str) -> None:
    async def work() -> None:
        with running_broker() as bus, fake_node(bus, quotes=True) as node:
            async with (
                running_edge(bus, edge_line_down=policy) as (server, base),
                raw(base) as one,
                raw(base) as idle,
            ):
                await one.ask(action="subscribe", quotes=["SPY"])
                await soon(lambda: server.counters()["streaming"])
                node.state = "backing_off"
                if policy == "close":
                    assert await closed(one) == (1012, "the upstream connection was lost")
                else:
                    await soon(lambda: not server.counters()["streaming"])
                    node.state = "streaming"
                    node.tick("SPY")
                    await one.collect(1)
                assert (await idle.ask(action="subscribe", quotes=["SPY"]))["quotes"] == ["SPY"]
                assert server.counters()["line_cuts"] == (policy == "close")

    run(work())


def test_tls(tmp_path: Path) -> None:
    made = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 2"
    options = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*made.split(), *options], cwd=tmp_path, check=True, capture_output=True)
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")

    async def work() -> None:
        with running_broker() as bus:
            async with running_edge(bus, edge_tls_cert=cert, edge_tls_key=key) as (_, base):
                assert base.startswith("wss://")
                async with raw(f"{base}/v2/iex", ssl=ssl.create_default_context(cafile=cert)) as one:
                    assert (await one.ask(action="subscribe", quotes=["SPY"]))["quotes"] == ["SPY"]

    run(work())
    with pytest.raises(ConfigError, match="EDGE_TLS_CERT"):
        load_certificate(EdgeSettings(edge_tls_cert=cert, edge_tls_key=cert))
    with pytest.raises(ConfigError, match="both, or neither"):
        parse(EdgeSettings, ["--tls-cert", "x"], "quotebus edge")

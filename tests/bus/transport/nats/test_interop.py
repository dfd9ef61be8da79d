"""nats-py and msgpack alone, by EVENTS.md and without a line of ours: as a reader of a real node, and as a node."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgpack
import nats
import pytest
from nats.aio.msg import Msg

from tests.support.nats_server import needs_server
from tests.support.programs import DEADLINE_S, eventually
from tests.support.world import World

pytestmark = needs_server


@pytest.fixture
def engine() -> str:
    return "nats"


def pack(*fields: Any) -> bytes:
    return bytes(msgpack.packb(fields))


async def read_prices(url: str, symbols: list[str]) -> dict[str, list[list[Any]]]:
    """Ask as a peer in another language does: what came by topic, when each symbol has a price and a status."""
    heard: dict[str, list[list[Any]]] = {}
    client = await nats.connect(url)

    async def take(message: Msg) -> None:
        _, _, topic = message.subject.split(".", 2)
        heard.setdefault(topic, []).append(msgpack.unpackb(message.data))

    for topic in (
        "health.>",
        *(f"{kind}.{each.replace('.', '%2E')}" for kind in ("quote", "symbol") for each in symbols),
    ):
        await client.subscribe(f"quotebus.*.{topic}", cb=take)
    await client.subscribe("quotebus.*.symbols.acknowledged.peer", cb=take)
    deadline_s = time.monotonic() + DEADLINE_S
    seq = 0
    wanted = {"symbols.acknowledged.peer", *(f"quote.{each.replace('.', '%2E')}" for each in symbols)}
    while not wanted <= heard.keys() and time.monotonic() < deadline_s:
        seq += 1
        request = pack(
            1, "peer-0a1b2c", seq, time.time_ns(), "peer", f"0a1b2c-{seq}", symbols, ["quotes"], 0, 15_000, True
        )
        await client.publish("quotebus.anyone.symbols.requested", request)
        await client.flush()
        await asyncio.sleep(0.5)
    await client.close()
    return heard


def test_an_independent_reader_gets_prices_from_a_real_node(world: World) -> None:
    world.broker()
    world.exchange("--rate", "50")
    world.node()
    heard = asyncio.run(read_prices(world.carrier.url, ["SPY", "BRK.B"]))
    answer = heard["symbols.acknowledged.peer"][-1]
    assert answer[4] == "peer"
    assert [row[0] for row in answer[6]] == ["SPY", "BRK.B"]
    assert [quote[4] for quote in heard["quote.BRK%2EB"]][:1] == ["BRK.B"]
    numbers = [quote[2] for quote in heard["quote.SPY"]]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))), "nothing is missing"
    assert any(health[6] == "streaming" for health in heard["health.pricing"])


@contextmanager
def foreign_node(url: str) -> Iterator[list[str]]:
    """Streams, has one quote of 10.00 and 10.02 for everything, and answers; gives the names of who has asked."""
    asked: list[str] = []
    ending, seqs = threading.Event(), dict[str, int]()

    def number(topic: str) -> list[Any]:
        seqs[topic] = seqs.get(topic, 0) + 1
        return [1, "foreign-0a1b2c", seqs[topic], time.time_ns()]

    def quote(symbol: str) -> bytes:
        now = time.time_ns()
        return pack(*number(f"quote.{symbol}"), symbol, 10.0, 1, 10.02, 1, "V", "V", ["R"], "C", now, now, 0, 0, 1)

    async def run() -> None:
        client = await nats.connect(url)

        async def answer(message: Msg) -> None:
            request = msgpack.unpackb(message.data)
            name, symbols = request[4], request[6]
            asked.append(name)
            rows = []
            for symbol in symbols:
                held = quote(symbol)
                rows.append([symbol, "live", "demand", held, seqs[f"quote.{symbol}"]])
                await client.publish(f"quotebus.foreign.quote.{symbol}", held)
            fields = (name, request[5], rows, "demand", request[9] if rows else 0, 1, 1)
            await client.publish(f"quotebus.foreign.symbols.acknowledged.{name}", pack(*number("acks"), *fields))

        await client.subscribe("quotebus.*.symbols.requested", cb=answer)
        while not ending.is_set():
            now = time.time_ns()
            state = ("pricing", "iex", "streaming", "demand", "", now, 1, 0, None, now, 1, 1, 1, None, None, None)
            health = pack(*number("health"), *state, "simulated", "regular", "", 0)
            await client.publish("quotebus.foreign.health.pricing", health)
            await client.flush()
            await asyncio.sleep(0.2)
        await client.close()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        ending.set()
        thread.join(10)


def test_our_client_takes_prices_from_an_independent_node(world: World) -> None:
    world.broker()
    with foreign_node(world.carrier.url) as asked:
        client = world.client("ours")
        client.request(["SPY"], wait_s=DEADLINE_S)
        eventually(lambda: client.last_quote("SPY") is not None)
        quote = client.last_quote("SPY")
        assert quote is not None
        assert (quote.bid_price, quote.ask_price, quote.source) == (10.0, 10.02, "foreign-0a1b2c")
        eventually(lambda: client.is_connected and client.results()["SPY"].acknowledged)
        assert client.counters["lost"] == client.counters["undecodable"] == 0
        assert "ours" in asked
        client.close()
        eventually(lambda: len(asked) >= 2, why="the release has come")

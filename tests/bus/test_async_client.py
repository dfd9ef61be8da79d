"""The client on an event loop, against a real broker and a node that does as it is told."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from quotebus import AsyncBusClient, BusSettings, ClientClosed, Unusable
from quotebus.bus import base_client as participant_module
from quotebus.bus.clock import NS_PER_S, now_ns
from quotebus.bus.protocol import MAX_SYMBOLS
from quotebus.bus.transport.client_loop import ClientLoop
from tests.support.aio import ask, run, soon
from tests.support.bus import FREE, NOBODY, fake_node, is_answered, running_broker
from tests.support.samples import HEALTH, INTENT, ORDER, TRADE, like
from tests.support.world import World


@pytest.fixture
def settings() -> Iterator[BusSettings]:
    with running_broker() as settings:
        yield settings


def block(seconds: float) -> None:
    """What a careless callback does to its loop."""
    threading.Event().wait(seconds)


def test_a_request_waits_until_the_price_may_be_used(settings: BusSettings) -> None:
    async def main() -> None:
        with fake_node(settings) as node:
            async with AsyncBusClient(settings, name="waits") as client:
                asyncio.get_running_loop().call_later(0.4, node.tick, "SPY")
                result = (await client.request(["SPY"], wait_s=30))["SPY"]
                assert (result.usable, result.reasons) == (True, ())
                result = (await client.request(["SPY", "QQQ"], wait_s=0.5))["QQQ"]
                assert result.reasons == (Unusable.NO_QUOTE,)

    run(main())


def test_a_price_that_may_be_used(settings: BusSettings) -> None:
    async def main() -> None:
        with fake_node(settings) as node:
            async with AsyncBusClient(settings, name="reader") as client:
                results = await ask(client, ["spy", "*"], channels=("quotes", "trades"))
                assert (results["SPY"].state, results["SPY"].acknowledged) == ("live", True)
                assert results["*"].cause == "bad_symbol"
                feed, trades = client.quotes(timeout_s=10), client.trades(timeout_s=10)
                node.tick("SPY")
                node.publish(like(TRADE))
                assert (await anext(feed)).symbol == (await anext(trades)).symbol == "SPY"
                await soon(lambda: client.usable("spy"))
                assert client.is_connected
                assert client.assess("QQQ").reasons[0] is Unusable.NOT_REQUESTED
                await asyncio.gather(client.add("QQQ"), client.add("IWM"))
                await soon(lambda: is_answered(client))
                await client.discard("qqq")
                assert client.symbols == ("SPY", "IWM")
                await soon(lambda: node.requests[-1].symbols == ("SPY", "IWM"))
                orders = client.orders(timeout_s=10)
                following = asyncio.ensure_future(anext(orders))

                async def told() -> bool:
                    node.publish(ORDER, like(HEALTH, node="pricing.orders"))
                    return (await asyncio.wait([following], timeout=0.02))[0] != set()

                while not await told():
                    pass
                assert (await following).client_order_id == ORDER.client_order_id
                await soon(lambda: client.orders_are_connected)
                assert client.publish(INTENT)
                with pytest.raises(ValueError, match="priority"):
                    await client.request(["SPY"], priority=200)
                with pytest.raises(ValueError, match="at most"):
                    await client.add([f"S{number}" for number in range(MAX_SYMBOLS)])
                assert client.symbols == ("SPY", "IWM")

    run(main())


def test_conflated_and_bounded_feeds(settings: BusSettings) -> None:
    async def main() -> None:
        with fake_node(settings) as node:
            async with AsyncBusClient(settings, name="slow") as client:
                await ask(client, ["SPY", "QQQ"])
                latest, every = client.quotes(timeout_s=0.3), client.quotes(conflate=False, bound=3, timeout_s=0.3)
                node.tick("SPY", 10)
                node.tick("QQQ", 10)
                await soon(lambda: latest.conflated == 18 and every.dropped == 17)
                assert [(quote.symbol, quote.seq) async for quote in latest] == [("SPY", 10), ("QQQ", 10)]
                assert [quote.seq async for quote in every] == [8, 9, 10]
                counters = client.counters
                assert (counters["conflated"], counters["feed_dropped"], counters["lost"]) == (18, 17, 0)

    run(main())


def test_cancelled_waits_lose_nothing(settings: BusSettings) -> None:
    async def main() -> None:
        client = AsyncBusClient(settings, name="hasty")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await ask(client, ["SPY"])
        assert client.symbols == ("SPY",)
        feed = client.quotes(conflate=False)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(feed), 0.02)
        with fake_node(settings) as node:
            await soon(lambda: client.results()["SPY"].acknowledged, why="asked though the wait was cancelled")
            node.tick("SPY", 3)
            assert [(await asyncio.wait_for(anext(feed), 10)).seq for _ in range(3)] == [1, 2, 3]
            await client.close()

    run(main())


def test_one_tasks_trouble_is_not_anothers(settings: BusSettings) -> None:
    async def main() -> None:
        with fake_node(settings) as node:
            async with AsyncBusClient(settings, name="shared") as client:
                await ask(client, ["SPY"])

                async def broken() -> None:
                    async for _ in client.quotes():
                        raise KeyError("a bug")

                async def slow() -> None:
                    async for _ in client.quotes(conflate=False, bound=1):
                        await asyncio.sleep(60)

                async def good() -> list[int]:
                    feed = client.quotes(conflate=False)
                    return [(await anext(feed)).seq for _ in range(5)]

                tasks = [asyncio.create_task(task()) for task in (broken, slow)]
                reader = asyncio.create_task(good())
                await asyncio.sleep(0)
                for _ in range(5):
                    node.tick("SPY")
                    await asyncio.sleep(0.01)
                assert await reader == [1, 2, 3, 4, 5]
                tasks[1].cancel()
                assert isinstance((await asyncio.gather(*tasks, return_exceptions=True))[0], KeyError)

    run(main())


def test_close_ends_iterators_releases_at_once_and_may_be_repeated(settings: BusSettings) -> None:
    async def main() -> None:
        with fake_node(settings) as node:
            client = AsyncBusClient(settings, name="leaving")
            await ask(client, ["SPY"])

            async def read() -> None:
                async for _ in client.quotes():
                    pass

            reader = asyncio.create_task(read())
            await asyncio.sleep(0)
            await asyncio.gather(client.close(), client.close())
            assert node.requests[-1].symbols == (), "the node has it when close returns"
            await asyncio.wait_for(reader, 1)
            await client.close()
            assert not client.usable("SPY")
            assert client.results() == {}
            with pytest.raises(ClientClosed):
                client.quotes(timeout_s=0)

    run(main())


def test_a_cancelled_task_gives_its_lease_back(settings: BusSettings) -> None:
    async def main() -> None:
        with fake_node(settings) as node:
            asked = asyncio.Event()

            async def strategy() -> None:
                async with AsyncBusClient(settings, name="strategy") as client:
                    await ask(client, ["SPY"])
                    asked.set()
                    async for _ in client.quotes():
                        pass

            task = asyncio.create_task(strategy())
            await asked.wait()
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            await soon(lambda: node.requests[-1].symbols == ())

    run(main())


def test_close_is_quick_though_there_never_was_a_broker() -> None:
    async def main() -> None:
        client = AsyncBusClient(NOBODY, name="alone")
        assert (await client.request(["SPY"], wait_s=0.05))["SPY"].acknowledged is False
        began_ns = now_ns()
        await client.close()
        assert now_ns() - began_ns < NS_PER_S

    run(main())


def test_many_clients_share_a_loop_without_a_thread(settings: BusSettings) -> None:
    async def main() -> None:
        with fake_node(settings) as node:
            threads = threading.active_count()
            clients = [AsyncBusClient(settings, name=f"client-{number}") for number in range(30)]
            await asyncio.gather(*(ask(client, ["SPY"]) for client in clients))
            assert threading.active_count() == threads
            node.tick("SPY")
            await soon(lambda: all(client.usable("SPY") for client in clients))
            await asyncio.gather(*(client.close() for client in clients))

    run(main())


def test_a_client_that_waits_does_nothing(settings: BusSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = 0
    turn: Callable[[ClientLoop, int], bool] = ClientLoop._turn

    def counted(link: ClientLoop, until_ns: int) -> bool:
        nonlocal turns
        turns += 1
        return turn(link, until_ns)

    async def main() -> None:
        nonlocal turns
        async with AsyncBusClient(settings, name="idle") as client:
            await client.request(["SPY"])
            await soon(lambda: client.counters["requests_sent"])
            turns = 0
            await asyncio.sleep(1)
            assert 1 <= turns < 30

    monkeypatch.setattr(ClientLoop, "_turn", counted)
    run(main())


def test_after_a_blocked_loop_the_judgement_is_on_everything_that_came(
    settings: BusSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        with fake_node(settings) as node:
            async with AsyncBusClient(settings, name="blocked") as client:
                await ask(client, ["SPY"])
                node.tick("SPY", 2_000)
                block(0.5)
                monkeypatch.setattr(participant_module, "_DRAIN_S", 0)
                assert Unusable.READER_BEHIND in client.assess("SPY").reasons
                monkeypatch.setattr(participant_module, "_DRAIN_S", 10)
                verdict = client.assess("SPY")
                assert verdict.usable, verdict.reasons
                assert verdict.quote is not None
                assert verdict.quote.seq == 2_000

    run(main())


def test_a_lease_lost_to_a_blocked_loop_is_told_and_asked_for_again(settings: BusSettings) -> None:
    async def main() -> None:
        with fake_node(settings) as node:
            async with AsyncBusClient(settings, name="late", ttl_s=1) as client:
                await ask(client, ["SPY"])
                node.tick("SPY")
                await soon(lambda: client.usable("SPY"))
                asked = len(node.requests)
                block(1.3)
                told = {*client.assess("SPY").reasons, *client.assess("SPY").reasons}  # the answer may be quick
                assert Unusable.UNCONFIRMED in told
                await soon(lambda: client.usable("SPY"))
                assert len(node.requests) > asked

    run(main())


def test_a_new_node_and_a_returned_broker_are_asked_without_any_call() -> None:
    async def main() -> None:
        with running_broker(FREE) as settings:
            client = AsyncBusClient(settings, name="survivor")
            with fake_node(settings):
                await ask(client, ["SPY"])
            with fake_node(settings, source="pricing-fake02") as node:
                await soon(lambda: node.requests and node.requests[-1].snapshot)
                node.tick("SPY")
                await soon(lambda: client.usable("SPY"))
        await soon(lambda: Unusable.UNCONFIRMED in client.assess("SPY").reasons)
        with running_broker(settings), fake_node(settings, source="pricing-fake03") as node:
            await soon(lambda: node.requests and node.requests[-1].symbols == ("SPY",))
            node.tick("SPY")
            await soon(lambda: client.usable("SPY"))
            quote = client.assess("SPY").quote
            assert quote is not None
            assert quote.source == "pricing-fake03", "of the node that is there, not a held one"
            await client.close()

    run(main())


def test_real_programs_killed_and_started_again(world: World) -> None:
    async def main() -> None:
        broker = world.broker()
        world.exchange("--rate", "100")
        node = world.node()
        async with AsyncBusClient(world.settings(), name="follower") as client:
            await ask(client, ["SPY"])
            await soon(lambda: client.usable("SPY"))
            broker.kill()
            await soon(lambda: Unusable.UNCONFIRMED in client.assess("SPY").reasons)
            await asyncio.to_thread(world.broker)
            await soon(lambda: client.usable("SPY"))
            node.kill()
            await soon(lambda: not client.usable("SPY"))
            former = client.health()
            await asyncio.to_thread(world.node)
            await soon(lambda: client.usable("SPY"))
            health, quote = client.health(), client.assess("SPY").quote
            assert former is not None
            assert health is not None
            assert quote is not None
            assert quote.source == health.source != former.source
        state = world.control.state()
        assert (state["upgraded_total"], state["max_simultaneous"]) == (2, 1), "a line for each node, none for the bus"

    run(main())


def test_it_belongs_to_one_loop_and_one_thread(settings: BusSettings) -> None:
    client = AsyncBusClient(settings, name="early")
    assert client.assess("SPY").reasons[:2] == (Unusable.NOT_REQUESTED, Unusable.READER_BEHIND)

    async def first() -> None:
        await client.request(["SPY"])
        with pytest.raises(RuntimeError, match="another thread"):
            await asyncio.to_thread(client.assess, "SPY")

    async def second() -> None:
        with pytest.raises(RuntimeError, match="another event loop"):
            await client.request(["QQQ"])

    loops = [asyncio.new_event_loop() for _ in range(2)]
    loops[0].run_until_complete(first())
    loops[1].run_until_complete(second())
    loops[0].run_until_complete(client.close())
    for loop in loops:
        loop.close()


def test_a_program_that_forgets_to_close_still_ends() -> None:
    script = (
        "import asyncio; from quotebus import AsyncBusClient\n"
        "async def main():\n  c = AsyncBusClient(name='forgetful'); await c.request(['SPY']); c.quotes()\n"
        "asyncio.run(main())"
    )
    environment = {name.upper(): str(url) for name, url in NOBODY.model_dump().items()}
    done = subprocess.run([sys.executable, "-c", script], env=environment, timeout=60, check=False)
    assert done.returncode == 0

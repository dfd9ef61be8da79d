"""The end of a client: closed, forgotten, at the program's exit, and in a forked child. Real sockets and processes."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from quotebus import AsyncBusClient, BusClient, BusSettings, ClientClosed, QuotebusError, Unusable
from tests.support.aio import run, soon
from tests.support.bus import FakeNode, fake_node, running_broker
from tests.support.programs import eventually
from tests.support.samples import INTENT

LEASE_ENDS_S = 5
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def settings() -> Iterator[BusSettings]:
    with running_broker() as settings:
        yield settings


@pytest.fixture
def node(settings: BusSettings) -> Iterator[FakeNode]:
    with fake_node(settings, quotes=True) as node:
        yield node


def released(node: FakeNode, client: str) -> Callable[[], bool]:
    return lambda: any(request.client == client and not request.symbols for request in node.requests)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def environment(settings: BusSettings) -> dict[str, str]:
    return {**os.environ, **{name.upper(): str(url) for name, url in settings.model_dump().items()}}


# closed

USES: dict[str, Callable[[BusClient], object]] = {
    "request": lambda client: client.request(["SPY"]),
    "add": lambda client: client.add("SPY"),
    "discard": lambda client: client.discard("SPY"),
    "publish": lambda client: client.publish(INTENT),
    "execute": lambda client: client.execute("SPY", "buy", 1),
    "quotes": lambda client: client.quotes(),
    "trades": lambda client: client.trades(),
    "orders": lambda client: client.orders(),
    "with": lambda client: client.__enter__(),
}


@pytest.mark.parametrize("use", USES)
def test_a_closed_client_refuses_to_be_used(settings: BusSettings, use: str) -> None:
    client = BusClient(settings, name="closed")
    client.close()
    client.close()
    with pytest.raises(ClientClosed, match="client closed is closed") as refused:
        USES[use](client)
    assert isinstance(refused.value, QuotebusError)
    assert isinstance(refused.value, RuntimeError)


def test_a_closed_client_still_answers_and_its_prices_are_not_usable(settings: BusSettings, node: FakeNode) -> None:
    client = BusClient(settings, name="closed")
    client.request(["SPY"], wait_s=10)
    node.tick("SPY")
    eventually(lambda: client.usable("SPY"))
    client.close()
    assert not client.usable("SPY")
    assert Unusable.NOT_REQUESTED in client.assess("SPY").reasons
    assert (client.symbols, client.results(), client.status("SPY"), client.last_quote("SPY")) == ((), {}, None, None)
    assert client.health() is not None
    assert client.counters["requests_sent"] >= 2


def test_a_closed_asyncio_client_refuses_to_be_used(settings: BusSettings) -> None:
    async def main() -> None:
        client = AsyncBusClient(settings, name="closed")
        await client.close()
        await client.close()
        for use in (client.request, client.add, client.discard):
            with pytest.raises(ClientClosed, match="client closed is closed"):
                await use("SPY")
        for feed in (client.quotes, client.trades, client.orders):
            with pytest.raises(ClientClosed):
                feed()
        with pytest.raises(ClientClosed):
            client.publish(INTENT)
        with pytest.raises(ClientClosed):
            await client.execute("SPY", "buy", 1)
        with pytest.raises(ClientClosed):
            await client.__aenter__()
        assert not client.usable("SPY")
        assert client.results() == {}

    run(main())


# forgotten


def test_a_forgotten_client_is_told_and_its_lease_thread_and_descriptors_go(
    settings: BusSettings, node: FakeNode
) -> None:
    with BusClient(settings, name="earlier") as earlier:
        earlier.request(["SPY"], wait_s=10)  # from here on, broker and node have all their descriptors
    before, open_before = threading.active_count(), descriptors()
    client = BusClient(settings, name="forgotten")
    client.request(["SPY"], wait_s=10)
    with pytest.warns(ResourceWarning, match="client forgotten was not closed"):  # noqa: PT031
        del client
        gc.collect()
    eventually(released(node, "forgotten"), within_s=LEASE_ENDS_S)
    eventually(lambda: threading.active_count() <= before, within_s=LEASE_ENDS_S)
    eventually(lambda: descriptors() <= open_before, within_s=LEASE_ENDS_S)


def test_a_client_in_a_circle_of_references_is_told_too(settings: BusSettings, node: FakeNode) -> None:
    circle: list[object] = [BusClient(settings, name="circular")]
    circle.append(circle)
    assert isinstance(circle[0], BusClient)
    circle[0].request(["SPY"], wait_s=10)
    with pytest.warns(ResourceWarning, match="circular"):  # noqa: PT031
        del circle
        gc.collect()
    eventually(released(node, "circular"), within_s=LEASE_ENDS_S)


def test_a_closed_client_and_one_that_never_was_are_forgotten_in_silence(settings: BusSettings) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client = BusClient(settings, name="tidy")
        client.close()
        del client
        with pytest.raises(ValueError, match="not a client name"):
            BusClient(settings, name="two words")
        gc.collect()


def test_a_feed_keeps_its_client(settings: BusSettings, node: FakeNode) -> None:
    client = BusClient(settings, name="kept")
    client.request(["SPY"], wait_s=10)
    feed = client.quotes(timeout_s=10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del client
        gc.collect()
        node.tick("SPY")
        assert next(iter(feed)).symbol == "SPY"
    assert not released(node, "kept")()
    with pytest.warns(ResourceWarning, match="kept"):  # noqa: PT031
        del feed
        gc.collect()
    eventually(released(node, "kept"), within_s=LEASE_ENDS_S)


def test_a_forgotten_asyncio_client_is_told_and_its_lease_and_descriptors_go(
    settings: BusSettings, node: FakeNode
) -> None:
    async def main() -> None:
        other = AsyncBusClient(settings, name="other")  # the context's own descriptors are open from here on
        await other.request(["QQQ"], wait_s=10)
        open_before = descriptors()
        client = AsyncBusClient(settings, name="forgotten")
        await client.request(["SPY"], wait_s=10)
        feed = client.quotes(timeout_s=10)
        del client
        gc.collect()
        node.tick("SPY")
        assert (await anext(feed)).symbol == "SPY"
        with pytest.warns(ResourceWarning, match="client forgotten was not closed"):  # noqa: PT031
            del feed
            gc.collect()
        await soon(released(node, "forgotten"), within_s=LEASE_ENDS_S)
        await soon(lambda: descriptors() <= open_before, within_s=LEASE_ENDS_S)
        assert not released(node, "other")()
        await other.close()

    run(main())


def test_an_asyncio_client_that_outlives_its_loop_gives_its_lease_back_when_forgotten(
    settings: BusSettings, node: FakeNode
) -> None:
    clients = [AsyncBusClient(settings, name="widowed")]

    async def main() -> None:
        await clients[0].request(["SPY"], wait_s=10)

    asyncio.run(main())
    with pytest.warns(ResourceWarning, match="widowed"):  # noqa: PT031
        clients.clear()
        gc.collect()
    eventually(released(node, "widowed"), within_s=LEASE_ENDS_S)


# the program's exit

AT_EXIT = {
    "module": "client.request(['SPY'], wait_s=10)",
    "feed": "client.request(['SPY'], wait_s=10); feed = client.quotes(); del client",
    "raises": "client.request(['SPY'], wait_s=10); raise SystemExit(0)",
}


@pytest.mark.parametrize("end", AT_EXIT)
def test_a_program_that_ends_without_close_gives_its_lease_back(
    settings: BusSettings, node: FakeNode, end: str
) -> None:
    script = f"from quotebus import BusClient; client = BusClient(name='ending'); {AT_EXIT[end]}"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], env=environment(settings), timeout=60, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    eventually(released(node, "ending"), within_s=1)


@pytest.mark.parametrize("where", ["global client; ", ""])
def test_an_asyncio_program_that_ends_without_close_gives_its_lease_back(
    settings: BusSettings, node: FakeNode, where: str
) -> None:
    script = (
        "import asyncio; from quotebus import AsyncBusClient\n"
        f"async def main():\n  {where}client = AsyncBusClient(name='ending')\n"
        "  await client.request(['SPY'], wait_s=10)\n"
        "asyncio.run(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(settings), timeout=60, check=False,
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    eventually(released(node, "ending"), within_s=1)


# a forked child


@pytest.mark.parametrize("way", ["fork", "multiprocessing", "asyncio"])
def test_a_forked_child_is_told_what_to_do_and_its_parent_never_notices(
    settings: BusSettings, node: FakeNode, way: str
) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.forked_client", way], cwd=ROOT, env=environment(settings),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as program:  # fmt: skip
        assert program.stdin is not None
        assert program.stdout is not None
        try:
            child = json.loads(program.stdout.readline())
            assert len(child["told"]) >= 18
            for name, (error, text) in child.pop("told").items():
                assert error == "ClientInherited", name
                assert "client parent belongs to process" in text, name
                assert "make a new client" in text, name
                assert "spawn" in text, name
            assert child == {"acknowledged": True, "in_time": True}
            assert not released(node, "parent")(), "the child's end is not the parent's"
            eventually(released(node, "child"))
            node.tick("SPY")
            parent = json.loads(program.stdout.readline())
            assert parent == {"usable": True, "reconnects": 0, "lost": 0, "confirmed": True}
            program.stdin.close()
            assert program.wait(60) == 0
            eventually(released(node, "parent"))
        finally:
            program.kill()

"""`forked_client.py fork|multiprocessing|asyncio`: a child that tries all of its parent's client. Two lines out."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import multiprocessing
import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from quotebus import AsyncBusClient, AsyncFeed, BusClient, QuotebusError
from quotebus.bus.clock import NS_PER_S, now_ns
from tests.support.samples import INTENT

ARGUMENTS: dict[str, tuple[object, ...]] = {
    "publish": (INTENT,),
    "execute": ("SPY", "buy", 1),
    "on": ("quotes", print),
    "off": (print,),
    "sleep": (0.01,),
    "note_counters": ({"requests": 1},),
    **dict.fromkeys(("request", "add", "discard", "last_quote", "usable", "assess", "status", "window"), ("SPY",)),
}
QUIET = {"close", "name"}


def call(what: Callable[[], Any]) -> tuple[str, str]:
    """The error of one use, a coroutine's too."""
    try:
        result = what()
        if inspect.iscoroutine(result):
            asyncio.run(result)
    except QuotebusError as error:
        return type(error).__name__, str(error)
    return "", "no error"


def use(client: Any, name: str) -> Any:
    """One public name: called, or read when it is a property."""
    value = getattr(client, name)
    return value(*ARGUMENTS.get(name, ())) if callable(value) else value


def child(client: Any, feeds: list[Any]) -> None:
    """Use everything, close, forget, and go on with a client of its own."""
    began_s = now_ns() / NS_PER_S
    names = sorted(name for name in dir(client) if not name.startswith("_") and name not in QUIET)
    told = {name: call(partial(use, client, name)) for name in names}
    told["feed"] = call(lambda: feeds[0].__anext__() if isinstance(feeds[0], AsyncFeed) else next(iter(feeds[0])))
    end = client.close()
    if inspect.iscoroutine(end):
        asyncio.run(end)
    feeds.clear()
    del client
    gc.collect()
    in_time = now_ns() / NS_PER_S - began_s < 5
    with BusClient(name="child") as own:
        acknowledged = own.request(["QQQ"], wait_s=20)["QQQ"].acknowledged
    print(json.dumps({"told": told, "acknowledged": acknowledged, "in_time": in_time}), flush=True)


def fork(client: Any, feeds: list[Any]) -> None:
    """The child ends as a script does, with the interpreter's own clean-up."""
    pid = os.fork()
    if pid == 0:
        child(client, feeds)
        raise SystemExit
    _, status = os.waitpid(pid, 0)
    assert status == 0


def report(client: Any, deadline_s: float) -> None:
    """What the parent sees afterwards."""
    usable = False
    while not usable and now_ns() / NS_PER_S < deadline_s:
        usable = client.usable("SPY")
    counters = client.counters
    print(json.dumps({"usable": usable, "reconnects": counters["reconnects"], "lost": counters["lost"],
                      "confirmed": client.results()["SPY"].acknowledged}), flush=True)  # fmt: skip
    sys.stdin.read()


def run(way: str) -> None:
    """With the client that has a thread."""
    with BusClient(name="parent") as client:
        client.request(["SPY"], wait_s=20)
        feeds = [client.quotes(timeout_s=2)]
        if way == "fork":
            fork(client, feeds)
        else:
            process = multiprocessing.get_context("fork").Process(target=child, args=(client, feeds))
            process.start()
            process.join()
            assert process.exitcode == 0
        report(client, now_ns() / NS_PER_S + 20)


async def run_loop() -> None:
    """With the client that has a loop; the child leaves from within a thread that runs none."""
    async with AsyncBusClient(name="parent") as client:
        await client.request(["SPY"], wait_s=20)
        feeds = [client.quotes(timeout_s=2)]
        process = multiprocessing.get_context("fork").Process(target=child, args=(client, feeds))
        process.start()
        await asyncio.to_thread(process.join)
        assert process.exitcode == 0
        deadline_s = now_ns() / NS_PER_S + 20
        while not client.usable("SPY") and now_ns() / NS_PER_S < deadline_s:
            await asyncio.sleep(0.01)
        report(client, deadline_s)


if __name__ == "__main__":
    asyncio.run(run_loop()) if sys.argv[1] == "asyncio" else run(sys.argv[1])

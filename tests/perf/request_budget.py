"""How many requests a worker makes, counted by the simulated broker behind its own limit of 200 a minute.

    python -m tests.perf.request_budget             # all of them, about ten minutes
    python -m tests.perf.request_budget stream      # some: blind, stream, hundred, crowd

- blind, stream: fourteen orders rest for two minutes, without the order stream and with it. Bars: 150 and 40 a minute.
- hundred: a hundred intents of four minutes. Bar: all filled, and no request too many for the broker.
- crowd: forty intents, and a stranger who asks twice a second with the same key. Bar: all filled all the same.
"""

from __future__ import annotations

import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from quotebus.bus.clock import NS_PER_S, now_ns, sleep_s
from tests.execution_adapter.runs import SYMBOLS, books
from tests.support.named_runs import show_runs
from tests.support.programs import Program, eventually
from tests.support.world import World

LIMIT = 200
FOR_S = 120
MORE = tuple(f"{first}{second}" for first in "BCDEFGHJKL" for second in "ABCDEFGHJ")


def start(world: World, symbols: tuple[str, ...], window_s: int, *, stream: bool, **settings: str) -> Program:
    """One worker that buys ten shares of each."""
    world.broker()
    world.exchange("--rate", "400", "--rest-port", "0", "--rest-limit", str(LIMIT), "--cash", "1000000000")
    world.node(PRICING_ORDER_STREAM="true" if stream else "false")
    return world.worker(
        **{
            "EXECUTION_INTENTS": "; ".join(f"{symbol} buy 10 in {window_s}s" for symbol in symbols),
            "EXECUTION_GATEWAY": "simulator",
            "EXECUTION_ORDERS_URL": world.environment["PRICING_ORDER_REST_URL"],
            "EXECUTION_JOURNAL_DIR": str(world.folder / "journal"),
            "EXECUTION_BUDGET_DIR": str(world.folder),
            **settings,
        }
    )


def look(world: World) -> dict[str, Any]:
    state: dict[str, Any] = world.control.state()["orders"]
    return state


def rest(world: World, *, stream: bool, most: int) -> str:
    """Fourteen orders rest; how many requests a minute that takes."""
    worker = start(world, SYMBOLS, 600, stream=stream, EXECUTION_REPEG_MAX="0")
    world.control.faults(order_ack_ms=600_000)
    eventually(lambda: look(world)["open"] == len(SYMBOLS), 60)
    sleep_s(10)
    before = look(world)["rest_order_requests_total"]
    sleep_s(FOR_S)
    after = look(world)
    a_minute = (after["rest_order_requests_total"] - before) * 60 / FOR_S
    worker.stop()
    assert after["open"] == len(SYMBOLS), after
    assert a_minute <= most, f"{a_minute} requests a minute, the bar is {most}"
    assert after["rest_limited_total"] == 0
    return f"{len(SYMBOLS)} resting orders: {a_minute:.0f} requests a minute, bar {most}"


def finish(world: World, worker: Program, count: int, within_s: float) -> str:
    """Wait for the worker's end: everything filled, nothing twice."""
    began_ns = now_ns()
    status = worker.wait(within_s)
    took_s = (now_ns() - began_ns) / NS_PER_S
    found, state = books(world.audit), look(world)
    worker.line("fallbacks or refusals")
    assert status == 0, worker.lines
    assert sorted(found.filled.values()) == [10] * count, found.filled
    return (
        f"{count} intents, all filled after {took_s:.0f} s: {state['rest_order_requests_total']} requests, "
        f"{state['rest_limited_total']} of them too many"
    )


def blind(world: World) -> str:
    return rest(world, stream=False, most=150)


def stream(world: World) -> str:
    return rest(world, stream=True, most=40)


def hundred(world: World) -> str:
    symbols = (*SYMBOLS, *MORE)[:100]
    said = finish(world, start(world, symbols, 240, stream=True), len(symbols), 400)
    assert look(world)["rest_limited_total"] == 0, said
    return said


def crowd(world: World) -> str:
    symbols = (*SYMBOLS, *MORE)[:40]
    worker, over = start(world, symbols, 240, stream=True), threading.Event()
    asked = urllib.request.Request(
        f"{world.environment['PRICING_ORDER_REST_URL']}/v2/account",
        headers={"APCA-API-KEY-ID": "simulated", "APCA-API-SECRET-KEY": "simulated"},
    )

    def ask() -> None:
        while not over.wait(0.5):
            with suppress(urllib.error.HTTPError, OSError):
                urllib.request.urlopen(asked, timeout=5).close()

    stranger = threading.Thread(target=ask, daemon=True)
    stranger.start()
    try:
        return finish(world, worker, len(symbols), 400)
    finally:
        over.set()
        stranger.join()


RUNS: dict[str, Callable[[World], str]] = {"blind": blind, "stream": stream, "hundred": hundred, "crowd": crowd}


if __name__ == "__main__":
    sys.exit(show_runs(RUNS, sys.argv[1:]))

"""A hundred of alpaca-py's streams at one edge: `python -m tests.perf.edge_crowd --streams 100 --processes 10`.

Real SDKs in several processes, on overlapping symbols. What is killed in turn: one of the processes, the node, the
broker, the edge. After each, every stream that is left must go on, with its own symbols and no other, over one upstream
connection. Prints what was looked at, and what was wrong; exit status 1 when anything was.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.world import World

SYMBOLS = ("SPY", "QQQ", "AAPL", "MSFT", "NVDA", "AMZN", "TSLA", "META")
WITHIN_S = 60.0
ROOT = Path(__file__).parents[2]


def wanted(number: int) -> list[str]:
    """The symbols of one stream: two, of which its neighbour has one."""
    return [SYMBOLS[number % len(SYMBOLS)], SYMBOLS[(number + 1) % len(SYMBOLS)]]


def child(url: str, first: int, count: int) -> None:
    """So many streams; once a second a line with what each has got of every symbol since the start."""
    from alpaca.data.live import StockDataStream

    heard: list[Counter[str]] = [Counter() for _ in range(count)]

    def start(number: int) -> None:
        async def on_quote(quote: Any) -> None:
            heard[number][quote.symbol] += 1

        stream = StockDataStream("key", "secret", url_override=url)
        stream._reconnect_min_backoff, stream._reconnect_max_backoff = 0.1, 1.0
        stream.subscribe_quotes(on_quote, *wanted(first + number))
        threading.Thread(target=lambda: asyncio.run(stream._run_forever()), daemon=True).start()

    for number in range(count):
        start(number)
    while True:
        time.sleep(1)
        print(json.dumps(heard), flush=True)


class Crowd:
    """The processes and what they have printed last."""

    def __init__(self, url: str, streams: int, processes: int) -> None:
        each = streams // processes
        self.heard: dict[int, list[dict[str, int]]] = {}
        self.firsts = [each * number for number in range(processes)]
        self.processes = [self._start(url, first, each) for first in self.firsts]

    def _start(self, url: str, first: int, count: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "ignore", "-m", "tests.perf.edge_crowd", "child", url, str(first), str(count)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=self._read, args=(process, first), daemon=True).start()
        return process

    def _read(self, process: subprocess.Popen[str], first: int) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.heard[first] = json.loads(line)

    def streams(self) -> dict[int, dict[str, int]]:
        """Of every stream whose process runs, what it has got."""
        running = [first for first, process in zip(self.firsts, self.processes, strict=True) if process.poll() is None]
        return {first + n: got for first in running for n, got in enumerate(self.heard.get(first, []))}

    def kill_one(self) -> None:
        self.processes[0].kill()
        self.processes[0].wait()

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


def look(crowd: Crowd, streams: int) -> tuple[float, list[str]]:
    """How long it took until every stream got more of each of its symbols, and what is wrong."""
    before, began = crowd.streams(), time.monotonic()
    missing: set[int] = set(range(streams))
    while missing and time.monotonic() - began < WITHIN_S:
        time.sleep(0.2)
        now = crowd.streams()
        missing = {
            number
            for number in range(streams)
            if number not in now
            or any(now[number].get(symbol, 0) <= before.get(number, {}).get(symbol, 0) + 3 for symbol in wanted(number))
        } - {number for number in range(streams) if before and number not in before}
    wrong = [f"stream {number} gets nothing more" for number in sorted(missing)]
    for number, got in crowd.streams().items():
        wrong += [f"stream {number} got {symbol}" for symbol in got.keys() - set(wanted(number))]
    return time.monotonic() - began, wrong


def counters(base: str) -> dict[str, int]:
    with urllib.request.urlopen(base.replace("ws", "http", 1) + "/counters", timeout=5) as answer:
        found: dict[str, int] = json.load(answer)
    return found


def run(streams: int, processes: int, rate: int) -> int:
    """The whole round; how much was wrong."""
    faults: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        broker = world.broker()
        world.exchange("--rate", str(rate))
        node = world.node()
        edge = world.start("quotebus", "edge", "--port", "0")
        base = edge.line("quotebus edge: ws://").split()[2].removesuffix("/v2/iex")
        crowd = Crowd(f"{base}/v2/iex", streams, processes)

        def start_edge() -> None:
            edge.kill()
            world.start("quotebus", "edge", "--port", base.rpartition(":")[2]).line("quotebus edge: ws://")

        def start_node() -> None:
            node.kill()
            world.node()

        def start_broker() -> None:
            broker.kill()
            world.broker()

        steps: list[tuple[str, Callable[[], object]]] = [
            ("all started at once", lambda: None),
            ("kill -9 of one process of SDKs", crowd.kill_one),
            ("the upstream line cut", lambda: world.control.faults(cut="rst")),
            ("kill -9 of the node", start_node),
            ("kill -9 of the broker", start_broker),
            ("kill -9 of the edge", start_edge),
        ]
        try:
            for name, step in steps:
                step()
                took_s, wrong = look(crowd, streams)
                sockets = len(world.control.state()["connections"])
                wrong += [f"{sockets} upstream connections"] if sockets != 1 else []
                served = counters(base)["connections"]
                print(f"{name:32} {served:4} connections, all have more after {took_s:4.1f} s, {len(wrong)} wrong")
                faults += [f"{name}: {each}" for each in wrong]
            peak = world.control.state()["max_simultaneous"]
            print(f"upstream connections at once, at most: {peak}")
            faults += [f"{peak} upstream connections at once"] if peak != 1 else []
        finally:
            crowd.close()
            world.close()
    for fault in faults[:20]:
        print("WRONG", fault)
    return len(faults)


def main() -> int:
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--processes", type=int, default=10)
    parser.add_argument("--rate", type=int, default=100)
    arguments = parser.parse_args()
    return int(run(arguments.streams, arguments.processes, arguments.rate) > 0)


if __name__ == "__main__":
    raise SystemExit(main())

"""The edge beside alpaca-proxy-agent, in the same run: `python -m tests.perf.edge --peer FOLDER --peer-python PYTHON`.

Both stand between the simulated exchange and the same plain clients, one and ten at once on the same symbols. At
`--rate` quotes a second the time from the exchange's stamp to the client is measured, at `--flood` how many quotes a
second reach all clients together. Rounds alternate; medians and ratios. FOLDER holds the peer's `main.py`, PYTHON is
an interpreter that has what it imports; without `--peer` the edge is measured alone.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgpack
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.perf.figures import progress
from tests.support.world import World

SYMBOLS = ["SPY", "QQQ", "AAPL", "MSFT"]
QUOTE = b"\xa1T\xa1q"
"""How a quote begins in MessagePack."""
WARM_UP_S = 1.0
SAMPLED = 7
"""Of so many frames one is decoded for its time, so that the clients are not what is measured."""
SUBSCRIBE = {"action": "subscribe", "quotes": SYMBOLS, "trades": [], "bars": [], "statuses": [], "dailyBars": []}


class Taken:
    """What one client got while it was measured."""

    def __init__(self) -> None:
        self.quotes = 0
        self.delays_ms: list[float] = []


async def follow(url: str, lasts_s: float) -> Taken:
    """One client."""
    taken, frames, began = Taken(), 0, 0.0
    headers = {"Content-Type": "application/msgpack"}
    async with connect(url, compression=None, additional_headers=headers, max_size=None, close_timeout=0.1) as one:
        await one.recv()
        await one.send(msgpack.packb({"action": "auth", "key": "k", "secret": "s"}))
        await one.recv()
        await one.send(msgpack.packb(SUBSCRIBE))
        async for frame in one:
            assert isinstance(frame, bytes)
            now_ns = time.time_ns()
            if QUOTE not in frame:
                continue
            began = began or time.monotonic()
            past_s = time.monotonic() - began
            if past_s >= WARM_UP_S + lasts_s:
                break
            if past_s < WARM_UP_S:
                continue
            taken.quotes += frame.count(QUOTE)
            frames += 1
            if frames % SAMPLED == 0:
                first = next(record for record in msgpack.unpackb(frame) if record["T"] == "q")
                taken.delays_ms.append((now_ns - first["t"].to_unix_nano()) / 1e6)
    return taken


async def follow_all(url: str, clients: int, lasts_s: float) -> list[Taken]:
    """Several; those that got nothing are left out."""

    async def one(number: int) -> Taken | None:
        await asyncio.sleep(0.1 * number)
        try:
            return await asyncio.wait_for(follow(url, lasts_s), lasts_s + 20)
        except (TimeoutError, OSError, WebSocketException) as error:
            progress(f"a client failed: {type(error).__name__}")
            return None

    return [taken for taken in await asyncio.gather(*map(one, range(clients))) if taken and taken.quotes]


@contextmanager
def edge(world: World) -> Iterator[str]:
    """Ours: node, bus and edge."""
    world.node()
    program = world.start("quotebus", "edge", "--port", "0", EDGE_QUEUE="1000000")
    yield program.line("quotebus edge: ws://").split()[2]


@contextmanager
def peer(world: World, folder: Path, python: Path, port: int) -> Iterator[str]:
    """Theirs: one program, on the port that it has."""
    upstream = world.environment["PRICING_UPSTREAM_URL"].partition("/v2")[0].replace("ws", "http", 1)
    environment = {
        "PATH": os.environ["PATH"],
        "AGENT_PORT": str(port),  # read by a copy that was changed to listen on loopback
        "IS_PRO": "false",
        "APCA_API_STREAM_URL": upstream,
    }
    with subprocess.Popen(
        [python, "main.py"], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as agent:
        try:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                try:
                    socket.create_connection(("127.0.0.1", port), 0.2).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield f"ws://127.0.0.1:{port}"
        finally:
            agent.kill()


def measure(program: str, clients: int, rate: int, arguments: argparse.Namespace) -> tuple[float, float]:
    """Quotes a second over all clients, and the median delay, ms."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        try:
            world.broker()
            world.exchange("--rate", str(rate))
            through = (
                edge(world)
                if program == "edge"
                else peer(world, arguments.peer, arguments.peer_python, arguments.peer_port)
            )
            with through as url:
                taken = asyncio.run(follow_all(url, clients, arguments.seconds))
        finally:
            world.close()
    if not taken:
        return 0.0, float("inf")
    delays = [delay for each in taken for delay in each.delays_ms]
    total = sum(each.quotes for each in taken) / arguments.seconds
    progress(f"{program}, {clients} clients ({len(taken)} served), {rate}/s: {total:,.0f} quotes/s")
    return total, statistics.median(delays) if delays else float("inf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", type=Path, metavar="FOLDER")
    parser.add_argument("--peer-python", type=Path, metavar="PYTHON")
    parser.add_argument("--peer-port", type=int, default=8765)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--flood", type=int, default=40_000)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 10])
    arguments = parser.parse_args()
    programs = ["edge", "peer"] if arguments.peer else ["edge"]
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {arguments.rounds} rounds, medians")
    for clients in arguments.clients:
        delays: dict[str, list[float]] = {program: [] for program in programs}
        totals: dict[str, list[float]] = {program: [] for program in programs}
        for _ in range(arguments.rounds):
            for program in programs:
                delays[program].append(measure(program, clients, arguments.rate, arguments)[1])
                totals[program].append(measure(program, clients, arguments.flood, arguments)[0])
        for program in programs:
            print(
                f"{clients:3} clients, {program}: {statistics.median(totals[program]):10,.0f} quotes/s at "
                f"{arguments.flood}/s, p50 {statistics.median(delays[program]):8.2f} ms at {arguments.rate}/s"
            )
        if arguments.peer:
            faster = [ours / theirs for ours, theirs in zip(totals["edge"], totals["peer"], strict=True) if theirs]
            sooner = [ours / theirs for ours, theirs in zip(delays["edge"], delays["peer"], strict=True)]
            print(
                f"{clients:3} clients: {statistics.median(faster):.1f} × the quotes, "
                f"{statistics.median(sooner):.3f} × the p50"
            )


if __name__ == "__main__":
    main()

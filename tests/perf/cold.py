"""The first quote of an idle node beside a bare client of the exchange, in one run: `make cold ARGS="--rounds 20"`.

Ours: from `request` in a client to its first quote, through a node that has just been started. Bare: connect, log in,
subscribe and read until the first quote, in one thread. The difference is what the node, the broker and the client add.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import websocket

from quotebus import BusClient
from quotebus.bus.clock import NS_PER_S, now_ns
from tests.perf.figures import progress
from tests.support.programs import eventually
from tests.support.world import World

SYMBOL = "SPY"
RATE = "2000"
"""Quotes a second of the one symbol, so that nobody waits for the market."""
MOST_MS = 5.0


def time_bare(url: str) -> float:
    """Milliseconds."""
    began_ns = now_ns()
    line = websocket.create_connection(url, timeout=10, skip_utf8_validation=True)
    try:
        for message in (
            {"action": "auth", "key": "key", "secret": "secret"},
            {"action": "subscribe", "quotes": [SYMBOL]},
        ):
            line.recv()
            line.send(json.dumps(message))
        while not any(record["T"] == "q" for record in json.loads(line.recv())):
            pass
        return (now_ns() - began_ns) / NS_PER_S * 1_000
    finally:
        line.close()


def time_ours(world: World, number: int) -> float:
    """Milliseconds; of a node that has never been connected."""
    node = world.node()
    with BusClient(world.settings(), name=f"cold{number}") as client:
        eventually(lambda: getattr(client.health(), "state", "") == "idle", why="the node has been heard")
        feed = client.quotes(timeout_s=20)
        began_ns = now_ns()
        client.request([SYMBOL])
        next(iter(feed))
        taken_ms = (now_ns() - began_ns) / NS_PER_S * 1_000
    node.stop()
    world.programs.remove(node)
    eventually(lambda: not world.control.state()["connections"], why="the node has hung up")
    return taken_ms


def main() -> int:
    options = argparse.ArgumentParser(prog="make cold", description=__doc__)
    options.add_argument("--rounds", type=int, default=20)
    rounds = options.parse_args().rounds
    ours: list[float] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), forked=False)
        try:
            world.environment["PRICING_DIAL_LIMIT"] = "1000"
            world.broker()
            world.exchange("--rate", RATE)
            for number in range(rounds + 1):
                progress(f"round {number} of {rounds}")
                bare.append(time_bare(world.environment["PRICING_UPSTREAM_URL"]))
                eventually(lambda: not world.control.state()["connections"], why="the bare client has hung up")
                ours.append(time_ours(world, number))
        finally:
            world.close()
    progress("")
    del ours[0], bare[0]  # what this process does for the first time
    added = [one - other for one, other in zip(ours, bare, strict=True)]
    for name, each in (("quotebus", ours), ("bare", bare), ("added", added)):
        print(f"{name:>9}: median {statistics.median(each):6.2f} ms, from {min(each):.2f} to {max(each):.2f}")
    within = statistics.median(added) <= MOST_MS
    print(f"added at most {MOST_MS} ms: {'yes' if within else 'NO'}")
    return 0 if within else 1


if __name__ == "__main__":
    sys.exit(main())

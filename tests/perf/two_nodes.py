"""A pricing node started beside a streaming one, without a common lock folder: it must not dial, and must not answer.

    python -m tests.perf.two_nodes [--starts N] [--beside N]

Each start is a real program with a lock folder of its own, as in a container, on the bus of one node that streams for a
client whose requests never cease. Counted are dials and acknowledgements of the newcomers, sockets at the exchange, and
every health of the first node that is not `streaming`. Exit status 1 unless all of them are 0.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
from itertools import cycle
from pathlib import Path

from quotebus import BusClient
from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns
from quotebus.bus.events import ConnectionHealth, SymbolsAcknowledged
from tests.support.eventlog import EventLog
from tests.support.programs import Program, eventually
from tests.support.world import World

ASK_EVERY_S = 0.1
SETTLES_WITHIN_S = 15


class Asking:
    """Changes what one client wants ten times a second, so that requests come while newcomers listen."""

    def __init__(self, client: BusClient) -> None:
        self._client = client
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for symbols in cycle((["SPY", "QQQ"], ["SPY"])):
            self._client.request(symbols)
            if self._ending.wait(ASK_EVERY_S):
                return

    def close(self) -> None:
        self._ending.set()
        self._thread.join(5)


def start(world: World, folder: Path, number: int) -> Program:
    """A node that shares the bus and the account with the first one, and nothing else."""
    folder.mkdir(exist_ok=True)
    return Program(
        "pricing-node",
        environment={**world.environment, "PRICING_NODE": f"n{number}", "PRICING_LOCK_DIR": str(folder)},
    )


def settle(log: EventLog, name: str) -> float:
    """How many milliseconds after its first health the newcomer waits for the other node, or does anything else."""
    _, began_ns = log.wait(ConnectionHealth, lambda health: health.node == name)
    _, at_ns = log.wait(
        ConnectionHealth,
        lambda health: health.node == name and (health.cause == "other_node" or health.state != "standby"),
        within_s=SETTLES_WITHIN_S,
    )
    return (at_ns - began_ns) / NS_PER_MS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=100)
    parser.add_argument("--beside", type=int, default=1, help="newcomers started at the same moment")
    options = parser.parse_args()
    began_ns, settled_ms = now_ns(), []
    with tempfile.TemporaryDirectory() as name:
        world = World(Path(name))
        try:
            world.broker()
            world.exchange("--rate", "50", "--max-connections", "100")
            world.node(PRICING_NODE="first")
            log = world.log(b"health.", b"symbols.acknowledged.")
            client = world.client("asker")
            client.request(["SPY"], wait_s=10)
            log.health("streaming")
            position = log.position()
            first = log.all(ConnectionHealth)[0].source
            asking = Asking(client)
            for number in range(0, options.starts, options.beside):
                beside = range(number, min(number + options.beside, options.starts))
                programs = {f"n{each}": start(world, Path(name) / f"n{each - number}", each) for each in beside}
                for node, program in programs.items():
                    settled_ms.append(settle(log, node))
                    assert program.stop() == 0
                if sys.stderr.isatty():
                    print(f"\r{beside[-1] + 1} of {options.starts} starts", end="", file=sys.stderr, flush=True)
            eventually(lambda: client.usable("SPY"))
            asking.close()
            sockets = world.control.state()["tcp_accepted_total"] - 1
        finally:
            world.close()
    healths = log.all(ConnectionHealth, since=position)
    dials = sum(health.source != first and health.state == "connecting" for health in healths)
    other = sum(health.source == first and health.state != "streaming" for health in healths)
    acks = log.all(SymbolsAcknowledged, since=position)
    foreign = sum(ack.source != first for ack in acks)
    print(f"{len(settled_ms)} starts in {(now_ns() - began_ns) / NS_PER_S:.0f} s: {dials} dials, {sockets} sockets and")
    print(f"{foreign} acknowledgements (of {len(acks)}) by newcomers; the first node left `streaming` {other} times;")
    print(f"a newcomer waits {statistics.median(settled_ms):.0f} ms after its first health, at most", end=" ")
    print(f"{max(settled_ms):.0f} ms")
    return 1 if dials or sockets or foreign or other else 0


if __name__ == "__main__":
    raise SystemExit(main())

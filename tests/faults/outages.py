"""Outages of a real exchange under a real node: how long it is blind after each. `make realoutages ARGS="--times 2"`.

Four ways to be away that fail at once, two that fail only by a deadline (the black hole, and a name server that does
not answer either), and five cuts in a row. Each outage begins with all connections cut; its end is when the exchange
is told to answer again; the name server stays away until the node is back. Each has a node of its own: one outage does
not use up the attempts of the next.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from quotebus import BusClient
from quotebus.bus.clock import NS_PER_S, now_ns
from tests.pricing.outages import FIVE_CUTS, OUTAGES_S, SILENT_BOUND_S, bound_s, quantile, show
from tests.support.programs import eventually
from tests.support.world import World

SLACK_S = 0.5
"""For processes and sockets, beyond what the rule allows."""
CUTS = 5
NO_NAMES = """
import os, socket, time
_ask = socket.getaddrinfo
def getaddrinfo(*arguments, **named):
    while os.path.exists({flag!r}):
        time.sleep(0.02)
    return _ask(*arguments, **named)
socket.getaddrinfo = getaddrinfo
"""
"""Loaded by the node's interpreter before its program: a name server that does not answer while a file exists."""


@dataclass(frozen=True)
class Kind:
    """A way to be away: the exchange's faults, and whether names cannot be looked up either."""

    faults: dict[str, object] = field(default_factory=dict)
    no_names: bool = False
    silent: bool = False
    """An attempt fails only by its deadline."""


KINDS = {
    "refused": Kind({"refuse": True}),
    "reset": Kind({"reset": True}),
    "closed after the handshake": Kind({"close_after_auth": 10_000}),
    "answered with 503": Kind({"http_status": 503}),
    "black hole": Kind({"black_hole": True}, silent=True),
    "no name server": Kind({"refuse": True}, no_names=True, silent=True),
}


class Line:
    """One node and one client on it, whose line is cut."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._no_names = world.folder / "no_names"
        (world.folder / "sitecustomize.py").write_text(NO_NAMES.format(flag=str(self._no_names)))
        self._node = world.node(PYTHONPATH=str(world.folder))
        self.client: BusClient = world.client()
        self.client.request(["SPY"], wait_s=30)
        eventually(lambda: self.client.usable("SPY"), 30, "usable before the outage")

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._no_names.unlink(missing_ok=True)
        self.client.close()
        self._node.stop()
        self._world.programs.remove(self._node)

    def cut(self, kind: Kind, outage_s: float) -> float:
        """One outage; the seconds from its end until prices may be used again."""
        control = self._world.control
        connection = self._connection()
        if outage_s > 0:
            control.faults(**kind.faults)
        if kind.no_names:
            self._no_names.touch()
        began_ns = now_ns()
        control.faults(cut="rst")
        time.sleep(max(0.0, outage_s - (now_ns() - began_ns) / NS_PER_S))  # its length, no wait for something to happen
        control.lift_faults()
        ended_ns = now_ns()
        eventually(lambda: self._is_back(connection), 60, "usable again")
        back_ns = now_ns()
        self._no_names.unlink(missing_ok=True)
        return (back_ns - ended_ns) / NS_PER_S

    def _is_back(self, connection: int) -> bool:
        """On another connection than the one that was cut."""
        return self._connection() > connection and bool(self.client.usable("SPY"))

    def _connection(self) -> int:
        health = self.client.health()
        return health.connection if health is not None else 0


def measure(world: World, kind: Kind, outage_s: float) -> float:
    with Line(world) as line:
        return line.cut(kind, outage_s)


def measure_cuts(world: World, outage_s: float, apart_s: float) -> float:
    """The longest blind spell of five cuts in a row, with so much streaming between them."""
    spells = []
    with Line(world) as line:
        for _ in range(CUTS):
            spells.append(line.cut(KINDS["refused"], outage_s))
            time.sleep(apart_s)  # how long it streams, no wait for something to happen
    return max(spells)


def run(world: World, arguments: argparse.Namespace) -> Iterator[bool]:
    """Row by row whether the bound was missed."""
    times = arguments.times
    for name, kind in KINDS.items():
        for outage_s in (each for each in OUTAGES_S if arguments.shortest <= each <= arguments.longest):
            if arguments.only in name:
                found = sorted(measure(world, kind, outage_s) for _ in range(times))
                worst = quantile(found, 0.95) if kind.silent else found[-1]
                yield show(
                    name, outage_s, found, worst, (SILENT_BOUND_S if kind.silent else bound_s(outage_s)) + SLACK_S
                )
    for outage_s, apart_s, bound in FIVE_CUTS:
        name = f"five cuts {apart_s:g} s apart, longest"
        if arguments.only in name:
            found = sorted(measure_cuts(world, outage_s, apart_s) for _ in range(times))
            yield show(name, outage_s, found, found[-1], bound + SLACK_S)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--only", default="", help="kinds whose name holds this")
    parser.add_argument("--shortest", type=float, default=0.0, help="leave out outages shorter than this many seconds")
    parser.add_argument("--longest", type=float, default=60.0, help="leave out outages longer than this many seconds")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        try:
            world.broker()
            world.exchange("--rate", "200")
            print(f"{'seconds blind after an outage':<36}{'outage':>8}{'p50':>8}{'worst':>8}{'bound':>8}", flush=True)
            wrong = sum(run(world, arguments))
        finally:
            world.close()
    print("yes" if not wrong else f"NO: {wrong} beyond their bounds")
    return min(1, wrong)


if __name__ == "__main__":
    raise SystemExit(main())

"""Outages of a real exchange under a real node: how long it is blind after each. `make realoutages ARGS="--times 2"`.

Three ways to be away that fail at once (refused, reset, closed after the handshake), and the black hole. Each outage
begins with all connections cut, and its end is when the exchange is told to answer again. Each has a node of its own,
so that one outage does not use up the attempts of the next.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from quotebus.bus.clock import NS_PER_S, now_ns
from tests.pricing.outages import OUTAGES_S, SILENT_BOUND_S, bound_s, quantile, show
from tests.support.programs import eventually
from tests.support.world import World

KINDS: dict[str, dict[str, object]] = {
    "refused": {"refuse": True},
    "reset": {"http_status": 503},
    "closed after the handshake": {"close_after_auth": 10_000},
    "black hole": {"black_hole": True},
}
SLACK_S = 0.5
"""For processes and sockets, beyond what the rule allows."""


def blind_s(world: World, faults: dict[str, object], outage_s: float) -> float:
    """One outage; the seconds from its end until the client's prices may be used again."""
    node = world.node()
    client = world.client()
    client.request(["SPY"], wait_s=30)
    eventually(lambda: client.usable("SPY"), 30, "usable before the outage")
    world.control.faults(**faults)
    world.control.faults(cut="rst")
    time.sleep(outage_s)  # the outage's length, no wait for something to happen
    world.control.lift_faults()
    ended_ns = now_ns()
    eventually(lambda: client.is_connected, 60, "streaming again")
    blind = (now_ns() - ended_ns) / NS_PER_S
    client.close()
    node.stop()
    return blind


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--longest", type=float, default=60.0, help="leave out outages longer than this many seconds")
    arguments = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        try:
            world.broker()
            world.exchange("--rate", "200")
            print(f"{'seconds blind after an outage':<36}{'outage':>8}{'p50':>8}{'worst':>8}{'bound':>8}", flush=True)
            for name, faults in KINDS.items():
                for outage_s in (each for each in OUTAGES_S if each <= arguments.longest):
                    found = sorted(blind_s(world, faults, outage_s) for _ in range(arguments.times))
                    silent = name == "black hole"
                    worst = quantile(found, 0.95) if silent else found[-1]
                    bound = (SILENT_BOUND_S if silent else bound_s(outage_s)) + SLACK_S
                    wrong += show(name, outage_s, found, worst, bound)
        finally:
            world.close()
    print("yes" if not wrong else f"NO: {wrong} beyond their bounds")
    return min(1, wrong)


if __name__ == "__main__":
    raise SystemExit(main())

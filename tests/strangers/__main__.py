"""What strangers cost the others: `make strangers ARGS="--times 3 --only topics"`.

A real broker, a real node on a simulated exchange, and a client that looks every 5 ms whether its price is usable.
Beside them each play of `plays.py`. Printed for each: the share of usable looks, the longest time without a message,
the most memory the broker took, each beside its bound.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from quotebus import BusClient
from tests.perf.figures import cpu_s, progress, rss_bytes
from tests.strangers.plays import MEMORY_MIB, PLAYS, SYMBOL, Play
from tests.support.programs import eventually
from tests.support.stranger import Stranger
from tests.support.world import World

LOOK_S = 0.005
AFTER_S = 1.5
"""How long the others are watched after a play: what a peer leaves behind is removed then."""
IDLE_CPU = 0.2
_SHORT_OF_FILES = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from quotebus.bus.cli.program import main
sys.exit(main(["broker"]))
"""


@dataclass
class Seen:
    """What the others noticed."""

    looks: int = 0
    usable: int = 0
    silence_s: float = 0.0
    memory_mib: int = 0
    complaint: str = ""
    """What the play itself found wrong."""


class Stage:
    """A bus with a client that holds a usable price."""

    def __init__(self, folder: Path) -> None:
        self.world = World(folder, engine="tcp")
        self.broker = self.world.broker("--bus-broker-memory-mib", str(MEMORY_MIB))
        self.world.exchange("--rate", "200")
        self.world.node()
        self.client: BusClient = self.world.client("honest")
        self.client.request([SYMBOL], wait_s=10)
        eventually(lambda: self.client.usable(SYMBOL))

    def watch(self, play: Play, rng: random.Random) -> Seen:
        """Look on while the play is on, and for a moment after."""
        seen = Seen()

        def run() -> None:
            try:
                play.run(self.world.settings(), rng)
            except AssertionError as error:
                seen.complaint = str(error) or "the play failed"

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        received, heard_at = self.client.counters["received"], time.monotonic()
        until = float("inf")
        while (now := time.monotonic()) < until:
            if not thread.is_alive() and until == float("inf"):
                until = now + AFTER_S
            seen.looks += 1
            seen.usable += self.client.usable(SYMBOL)
            if (count := self.client.counters["received"]) != received:
                received, heard_at = count, now
            seen.silence_s = max(seen.silence_s, now - heard_at)
            if seen.looks % 10 == 0:
                assert self.broker.process.poll() is None, f"the broker ended: {self.broker.lines[-5:]}"
                seen.memory_mib = max(seen.memory_mib, rss_bytes(self.broker.pid) >> 20)
            time.sleep(LOOK_S)  # between two looks, no wait for something to happen
        if play.usable:
            eventually(lambda: self.client.usable(SYMBOL), why=f"usable again after: {play.name}")
        return seen

    def restarts(self) -> int:
        return sum("beyond the bound" in line for line in self.broker.lines)


def play_all(stage: Stage, times: int, only: str, seed: int) -> bool:
    passed = True
    for play in PLAYS:
        if not re.search(only, play.name):
            continue
        for number in range(times):
            progress(f"{play.name}, {number + 1} of {times}")
            before = stage.restarts()
            seen = stage.watch(play, random.Random(seed + number))
            restarted = stage.restarts() > before
            share = seen.usable / seen.looks
            good = (
                not seen.complaint
                and share >= play.usable
                and seen.silence_s <= play.silence_s
                and restarted == play.restarts
                and (play.restarts or seen.memory_mib <= MEMORY_MIB)
            )
            says = f"{'restarted, ' if restarted else ''}{'ok' if good else 'NO'} {seen.complaint}".rstrip()
            print(
                f"{play.name:<34} {share:>7.1%} ({play.usable:.0%}) {seen.silence_s:>6.3f} s ({play.silence_s} s)"
                f" {seen.memory_mib:>5} MiB ({MEMORY_MIB})  {says}",
                flush=True,
            )
            passed = passed and good
    return passed


def run_out_of_files(folder: Path) -> bool:
    """A broker with 64 descriptors and 100 idle connections: what it costs, and whether it says so once."""
    world = World(folder, engine="tcp")
    broker = world.start("python", "-c", _SHORT_OF_FILES)
    words = broker.line("quotebus broker: publish").split()
    url = words[words.index("request") + 1]
    idle = [Stranger(url, b"PUB", handshake=False) for _ in range(100)]
    broker.line("too few file descriptors")
    before, began = cpu_s(broker.pid), time.monotonic()
    time.sleep(3)  # how long its processor time is measured, no wait for something to happen
    share = (cpu_s(broker.pid) - before) / (time.monotonic() - began)
    for stranger in idle:
        stranger.close()
    lines = sum("too few file descriptors" in line for line in broker.lines)
    world.close()
    good = share < IDLE_CPU and lines == 1
    print(f"{'100 connections, 64 descriptors':<34} {share:>7.1%} of a core ({IDLE_CPU:.0%})  {'ok' if good else 'NO'}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(prog="make strangers", description=__doc__)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--only", default="", help="a regular expression on the names")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(f"{'':<34} {'usable (at least)':<14} {'longest silence':<17} memory of the broker")
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder))
        try:
            passed = play_all(stage, options.times, options.only, options.seed)
        finally:
            stage.world.close()
    with tempfile.TemporaryDirectory() as folder:
        passed = run_out_of_files(Path(folder)) and passed
    print("all within their bounds" if passed else "NOT all within their bounds")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())

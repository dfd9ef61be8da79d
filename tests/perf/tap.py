"""What a tap costs the others: `python -m tests.perf.tap --rounds 16`; `--verb echo` for another than `top`.

Real broker, exchange, node, one fast subscriber. Each round has six spans in a drawn order: the subscriber alone;
beside a tap; beside one that is killed with SIGKILL in the middle; and, to compare, beside one more subscriber like
itself (`reader`: what any program that listens costs); beside a program that computes 4 % of the time, stands back
as the tap does, and has nothing to do with the bus (`aside`: what the machine makes of that); and beside taps that are
started one after the other and killed as soon as they have shown something (`started`: mostly what it costs to start
Python). The subscriber's latencies, exchange to typed quote, are compared by their medians over the rounds, and it may
lose nothing. Beside a tap that is attached or killed, its p99 may grow by less than a tenth.
"""

from __future__ import annotations

import argparse
import os
import platform
import pty
import random
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from quotebus import BusClient
from tests.perf.figures import cpu_s, family, median_interval, progress
from tests.perf.overload import SYMBOLS, TARGET, Subscriber, lost
from tests.support.world import World

SPANS = ("alone", "attached", "killed", "reader", "aside", "started")
JUDGED = ("alone", "attached", "killed")
BIN = Path(sys.executable).parent
ASIDE = """
import time
from quotebus.bus.tap.source import lower_priority
lower_priority(20)
while True:
    began_s = time.monotonic()
    while time.monotonic() < began_s + 0.0002:
        pass
    time.sleep(0.0048)
"""


class Taps:
    """At most one tap at a time, on a terminal of its own."""

    def __init__(self, world: World, verb: str) -> None:
        self._verb = verb
        self._environment = {**os.environ, **world.environment, "TERM": "xterm-256color"}
        self._process: subprocess.Popen[bytes] | None = None
        self._terminal = -1
        self.killed = 0

    def start(self) -> None:
        """Start one, and wait for the first that it shows."""
        self._terminal, its = pty.openpty()
        termios.tcsetwinsize(its, (40, 120))
        command = [str(BIN / "bus-tap"), self._verb]
        self._process = subprocess.Popen(command, env=self._environment, stdin=its, stdout=its, stderr=its)
        os.close(its)
        while (b"S0 " if self._verb == "top" else b"") not in self.shown():
            pass

    def shown(self) -> bytes:
        """Wait for more of a picture. SystemExit when the tap has ended."""
        try:
            return os.read(self._terminal, 65_536)
        except OSError:
            raise SystemExit("the tap has ended") from None

    def cpu_s(self) -> float:
        """Processor time so far, of the program and of the child in which it works."""
        return sum(cpu_s(pid) for pid in family(self._process.pid)) if self._process is not None else 0.0

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            os.close(self._terminal)
            self._process = None
            self.killed += 1


def span(kind: str, verb: str, world: World, seconds: float) -> dict[str, Any]:
    """The subscriber's report of so many seconds, with the tap's share of a core."""
    url = world.urls["subscribe"]
    aside = subprocess.Popen([sys.executable, "-c", ASIDE], start_new_session=True) if kind == "aside" else None
    taps, subscribers = Taps(world, verb), [Subscriber(url) for _ in range(2 if kind == "reader" else 1)]
    try:
        if kind in ("attached", "killed"):
            taps.start()
        if aside is not None:
            time.sleep(0.5)  # it is started, too
        time.sleep(0.5)
        began, used_s = time.monotonic(), taps.cpu_s()
        for subscriber in subscribers:
            subscriber.tell("go")
        while (left_s := began + seconds - time.monotonic()) > 0:
            if kind in ("alone", "reader", "aside") or (kind == "killed" and taps.killed):
                time.sleep(left_s)
            elif kind == "killed" and left_s <= seconds / 2:
                taps.kill()
            elif kind in ("attached", "killed"):
                taps.shown()
            else:
                taps.start()
                taps.kill()
        share = (taps.cpu_s() - used_s) / (time.monotonic() - began)
        for subscriber in subscribers:
            subscriber.tell("stop")
        killed = taps.killed
        taps.kill()
        world.control.faults(mute=True)  # it reads until nothing comes any more
        return {**subscribers[0].report(), "tap_core": share, "killed": killed}
    finally:
        world.control.lift_faults()
        taps.kill()
        if aside is not None:
            aside.kill()
            aside.wait()
        for subscriber in subscribers:
            subscriber.close()


@contextmanager
def market(rate: float) -> Iterator[World]:
    """A bus on which 100 symbols tick."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        try:
            world.broker()
            world.exchange("--rate", str(rate), "--quiet")
            world.node()
            with BusClient(world.settings(), name="tap-measurement") as bus:
                bus.request(SYMBOLS, wait_s=20)
                yield world
        finally:
            world.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--verb", choices=("top", "echo", "rate", "delay"), default="top")
    parser.add_argument("--rate", type=float, default=3_000, help="quotes a second over 100 symbols")
    parser.add_argument("--seconds", type=float, default=4, help="of a span")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {options.rounds} rounds, interleaved, "
          f"{options.rate:,.0f} quotes/s")  # fmt: skip
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in SPANS}
    with market(options.rate) as world:
        for number in range(options.rounds):
            for kind in random.sample(SPANS, len(SPANS)):
                progress(f"round {number + 1} of {options.rounds}: {kind}")
                found[kind].append(span(kind, options.verb, world, options.seconds))
    progress("")
    held = True
    alone = median(report["p99_ms"] for report in found["alone"])
    for kind, reports in found.items():
        p50, p99 = (median(report[name] for report in reports) for name in ("p50_ms", "p99_ms"))
        missing = sum(lost(report) for report in reports)
        pairs = [mine["p99_ms"] / beside["p99_ms"] for mine, beside in zip(reports, found["alone"], strict=True)]
        low, high = median_interval(pairs)
        print(f"{kind:<9} p50 {p50:.3f} ms  p99 {p99:.3f} ms  ratio {p99 / alone:.2f}"
              f"  (by pairs {median(pairs):.2f}, 95 % {low:.2f} to {high:.2f})  lost {missing}"
              f" of {sum(report['timed'] for report in reports):,}")  # fmt: skip
        held = held and missing == 0 and (kind not in JUDGED or p99 / alone < TARGET)
    print(f"attached, {options.verb} takes {median(r['tap_core'] for r in found['attached']):.2f} of a core; "
          f"{sum(r['killed'] for reports in found.values() for r in reports)} taps killed")  # fmt: skip
    print(f"the subscriber loses nothing, its p99 grows by less than 10 %: {'yes' if held else 'NO'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())

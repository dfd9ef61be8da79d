"""What a tap costs the others: `python -m tests.perf.tap --rounds 5`.

Real broker, exchange, node, one fast subscriber. Each round has four spans, their order turned from round to round:
the subscriber alone, beside `bus-tap top`, beside one that is killed with SIGKILL in the middle, and beside taps that
are started one after the other and killed as soon as they have drawn. The subscriber's latencies, exchange to typed
quote, are compared by their medians over the rounds, and it may lose nothing. The last span is shown and not judged: it
measures what starting Python programs back to back costs a machine of few cores.
"""

from __future__ import annotations

import argparse
import os
import platform
import pty
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

from bus import BusClient
from tests.perf.figures import cpu_s, progress
from tests.perf.overload import SYMBOLS, TARGET, Subscriber, lost
from tests.support.world import World

SPANS = ("alone", "attached", "killed", "started")
BIN = Path(sys.executable).parent


class Taps:
    """At most one `bus-tap top` at a time, on a terminal of its own."""

    def __init__(self, url: str) -> None:
        self._environment = {**os.environ, "BUS_SUBSCRIBE_URL": url, "TERM": "xterm-256color"}
        self._process: subprocess.Popen[bytes] | None = None
        self._terminal = -1
        self.killed = 0

    def start(self) -> None:
        """Start one, and wait for its first picture."""
        self._terminal, its = pty.openpty()
        termios.tcsetwinsize(its, (40, 120))
        command = [str(BIN / "bus-tap"), "top"]
        self._process = subprocess.Popen(
            command, env=self._environment, stdin=its, stdout=its, stderr=its, start_new_session=True
        )
        os.close(its)
        while b"S0 " not in self.shown():
            pass

    def shown(self) -> bytes:
        """Wait for more of a picture. SystemExit when the tap has ended."""
        try:
            return os.read(self._terminal, 65_536)
        except OSError:
            raise SystemExit("the tap has ended") from None

    def cpu_s(self) -> float:
        return cpu_s(self._process.pid) if self._process is not None else 0.0

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            os.close(self._terminal)
            self._process = None
            self.killed += 1


def span(kind: str, world: World, seconds: float) -> dict[str, Any]:
    """The subscriber's report of so many seconds, with the tap's share of a core."""
    url = world.environment["BUS_SUBSCRIBE_URL"]
    taps, fast = Taps(url), Subscriber(url)
    try:
        if kind in ("attached", "killed"):
            taps.start()
        time.sleep(0.5)
        began, used_s = time.monotonic(), taps.cpu_s()
        fast.tell("go")
        while (left_s := began + seconds - time.monotonic()) > 0:
            if kind == "alone" or (kind == "killed" and taps.killed):
                time.sleep(left_s)
            elif kind == "killed" and left_s <= seconds / 2:
                taps.kill()
            elif kind in ("attached", "killed"):
                taps.shown()
            else:
                taps.start()
                taps.kill()
        share = (taps.cpu_s() - used_s) / (time.monotonic() - began)
        fast.tell("stop")
        killed = taps.killed
        taps.kill()
        world.control.faults(mute=True)  # it reads until nothing comes any more
        return {**fast.report(), "tap_core": share, "killed": killed}
    finally:
        world.control.lift_faults()
        taps.kill()
        fast.close()


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
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=5_000, help="quotes a second over 100 symbols")
    parser.add_argument("--seconds", type=float, default=10, help="of a span")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {options.rounds} rounds, interleaved, "
          f"{options.rate:,.0f} quotes/s")  # fmt: skip
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in SPANS}
    with market(options.rate) as world:
        for number in range(options.rounds):
            turned = SPANS[number % len(SPANS) :] + SPANS[: number % len(SPANS)]
            for kind in turned:
                progress(f"round {number + 1} of {options.rounds}: {kind}")
                found[kind].append(span(kind, world, options.seconds))
    progress("")
    held = True
    alone = median(report["p99_ms"] for report in found["alone"])
    for kind, reports in found.items():
        p50, p99 = (median(report[name] for report in reports) for name in ("p50_ms", "p99_ms"))
        missing = sum(lost(report) for report in reports)
        pairs = [mine["p99_ms"] / beside["p99_ms"] for mine, beside in zip(reports, found["alone"], strict=True)]
        spans = [report["p99_ms"] for report in reports]
        print(f"{kind:<9} p50 {p50:.3f} ms  p99 {p99:.3f} ms ({min(spans):.2f} to {max(spans):.2f})"
              f"  ratio {p99 / alone:.3f} (pairs {', '.join(f'{pair:.2f}' for pair in pairs)})  lost {missing}"
              f" of {sum(report['timed'] for report in reports):,}")  # fmt: skip
        held = held and missing == 0 and (kind == "started" or p99 / alone < TARGET)
    print(f"attached, the tap takes {median(r['tap_core'] for r in found['attached']):.2f} of a core; "
          f"{sum(r['killed'] for reports in found.values() for r in reports)} taps killed")  # fmt: skip
    print(f"the subscriber loses nothing, its p99 grows by less than 10 %: {'yes' if held else 'NO'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())

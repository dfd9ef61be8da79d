"""A frozen and a slow subscriber beside a fast one: `python -m tests.perf.overload --rounds 5`.

Real broker, exchange, node and subscribers. Rounds alternate: the fast subscriber alone, and beside a frozen one
(SIGSTOP) and a slow one (a pause at every quote). Then everybody is let go on, the market stops, each symbol ticks
once more, and the rule is checked for each subscriber and symbol: what was published from its first quote on = what
it received + the gaps it counted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from quotebus import BusClient
from tests.perf.figures import progress, rss_bytes
from tests.support.programs import eventually
from tests.support.world import World

ROOT = Path(__file__).resolve().parents[2]
SYMBOLS = [f"S{number}" for number in range(100)]
SLOW_S = 0.002
TICKS = 5
"""How often each symbol ticks at the end, so that a reader that is late can see what it has lost."""
TARGET = 1.10
"""The fast subscriber's p99 beside the other two, against its p99 alone."""


class Subscriber:
    """One process of `tests.perf.subscriber`."""

    def __init__(self, url: str, pause_s: float = 0.0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.perf.subscriber", url, str(pause_s)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the subscriber has ended"
        return line

    def tell(self, order: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(order + "\n")
        self.process.stdin.flush()

    def report(self) -> dict[str, Any]:
        self.tell("report")
        answer: dict[str, Any] = json.loads(self._line())
        return answer

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


def unaccounted(report: dict[str, Any], published: dict[str, int]) -> int:
    """Quotes neither received nor counted as missing, over all symbols, from each one's first on. 0 is the rule."""
    total = 0
    for symbol, seq in published.items():
        first = report["first"].get(symbol, seq + 1)
        total += abs((seq - first + 1) - report["received"].get(symbol, 0) - report["gaps"].get(symbol, 0))
    return total


def lost(report: dict[str, Any]) -> int:
    return sum(report["gaps"].values())


def round_of(rate: float, seconds: float, *, beside: bool) -> dict[str, Any]:
    """One world: the fast one's latency, everybody's losses, whether all is accounted for, the broker's memory."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        subscribers: list[Subscriber] = []
        try:
            broker = world.broker()
            world.exchange("--rate", str(rate))
            world.node()
            url = world.urls["subscribe"]
            fast = Subscriber(url)
            subscribers = [fast, *([Subscriber(url, SLOW_S), Subscriber(url)] if beside else [])]
            with BusClient(world.settings(), name="overload") as bus:
                bus.request(SYMBOLS, wait_s=20)
                time.sleep(1)
                memory = most = rss_bytes(broker.pid)
                for frozen in subscribers[2:]:
                    frozen.freeze()
                fast.tell("go")
                ends = time.monotonic() + seconds
                while time.monotonic() < ends:
                    time.sleep(0.05)
                    most = max(most, rss_bytes(broker.pid))
                fast.tell("stop")
                reports = finish(world, bus, subscribers)
            published = reports.pop()
            return {
                "reports": reports,
                "published": sum(published.values()),
                "unaccounted": [unaccounted(report, published) for report in reports],
                "lost": [lost(report) for report in reports],
                "memory_mib": (most - memory) / 2**20,
                "broker_mib": most / 2**20,
            }
        finally:
            for subscriber in subscribers:
                subscriber.close()
            world.close()


def finish(world: World, bus: BusClient, subscribers: list[Subscriber]) -> list[dict[str, Any]]:
    """Let everybody go on, stop the market, let each symbol tick once more; the reports, and the last numbers."""
    for frozen in subscribers[2:]:
        frozen.thaw()
    world.control.faults(mute=True)
    for subscriber in subscribers:
        subscriber.tell("drain")
    sent = int(world.control.state()["connections"][0]["sent_quotes"])

    def published() -> dict[str, int]:
        return {symbol: quote.seq for symbol in SYMBOLS if (quote := bus.last_quote(symbol)) is not None}

    eventually(lambda: sum(published().values()) >= sent, within_s=60, why="the node has published everything")
    reports: list[dict[str, Any]] = []
    for ticks in range(1, TICKS + 1):
        time.sleep(4)  # a peer that was cut comes back within its heartbeat's time and reconnects; more under load
        for symbol in SYMBOLS:
            world.control.quote(symbol, 100.0, 100.1)
        last = sent + ticks * len(SYMBOLS)
        eventually(lambda last=last: sum(published().values()) >= last, within_s=60, why="the last quote of each")  # type: ignore[misc]
        reports = [subscriber.report() for subscriber in subscribers]
        if not any(unaccounted(report, published()) for report in reports):
            break
    return [*reports, published()]


def main() -> int:
    parser = argparse.ArgumentParser(prog="make overload", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rate", type=float, default=5_000, help="quotes a second over 100 symbols")
    parser.add_argument("--seconds", type=float, default=15, help="of a round; a frozen one is cut after 3")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, Python {platform.python_version()}, {options.rounds} rounds, interleaved, "
          f"{options.rate:,.0f} quotes/s")  # fmt: skip
    alone: list[dict[str, Any]] = []
    beside: list[dict[str, Any]] = []
    for number in range(options.rounds):
        progress(f"round {number + 1} of {options.rounds}")
        alone.append(round_of(options.rate, options.seconds, beside=False))
        beside.append(round_of(options.rate, options.seconds, beside=True))
    progress("")
    p99 = {name: statistics.median(r["reports"][0]["p99_ms"] for r in rounds)
           for name, rounds in (("alone", alone), ("beside", beside))}  # fmt: skip
    p50 = {name: statistics.median(r["reports"][0]["p50_ms"] for r in rounds)
           for name, rounds in (("alone", alone), ("beside", beside))}  # fmt: skip
    ratio = p99["beside"] / p99["alone"]
    pairs = [b["reports"][0]["p99_ms"] / a["reports"][0]["p99_ms"] for a, b in zip(alone, beside, strict=True)]
    print(f"fast, alone:             p50 {p50['alone']:.3f} ms, p99 {p99['alone']:.3f} ms")
    print(f"fast, beside the others: p50 {p50['beside']:.3f} ms, p99 {p99['beside']:.3f} ms")
    print(f"p99 ratio {ratio:.3f} (pairs {', '.join(f'{pair:.2f}' for pair in pairs)})")
    for index, name in enumerate(("fast", "slow", "frozen")):
        published = sum(r["published"] for r in beside)
        missing = sum(r["unaccounted"][index] for r in beside)
        print(
            f"{name:>7}: lost {sum(r['lost'][index] for r in beside):>9,} of {published:,}, unaccounted for {missing}"
        )
    grown, most = (max(r[name] for r in beside) for name in ("memory_mib", "broker_mib"))
    print(f"broker: grew by {grown:.0f} MiB to {most:.0f} MiB, alone by {max(r['memory_mib'] for r in alone):.0f} MiB")
    whole = all(not any(r["unaccounted"]) and r["lost"][0] == 0 for r in [*alone, *beside])
    print(f"the fast one loses nothing, everything accounted for: {'yes' if whole else 'NO'}; "
          f"p99 grows by less than 10 %: {'yes' if ratio < TARGET else 'NO'}")  # fmt: skip
    return 0 if whole and ratio < TARGET else 1


if __name__ == "__main__":
    sys.exit(main())

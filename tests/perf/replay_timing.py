"""How exactly a replay keeps time, and how fast `max` is beside only reading the same capture.

`python -m tests.perf.replay_timing --rounds 5`: at 1x, from a file and with the progress bar's thread beside it, how
late each quote is handed to the socket, relative to the recording; p50, p99 and worst, and how much of a core that
takes; for a calm market, a lively one and one that comes in bursts. Then at `max` messages a second to a worker that
decides on them, and the same capture read without a bus. `--busy N` lets so many other processes fight for the
processors meanwhile.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import quotebus.bus.capture.replay.player
from quotebus.bus.capture.format.captured import Captured
from quotebus.bus.capture.reader import Capture
from quotebus.bus.capture.replay.player import Player
from quotebus.bus.cli.replay import play_visibly
from quotebus.bus.clock import now_ns, sleep_s
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.player_sockets import PlayerSockets
from tests.perf.figures import quantile
from tests.support.market import Market, day, write
from tests.support.world import World

BURST = 100
BURST_SPACING_MS = 0.02
"""As far apart as a recorder takes the messages of a burst from its socket."""


class TimedStage(PlayerSockets):
    """Notes when each replayed data message was handed over."""

    sent: list[int] = []  # noqa: RUF012 - of the one player that runs

    def send(self, frame: bytes) -> bool:
        done = super().send(frame)
        if done and frame.startswith(b"quote."):
            self.sent.append(now_ns())
        return done


def steady(seconds: int, quotes_a_second: int) -> list[Captured]:
    market = Market()
    market.seconds(seconds, quotes_a_second)
    return market.entries


def bursts(seconds: int, bursts_a_second: int) -> list[Captured]:
    """So many bursts a second of BURST quotes each."""
    market = Market()
    for _ in range(seconds):
        market.health()
        for _ in range(bursts_a_second):
            for _ in range(BURST):
                market.quote("SPY")
                market.wait_ms(BURST_SPACING_MS)
            market.wait_ms(1_000 / bursts_a_second - BURST * BURST_SPACING_MS)
    return market.entries


@dataclass(slots=True)
class Lateness:
    """Of one market: milliseconds from when each quote was due to when it was sent, against the smallest."""

    path: Path
    late_ms: list[float] = field(default_factory=list)
    cores: list[float] = field(default_factory=list)

    def measure(self, settings: BusSettings) -> None:
        with Capture(self.path) as capture:
            quotes = [entry.received_ns for entry in capture if entry.topic.startswith("quote.")]
            TimedStage.sent = []
            player = Player(lambda _: capture.read(), settings, rate=1.0)
            began_ns, began_s = now_ns(), _cpu_s()
            quotebus.bus.capture.replay.player.PlayerSockets = TimedStage  # type: ignore[misc]
            try:
                play_visibly(player, quotes[0], quotes[-1])
            finally:
                quotebus.bus.capture.replay.player.PlayerSockets = PlayerSockets  # type: ignore[misc]
        self.cores.append((_cpu_s() - began_s) / ((now_ns() - began_ns) / 1e9))
        offsets = [at - due for at, due in zip(TimedStage.sent, quotes, strict=True)]
        smallest = min(offsets)
        self.late_ms += [(offset - smallest) / 1e6 for offset in offsets]

    def __str__(self) -> str:
        p50, p99 = (quantile(self.late_ms, share) for share in (0.5, 0.99))
        return (
            f"{len(self.late_ms)} quotes, late p50 {p50:.3f} ms, p99 {p99:.3f} ms, worst {max(self.late_ms):.3f} ms, "
            f"{statistics.median(self.cores):.0%} of a core"
        )


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def max_rate(world: World, path: Path) -> tuple[float, int]:
    """Messages a second at `max` to a worker that decides on them, and consumers that were let go."""
    worker = world.worker(EXECUTION_CLOCK="stream", EXECUTION_SYMBOLS="SPY,QQQ,AAPL", EXECUTION_INTERVAL_S="1")
    with Capture(path) as capture:

        def entries(_: int | None) -> Iterable[Captured]:
            return capture.read()

        player = Player(entries, world.settings(), rate=None, clients=1, wait_s=60)
        thread = threading.Thread(target=player.play)
        thread.start()
        while player.progress().waiting:
            sleep_s(0.001)
        began_ns = now_ns()
        thread.join()
        rate = player.progress().messages / ((now_ns() - began_ns) / 1e9)
    worker.stop()
    world.programs.remove(worker)
    return rate, player.counters["consumers_lost"]


def read_rate(path: Path) -> float:
    began_ns = now_ns()
    count = sum(1 for _ in Capture(path))
    return count / ((now_ns() - began_ns) / 1e9)


def measure_max(world: World, rounds: int) -> None:
    long = write(day(60, 2_500).entries, world.folder / "long.mcap")
    rates: list[float] = []
    reads: list[float] = []
    lost = 0
    for _ in range(rounds):
        rate, missing = max_rate(world, long)
        rates.append(rate)
        lost += missing
        reads.append(read_rate(long))
    ratio = statistics.median(one / other for one, other in zip(rates, reads, strict=True))
    print(f"max   {statistics.median(rates) / 1e3:.0f} k/s to a worker, {lost} let go; "
          f"reading alone {statistics.median(reads) / 1e3:.0f} k/s; ratio {ratio:.2f}")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6, help="length of the captures played at 1x; 0 leaves 1x out")
    parser.add_argument("--busy", type=int, default=0, help="other processes that want a processor for themselves")
    parser.add_argument("--no-max", action="store_true", help="only 1x")
    arguments = parser.parse_args()
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        world = opened.enter_context(closing(World(folder)))
        world.broker()
        for _ in range(arguments.busy):
            other = opened.enter_context(subprocess.Popen([sys.executable, "-c", "while True: pass"]))
            opened.callback(other.kill)
        if arguments.seconds:
            for name, entries in {
                "200/s": steady(arguments.seconds, 200),
                "2,000/s": steady(arguments.seconds, 2_000),
                f"20 bursts/s of {BURST}": bursts(arguments.seconds, 20),
            }.items():
                lateness = Lateness(write(entries, folder / f"{len(entries)}.mcap"))
                del entries
                for _ in range(arguments.rounds):
                    lateness.measure(world.settings())
                print(f"1x    {name}: {lateness}", flush=True)
        if not arguments.no_max:
            measure_max(world, arguments.rounds)


if __name__ == "__main__":
    main()

"""How exactly a replay keeps time, and how fast `max` is beside only reading the same capture.

`python -m tests.perf.replay_timing --rounds 5`: at 1x the lateness of each message when it is handed to the socket,
relative to the recording, p50, p99 and worst; at `max` messages a second to a worker that decides on them, and the same
capture read without a bus.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from bus.capture.captured import Captured
from bus.capture.player import Player
from bus.capture.reader import Capture
from bus.clock import now_ns, sleep_s
from bus.settings import BusSettings
from bus.transport.stage import Stage
from tests.support.market import day, write
from tests.support.world import World


class TimedStage(Stage):
    """Notes when each replayed data message was handed over."""

    sent: list[tuple[bytes, int]] = []  # noqa: RUF012 - of the one player that runs

    def send(self, frame: bytes) -> bool:
        done = super().send(frame)
        if done and frame.startswith(b"quote."):
            self.sent.append((frame, now_ns()))
        return done


def lateness_ms(settings: BusSettings, entries: list[Captured]) -> list[float]:
    """Milliseconds from when each quote was due to when it was sent, against the smallest."""
    import bus.capture.player as player_module

    TimedStage.sent.clear()
    player_module.Stage = TimedStage  # type: ignore[misc]
    try:
        Player(lambda _: entries, settings, rate=1.0).play()
    finally:
        player_module.Stage = Stage  # type: ignore[misc]
    recorded = [entry.received_ns for entry in entries if entry.topic.startswith("quote.")]
    offsets = [at - due for (_, at), due in zip(TimedStage.sent, recorded, strict=True)]
    smallest = min(offsets)
    return [(offset - smallest) / 1e6 for offset in offsets]


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
    return rate, player.counters["listeners_lost"]


def read_rate(path: Path) -> float:
    began_ns = now_ns()
    count = sum(1 for _ in Capture(path))
    return count / ((now_ns() - began_ns) / 1e9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=6, help="length of the capture played at 1x")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, closing(World(Path(folder))) as world:
        world.broker()
        short = day(arguments.seconds, 500).entries
        long = write(day(60, 2_500).entries, Path(folder) / "long.mcap")
        lates: list[float] = []
        rates: list[float] = []
        reads: list[float] = []
        lost = 0
        for _ in range(arguments.rounds):
            lates += lateness_ms(world.settings(), short)
            rate, missing = max_rate(world, long)
            rates.append(rate)
            lost += missing
            reads.append(read_rate(long))
        lates.sort()
        p99 = lates[int(len(lates) * 0.99)]
        print(f"1x    {len(lates)} quotes, late p50 {lates[len(lates) // 2]:.3f} ms, p99 {p99:.3f} ms, "
              f"worst {lates[-1]:.3f} ms")  # fmt: skip
        ratio = statistics.median(one / other for one, other in zip(rates, reads, strict=True))
        print(f"max   {statistics.median(rates) / 1e3:.0f} k/s to a worker, {lost} let go; "
              f"reading alone {statistics.median(reads) / 1e3:.0f} k/s; ratio {ratio:.2f}")  # fmt: skip


if __name__ == "__main__":
    main()

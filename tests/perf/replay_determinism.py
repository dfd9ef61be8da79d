"""The same capture at 1x, 10x and max, again and again, with the real programs: one hash of all decisions, or it fails.

`python -m tests.perf.replay_determinism --times 10 [--capture FILE]`: exit status 1 when two replays differ.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
from pathlib import Path

import zmq

from quotebus.bus.transport.zeromq.sockets import Role, make
from tests.support.market import day, write
from tests.support.programs import run
from tests.support.world import World

RATES = ("1", "10", "max")
_QUIET_MS = 2_000


def decisions(world: World, capture: Path, rate: str, symbols: str) -> list[bytes]:
    """The decision messages of one replay, byte for byte."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    subscriber = make(context, Role.SUBSCRIBE)
    subscriber.subscribe(b"decision.execution-worker\0")
    subscriber.connect(world.urls["subscribe"])
    worker = world.worker(EXECUTION_CLOCK="stream", EXECUTION_SYMBOLS=symbols, EXECUTION_INTERVAL_S="0.05")
    status, printed = run(
        "quotebus", "replay", str(capture), "--rate", rate, "--wait", "60",
        environment=world.environment, within_s=24 * 3600,
    )  # fmt: skip
    if status:
        raise SystemExit(printed)
    frames: list[bytes] = []
    while subscriber.poll(_QUIET_MS):
        frame = subscriber.recv()
        if b"replay:execution-worker" in frame[:80]:  # not those that were recorded
            frames.append(frame)
    worker.stop()
    world.programs.remove(worker)
    context.destroy(linger=0)
    return frames


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--capture", type=Path, help="a capture of your own instead of one made up")
    parser.add_argument("--symbols", default="SPY,QQQ,AAPL")
    parser.add_argument("--rates", nargs="+", default=RATES)
    arguments = parser.parse_args()
    hashes: set[str] = set()
    with tempfile.TemporaryDirectory() as folder:
        capture = arguments.capture or write(day(12, 4_000).entries, Path(folder) / "day.mcap")
        world = World(Path(folder))
        world.broker()
        try:
            for number in range(arguments.times):
                for rate in arguments.rates:
                    frames = decisions(world, capture, rate, arguments.symbols)
                    found = hashlib.sha256(b"".join(frames)).hexdigest()[:16]
                    hashes.add(found)
                    print(f"{number + 1:>4}  {rate:>4}x  {len(frames)} decisions  {found}", flush=True)
        finally:
            world.close()
    print(f"{len(hashes)} different" if len(hashes) > 1 else "all the same")
    return int(len(hashes) > 1)


if __name__ == "__main__":
    sys.exit(main())

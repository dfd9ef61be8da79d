"""kill -9 of a real recorder at random moments: each time an exact prefix, at most 100 ms short, recovered by the next.

    python -m tests.perf.capture_kills [--times N] [--rate MESSAGES_A_SECOND] [--seed N]

Exit status 1 if a file holds anything but a prefix of what was published, or is not recovered; or if, by the median,
more than the promised 100 ms are missing (single ones are printed: on a busy machine a recorder may not have run).
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
from pathlib import Path

from quotebus.bus.capture import Capture
from quotebus.bus.capture.inspect.verify import verify
from quotebus.bus.clock import NS_PER_MS, sleep_s, utc_ns
from quotebus.bus.codec import envelope
from tests.support.programs import Program, eventually
from tests.support.publisher import Publisher
from tests.support.world import World

PROMISED_MS = 100


def killed(world: World, publisher: Publisher, folder: Path, after_s: float) -> tuple[str | None, float]:
    """Record, kill after so long, compare. What is wrong, and how many milliseconds are missing at the end."""
    program = Program("quotebus", "record", "quote.", "-o", f"{folder}/", environment=world.environment)
    world.programs.append(program)
    part = folder / program.line("record: recording", within_s=30).split()[3]
    part = part.with_name(part.name + ".part")
    eventually(lambda: part.stat().st_size > 2_000)
    sleep_s(after_s)
    killed_ns = utc_ns()
    program.kill()
    capture = Capture(part)
    read = [message.frame for message in capture]
    if capture.damage is None or not capture.damage.cut_off:
        return f"damaged: {capture.damage}", 0.0
    sent = list(publisher.sent)
    begin = sent.index(read[0]) if read and read[0] in sent else -1
    if begin < 0 or sent[begin : begin + len(read)] != read:
        return "not a prefix of what was published", 0.0
    next_sent = begin + len(read)
    if next_sent >= len(sent):
        return None, 0.0
    first_missing = envelope(sent[next_sent])[1].published_ns
    return None, max(0.0, (killed_ns - first_missing) / NS_PER_MS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    wrong, short = 0, []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "captures"
        world = World(Path(name))
        try:
            world.broker()
            publisher = Publisher(world.urls["publish"], options.rate)
            for number in range(options.times):
                what, missing_ms = killed(world, publisher, folder, chance.uniform(0, 0.5))
                short.append(missing_ms)
                if what or missing_ms > PROMISED_MS:
                    print(f"kill {number + 1}: {what or f'{missing_ms:.0f} ms are missing'}")
                wrong += what is not None
                if sys.stderr.isatty():
                    print(f"\r{number + 1} of {options.times} kills", end="", file=sys.stderr, flush=True)
                if len(publisher.sent) > 1_000_000:
                    del publisher.sent[:500_000]
            last = Program("quotebus", "record", "quote.", "-o", f"{folder}/", environment=world.environment)
            world.programs.append(last)
            eventually(lambda: len(list(folder.glob("*.mcap"))) >= options.times, within_s=60)
            publisher.close()
            assert last.stop() == 0
            for file in folder.iterdir():
                if file.suffix != ".mcap" or not verify(Capture(file)).whole:
                    wrong += 1
                    print(f"{file.name}: not whole after recovery")
        finally:
            world.close()
    late = sum(ms > PROMISED_MS for ms in short)
    print(f"{options.times} kills: {wrong} wrong, {late} more than {PROMISED_MS} ms short;", end=" ")
    print(f"missing at the end: median {statistics.median(short):.0f} ms, most {max(short):.0f} ms")
    return 1 if wrong or statistics.median(short) > PROMISED_MS else 0


if __name__ == "__main__":
    raise SystemExit(main())

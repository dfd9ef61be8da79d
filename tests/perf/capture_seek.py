"""How long it takes to read the end of a capture, by its index and by reading through.

`python -m tests.perf.capture_seek --minutes 20`: the last minute of so many, 500 quotes a second; the file whole, and
the same file without its last byte, which leaves it without an index.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from quotebus.bus.capture.reader import Capture
from quotebus.bus.clock import NS_PER_S, now_ns
from tests.support.market import Market, write


def timed_s(path: Path, from_ns: int) -> tuple[float, int]:
    began_ns = now_ns()
    count = sum(1 for _ in Capture(path).read(from_ns=from_ns))
    return (now_ns() - began_ns) / NS_PER_S, count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=20)
    arguments = parser.parse_args()
    market = Market()
    market.seconds(60 * arguments.minutes, 500)
    from_ns = market.at_ns - 60 * NS_PER_S
    with tempfile.TemporaryDirectory() as folder:
        path = write(market.entries, Path(folder) / "whole.mcap")
        indexed_s, count = timed_s(path, from_ns)
        path.write_bytes(path.read_bytes()[:-1])
        through_s, again = timed_s(path, from_ns)
        assert count == again
        print(f"last minute of {arguments.minutes}, {count:,} of {len(market.entries):,} messages: by the index "
              f"{indexed_s:.3f} s, reading through {through_s:.3f} s; ratio {through_s / indexed_s:.1f}")  # fmt: skip


if __name__ == "__main__":
    main()

"""Every truncation and every flipped bit of a small capture: each must be found, and what is read be an exact prefix.

    python -m tests.perf.capture_damage [--every N]

Exit status 1 if one is not.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.support.captures import flips, truncations, write_golden


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1, help="only each Nth cut and bit")
    every: int = parser.parse_args().every
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        path, copy = write_golden(Path(folder) / "whole.mcap"), Path(folder) / "broken.mcap"
        part = path.with_name("unfinished.mcap.part")
        part.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        for name, damaged in (("truncations", truncations), ("flipped bits", flips)):
            for file in (path, part):
                tried = 0
                for what, complaint in damaged(file, copy, every):
                    tried += 1
                    if complaint:
                        missed += 1
                        print(f"{file.name}: {what}: {complaint}")
                print(f"{file.name} ({file.stat().st_size} bytes): {tried} {name}, {missed} missed so far")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())

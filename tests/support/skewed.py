"""Runs one of our programs with clocks of its own: `python -m tests.support.skewed FILE PROGRAM ARGUMENTS…`.

The first 16 bytes of the file are two integers, nanoseconds: how far its wall clock is off, and how far its clock since
boot, which a suspended machine shows ahead. They may change while the program runs. Nothing in the programs knows this.
"""

from __future__ import annotations

import importlib
import mmap
import struct
import sys
import time
from pathlib import Path

from tests.support.forkserver import PROGRAMS

OFFSETS = struct.Struct("<qq")


class Clocks:
    """The offsets of one program, set from the test."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.set()

    def set(self, wall_s: float = 0.0, boot_s: float = 0.0) -> None:
        """From now on the program's clocks are off by so much."""
        content = OFFSETS.pack(int(wall_s * 1e9), int(boot_s * 1e9))
        if self.file.exists():
            with self.file.open("r+b") as file:
                file.write(content)
        else:
            self.file.write_bytes(content)


def main() -> None:
    path, name, *arguments = sys.argv[1:]
    with Path(path).open("rb") as file:
        offsets = mmap.mmap(file.fileno(), OFFSETS.size, prot=mmap.PROT_READ)
    read_wall_ns, read_clock_ns = time.time_ns, time.clock_gettime_ns

    def time_ns() -> int:
        return read_wall_ns() + OFFSETS.unpack_from(offsets)[0]

    def clock_gettime_ns(clock: int) -> int:
        return read_clock_ns(clock) + (OFFSETS.unpack_from(offsets)[1] if clock == time.CLOCK_BOOTTIME else 0)

    time.time_ns, time.clock_gettime_ns = time_ns, clock_gettime_ns
    sys.argv = [name, *arguments]
    sys.exit(importlib.import_module(PROGRAMS[name]).main())


if __name__ == "__main__":
    main()

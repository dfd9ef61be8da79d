"""One way to log for every program: one line an event on stderr, time in UTC to the millisecond."""

from __future__ import annotations

import logging
import time


class _Utc(logging.Formatter):
    @staticmethod
    def converter(timestamp: float | None) -> time.struct_time:
        return time.gmtime(timestamp)


def compact_utc(utc_ns: int) -> str:
    """An instant as it stands in file names, to the second: `20260105T143000Z`."""
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(utc_ns // 1_000_000_000))


def setup(level: int = logging.INFO) -> None:
    """Configure the root logger of a program's process."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Utc("%(asctime)s.%(msecs)03dZ %(message)s", datefmt="%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[handler], force=True)

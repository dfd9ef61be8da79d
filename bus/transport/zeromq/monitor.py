"""What a ZeroMQ socket's monitor tells of its connections."""

from __future__ import annotations

import struct
from typing import NamedTuple

import zmq

BURST = 1_000
"""Messages of a monitor, or of an XPUB's subscribers, that are read in one go."""
_CHANGE = struct.Struct("=HI")


class Change(NamedTuple):
    """One event of a socket's monitor. `value` is a descriptor for those that tell of a connection, see its manual."""

    event: int
    value: int


def read_monitor(monitor: zmq.Socket[bytes]) -> list[Change]:
    """What a socket's monitor has told; events that nobody reads would stop ZeroMQ's I/O thread in the end."""
    changes: list[Change] = []
    try:
        for _ in range(BURST):
            changes.append(Change(*_CHANGE.unpack(monitor.recv_multipart(zmq.NOBLOCK)[0])))  # noqa: PERF401
    except zmq.Again:
        pass
    return changes

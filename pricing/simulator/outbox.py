"""Bytes queued for one client, in order, with a record of what has really been written. Pure.

`put` appends, `ready` returns what may be written now, `mark_written` takes how much the socket took and returns the
frames that are completely written. `hold` holds back everything past a position, as when a connection
freezes in mid-frame.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from quotebus.pricing.simulator.records import Written

CHUNK_BYTES = 262_144


class OutboundFrame(NamedTuple):
    """A frame that ends at this position of the byte stream and carries these records."""

    end: int
    records: Sequence[Written]


class Outbox:
    """The send buffer of one connection. `put_total`, `written_total` and positions count bytes since its start."""

    def __init__(self) -> None:
        self.put_total = 0
        self.written_total = 0
        self._delayed: deque[tuple[int, bytes]] = deque()
        self._delayed_until_ns = 0
        self._waiting: deque[bytes] = deque()
        self._chunk = memoryview(b"")
        self._frames: deque[OutboundFrame] = deque()
        self._hold_at: int | None = None

    def buffered(self) -> int:
        """Bytes put and not yet written."""
        return self.put_total - self.written_total

    def put(self, data: bytes, due_ns: int = 0) -> None:
        """Append bytes. With `due_ns` they wait until then, and never overtake what was put before."""
        self.put_total += len(data)
        if due_ns or self._delayed:
            self._delayed_until_ns = max(due_ns, self._delayed_until_ns)
            self._delayed.append((self._delayed_until_ns, data))
        else:
            self._waiting.append(data)

    def put_frame(self, data: bytes, records: Sequence[Written], due_ns: int = 0) -> None:
        """Append one frame, to be returned by `mark_written`."""
        self.put(data, due_ns)
        self._frames.append(OutboundFrame(self.put_total, records))

    def hold(self, position: int | None) -> None:
        """Hold back every byte past this position; None ends that."""
        self._hold_at = position

    def discard(self) -> None:
        """Forget everything not yet written."""
        self._delayed.clear()
        self._waiting.clear()
        self._frames.clear()
        self._chunk = memoryview(b"")
        self.put_total = self.written_total

    def ready(self, now_ns: int) -> memoryview:
        """The next bytes that may be written now; empty if none."""
        while self._delayed and self._delayed[0][0] <= now_ns:
            self._waiting.append(self._delayed.popleft()[1])
        if not self._chunk and self._waiting:
            parts, size = [], 0
            while self._waiting and size < CHUNK_BYTES:
                parts.append(self._waiting.popleft())
                size += len(parts[-1])
            self._chunk = memoryview(b"".join(parts) if len(parts) > 1 else parts[0])
        if self._hold_at is None:
            return self._chunk
        return self._chunk[: max(0, self._hold_at - self.written_total)]

    def mark_written(self, count: int) -> list[OutboundFrame]:
        """The socket took `count` bytes of `ready`. Returns the frames that are now completely written."""
        self.written_total += count
        self._chunk = self._chunk[count:]
        done = []
        frames = self._frames
        while frames and frames[0].end <= self.written_total:
            done.append(frames.popleft())
        return done

    def last_due_ns(self) -> int:
        """When the last of the delayed bytes becomes ready; 0 if none is delayed."""
        return self._delayed[-1][0] if self._delayed else 0

    def next_ns(self) -> int | None:
        """When delayed bytes become ready; None if there are none, or if they are held back."""
        if not self._delayed or (self._hold_at is not None and self.written_total >= self._hold_at):
            return None
        return self._delayed[0][0]

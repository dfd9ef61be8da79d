"""The recorder's way to the disk: a thread that writes, a thread that syncs, and a bounded queue in front of them.

The thread that receives from the bus never waits for a disk. It asks for `room`, hands chunks over, and watches
`failure` and `busy_ns`.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from quotebus.bus.capture.format.chunks import PackedChunk
from quotebus.bus.capture.format.file_names import find_free_name
from quotebus.bus.capture.format.metadata import ROTATED
from quotebus.bus.capture.format.writer import CaptureWriter
from quotebus.bus.clock import now_ns
from quotebus.bus.events import Cause

_log = logging.getLogger(__name__)
_CAUSES = {
    errno.ENOSPC: Cause.DISK_FULL,
    errno.EDQUOT: Cause.DISK_FULL,
    errno.EFBIG: Cause.DISK_FULL,
    errno.EROFS: Cause.READ_ONLY,
    errno.EACCES: Cause.READ_ONLY,
    errno.EPERM: Cause.READ_ONLY,
    errno.ETIMEDOUT: Cause.SLOW_DISK,
}
Open = Callable[[Path, int, int], CaptureWriter]
"""Opens the writer for a path, a segment number and a first sequence."""


def find_cause(error: OSError) -> Cause:
    """The cause of a disk error, as published on the bus."""
    return _CAUSES.get(error.errno or 0, Cause.DISK_ERROR)


class Disk:
    """Writes the segments of one run. `failure` is final; what was queued at that moment is lost, and counted."""

    def __init__(self, base: Path, opened: Open, *, queue_bytes: int, sync_s: float) -> None:
        self.failure: OSError | None = None
        self.file = ""
        self.messages = self.bytes = self.segment_bytes = self.lost = 0
        self.segment = -1
        """The number of the segment being written; -1 until its file exists."""
        self._base = base
        self._open = opened
        self._queue_bytes = queue_bytes
        self._sync_s = sync_s
        self._queue: deque[PackedChunk | str] = deque()
        self._queued = self._rotations = 0
        self._changed = threading.Condition()
        self._ending = False
        self._ended = threading.Event()
        self._wrote = threading.Event()
        self._busy: dict[str, int] = {}
        self._lost_so_far = self._writing = 0
        self._sequence = 0
        self._writer: CaptureWriter | None = None
        self._sync_fd = -1
        self._fd_lock = threading.Lock()

    def start(self) -> None:
        for name, target in (("capture-write", self._write), ("capture-sync", self._sync)):
            threading.Thread(target=target, name=name, daemon=True).start()

    # for the receiving thread

    @property
    def rotating(self) -> bool:
        """Whether a requested rotation has not happened yet."""
        return self._rotations != max(0, self.segment)

    @property
    def room(self) -> bool:
        """Whether another chunk may be packed."""
        return self._queued < self._queue_bytes and self.failure is None

    def put(self, packed: PackedChunk, lost: int) -> None:
        """Hand over a chunk; `lost` is the run's losses so far, for the end of the segment."""
        with self._changed:
            if self.failure is not None:  # it failed after `room` was asked
                self.lost += packed.heard
                return
            self._lost_so_far = lost
            self._queue.append(packed)
            self._queued += len(packed.data)
            self._changed.notify()

    def rotate(self) -> None:
        """Write what follows into the next segment."""
        with self._changed:
            self._rotations += 1
            self._queue.append(ROTATED)
            self._changed.notify()

    def busy_ns(self, at_ns: int) -> int:
        """How long the slowest operation in progress has taken so far."""
        return max((at_ns - since_ns for since_ns in list(self._busy.values())), default=0)

    def end(self, timeout_s: float) -> bool:
        """Write what is queued and complete the file; False if that fails or does not end in time."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        return self._ended.wait(timeout_s) and self.failure is None

    def give_up(self, why: str) -> None:
        """Treat a disk that does not answer as failed; no effect if it has failed already."""
        self._fail(OSError(errno.ETIMEDOUT, why))

    # the threads

    def _write(self) -> None:
        try:
            self._guarded("open", self._next_segment)
            while (item := self._next()) is not None:
                if isinstance(item, str):
                    self._guarded("close", self._finish, item)
                    self._guarded("open", self._next_segment)
                else:
                    self._guarded("write", self._write_chunk, item)
            if self.failure is None:
                self._guarded("close", self._finish, "stopped")
        except OSError as error:
            self._fail(error)
        if self.failure is not None and self._writer is not None:
            self._writer.abandon()
        self._ended.set()
        self._wrote.set()

    def _guarded(self, name: str, act: Callable[..., None], *arguments: object) -> None:
        self._busy[name] = now_ns()
        try:
            act(*arguments)
        finally:
            del self._busy[name]

    def _next(self) -> PackedChunk | str | None:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._queue) or self._ending)
            if not self._queue:
                return None
            item = self._queue.popleft()
            if isinstance(item, PackedChunk):
                self._queued -= len(item.data)
                self._writing = item.heard
            return item

    def _write_chunk(self, packed: PackedChunk) -> None:
        assert self._writer is not None
        before = self._writer.bytes
        self._writer.write_chunk(packed)
        with self._changed:
            if self.failure is not None:  # given up meanwhile, and this chunk counted as lost
                return
            self._writing = 0
            self.messages += packed.messages
        self._sequence += packed.messages
        self.segment_bytes = self._writer.bytes
        self.bytes += self.segment_bytes - before
        self._wrote.set()
        _log.debug("chunk written: %d messages, %d bytes", packed.messages, self.segment_bytes - before)

    def _next_segment(self) -> None:
        self._base.parent.mkdir(parents=True, exist_ok=True)
        path = find_free_name(self._base)
        writer = self._open(path, self.segment + 1, self._sequence + 1)
        with self._fd_lock:
            self._writer = writer
            self._sync_fd = os.open(writer.part, os.O_RDONLY | os.O_CLOEXEC)
        self.segment_bytes = writer.bytes
        self.bytes += writer.bytes
        self.file = path.name
        self.segment += 1
        _log.debug("segment %d begins: %s, first message %d", self.segment, path, self._sequence + 1)

    def _finish(self, cause: str) -> None:
        assert self._writer is not None
        with self._fd_lock:
            os.close(self._sync_fd)
            self._sync_fd = -1
        before = self._writer.bytes
        self._writer.lost = self._lost_so_far
        self._writer.close(cause)
        self.bytes += self._writer.bytes - before
        _log.debug("segment %d ends (%s): %d messages", self.segment, cause, self._writer.messages)

    def _sync(self) -> None:
        while not self._ended.wait(self._sync_s):
            self._wrote.wait()
            self._wrote.clear()
            with self._fd_lock:
                descriptor = os.dup(self._sync_fd) if self._sync_fd >= 0 else -1
            if descriptor < 0:
                continue
            try:
                self._guarded("sync", os.fsync, descriptor)
                self._guarded("look", self._look_for_file)
            except OSError as error:
                self._fail(error)
                return
            finally:
                os.close(descriptor)

    def _look_for_file(self) -> None:
        """Raise OSError if the file being written can no longer be found: it or its folder was moved or removed."""
        with self._fd_lock:
            if self._sync_fd < 0 or self._writer is None:
                return
            part = self._writer.part
            try:
                there = os.path.samestat(os.fstat(self._sync_fd), part.stat())
            except FileNotFoundError:
                there = False
        if not there:
            raise OSError(errno.ENOENT, f"{part.name} was moved or removed while it was written")

    def _fail(self, error: OSError) -> None:
        with self._changed:
            if self.failure is not None:
                return
            self.failure = error
            _log.debug("disk failed: %s", error)
            self.lost += self._writing + sum(item.heard for item in self._queue if isinstance(item, PackedChunk))
            self._queue.clear()
            self._queued = 0
            self._ending = True
            self._changed.notify()

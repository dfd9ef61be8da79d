"""The recorder: receives from the bus, packs, hands chunks to the disk, and publishes how that goes."""

from __future__ import annotations

import logging
import os
import platform
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

from quotebus.bus.capture.format.chunks import MAX_TOPICS
from quotebus.bus.capture.format.file_names import SUFFIX
from quotebus.bus.capture.format.metadata import CaptureMetadata
from quotebus.bus.capture.format.writer import CaptureWriter
from quotebus.bus.capture.record.disk import Disk, find_cause
from quotebus.bus.capture.record.frame_packer import FramePacker
from quotebus.bus.capture.record.settings import RecordSettings
from quotebus.bus.clock import NS_PER_S, now_ns, seconds, to_utc_ns, utc_ns
from quotebus.bus.errors import IllegalTransition
from quotebus.bus.events import Cause, Counters, Event, RecorderHealth, RecorderState
from quotebus.bus.process.log import compact_utc

_log = logging.getLogger(__name__)
BATCH = 256
_POLL_MS = 20
_DRAIN_NS = NS_PER_S // 2
_FINISH_S = 1.2
_SLOW_NS = NS_PER_S
TRANSITIONS: dict[RecorderState, frozenset[RecorderState]] = {
    RecorderState.STARTING: frozenset({RecorderState.RECORDING, RecorderState.FAILED, RecorderState.STOPPED}),
    RecorderState.RECORDING: frozenset({RecorderState.SLOW, RecorderState.FAILED, RecorderState.STOPPED}),
    RecorderState.SLOW: frozenset({RecorderState.RECORDING, RecorderState.FAILED, RecorderState.STOPPED}),
    RecorderState.FAILED: frozenset(),
    RecorderState.STOPPED: frozenset(),
}


class BusConnection(Protocol):
    """What the recorder needs from its connection to the bus."""

    @property
    def connected(self) -> bool: ...
    @property
    def dropped(self) -> int: ...
    @property
    def not_subscribed(self) -> int: ...
    @property
    def forged(self) -> int: ...
    def receive(self, limit: int, timeout_ms: int) -> list[bytes]: ...
    def publish(self, event: Event) -> None: ...
    def send(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class RecordingProgress:
    """The state of a recording; `connected`, `rate` and `lag_ns` cover the last second."""

    state: RecorderState
    cause: Cause
    detail: str
    file: str
    messages: int
    bytes: int
    lost: int
    rate: float
    lag_ns: int | None
    free_bytes: int | None
    connected: bool = True


class Recorder:
    """One run. `run` blocks until `stop` or until the disk fails; `state` then says which."""

    def __init__(
        self,
        settings: RecordSettings,
        ear: BusConnection,
        source: str,
        base: Path,
        *,
        on_progress: Callable[[RecordingProgress], None] = lambda _: None,
    ) -> None:
        """`base`: the file to write, or the first of several. `source`: the recorder's source on the bus."""
        self.state, self.cause = RecorderState.STARTING, Cause.DEMAND
        self.detail = ""
        self.run_id = os.urandom(8).hex()
        self.packer = FramePacker(source, tuple(settings.topics))
        self.disk = Disk(
            base,
            self._open,
            queue_bytes=settings.record_queue_mb << 20,
            sync_s=settings.record_sync_s,
        )
        self._settings, self._ear, self._source, self._base = settings, ear, source, base
        self._on_progress = on_progress
        self._stopping = False
        self._segment_since_ns = self._rotated_at = 0
        self._last_second = (now_ns(), 0)
        self._rate = 0.0
        self._lag_ns: int | None = None
        self._connected = True  # until it is first checked: connecting takes a moment

    def stop(self) -> None:
        """Make `run` end in order, within two seconds. May be called from any thread."""
        self._stopping = True

    def run(self) -> None:
        """Record until `stop` or until the disk fails."""
        self.disk.start()
        self._segment_since_ns = now_ns()
        next_second_ns = now_ns() + NS_PER_S // 4
        while not self._stopping and self.state is not RecorderState.FAILED:
            self._take(_POLL_MS)
            self._rotate()
            self._judge()
            if now_ns() >= next_second_ns:
                next_second_ns = now_ns() + NS_PER_S
                self._each_second()
            self._ear.send()
        if self.state is not RecorderState.FAILED:
            self._finish()
        self._report()
        deadline_ns = now_ns() + NS_PER_S // 2
        while not self._ear.send() and now_ns() < deadline_ns:
            self._ear.receive(BATCH, _POLL_MS)

    def progress(self) -> RecordingProgress:
        """The state of the recording now."""
        return RecordingProgress(
            state=self.state,
            cause=self.cause,
            detail=self.detail,
            file=self.disk.file,
            messages=self.disk.messages,
            bytes=self.disk.bytes,
            lost=self.packer.lost + self.disk.lost + (self.packer.builder.heard if self.disk.failure else 0),
            rate=self._rate,
            lag_ns=self._lag_ns,
            free_bytes=_free_bytes(self._base.parent),
            connected=self._connected,
        )

    def _take(self, timeout_ms: int) -> bool:
        """Take one batch from the bus; False if nothing came."""
        frames = self._ear.receive(BATCH, timeout_ms)
        received_ns = utc_ns()
        packed = self.packer.receive(frames, received_ns, room=self.disk.room)
        if self.packer.is_due(received_ns):
            packed += filter(None, [self.packer.flush(received_ns)])
        for chunk in packed:
            self.disk.put(chunk, self.packer.lost)
        if frames and self.packer.newest_ns:
            lag_ns = max(0, received_ns - self.packer.newest_ns)
            self._lag_ns = lag_ns if self._lag_ns is None else max(lag_ns, self._lag_ns)
        return bool(frames)

    def _rotate(self) -> None:
        """Begin a new file if the current one is large or old, or has as many topics as a file may have."""
        settings, disk = self._settings, self.disk
        builder = self.packer.builder
        if disk.rotating or builder.sequence == self._rotated_at:
            return
        old = now_ns() - self._segment_since_ns >= seconds(settings.record_rotate_s)
        if old or disk.segment_bytes >= settings.record_rotate_mb << 20 or builder.topics >= MAX_TOPICS:
            self._flush()
            builder.new_segment()
            disk.rotate()
            self._segment_since_ns, self._rotated_at = now_ns(), builder.sequence

    def _judge(self) -> None:
        """Derive the state from the disk."""
        disk, busy_ns = self.disk, self.disk.busy_ns(now_ns())
        if busy_ns >= seconds(self._settings.record_disk_timeout_s):
            disk.give_up(f"the disk has not answered for {busy_ns / NS_PER_S:.1f} s")
        if disk.failure is not None:
            self._enter(RecorderState.FAILED, find_cause(disk.failure), disk.failure.strerror or str(disk.failure))
        elif self.state is not RecorderState.STARTING and (busy_ns >= _SLOW_NS or not disk.room):
            self._enter(RecorderState.SLOW, Cause.SLOW_DISK)
        elif disk.segment >= 0:
            self._enter(RecorderState.RECORDING, Cause.DEMAND)

    def _enter(self, state: RecorderState, cause: Cause, detail: str = "") -> None:
        """Change the state, and publish it. Nothing else changes it."""
        if state is self.state:
            return
        if state not in TRANSITIONS[self.state]:
            raise IllegalTransition("recorder", self.state, state, cause)
        _log.debug("recorder %s: %s -> %s (%s)", self._settings.record_name, self.state, state, cause)
        self.state, self.cause, self.detail = state, cause, detail
        self._report()

    def _finish(self) -> None:
        """Take what has already arrived, write it, and complete the file."""
        deadline_ns = now_ns() + _DRAIN_NS
        while self._take(0) and now_ns() < deadline_ns:
            pass
        self._flush()
        if self.disk.end(_FINISH_S):
            self._enter(RecorderState.STOPPED, Cause.SHUTDOWN)
            return
        self.disk.give_up("the file could not be completed in time")
        self._judge()

    def _flush(self) -> None:
        last = self.packer.flush(utc_ns())
        if last is not None:
            self.disk.put(last, self.packer.lost)

    def _each_second(self) -> None:
        now, (then, before) = now_ns(), self._last_second
        self._rate = (self.packer.received - before) * NS_PER_S / max(1, now - then)
        self._last_second = (now, self.packer.received)
        self._connected = self._ear.connected
        self._report()
        self._ear.publish(Counters(program="recorder", counters=self._collect_counters()))
        self._lag_ns = None

    def _collect_counters(self) -> dict[str, int]:
        packer = self.packer
        return {
            "received": packer.received,
            "lost": packer.lost + self.disk.lost,
            "queue_dropped": packer.queue_dropped,
            "unreadable": packer.unreadable,
            "not_subscribed": self._ear.not_subscribed,
            "forged": self._ear.forged,
            "send_dropped": self._ear.dropped,
        }

    def _report(self) -> None:
        progress = self.progress()
        self._on_progress(progress)
        self._ear.publish(
            RecorderHealth(
                name=self._settings.record_name,
                state=progress.state,
                cause=progress.cause,
                file=progress.file,
                messages=progress.messages,
                bytes=progress.bytes,
                lost=min(progress.lost, 2**63 - 1),
            )
        )

    def _open(self, path: Path, segment: int, first_sequence: int) -> CaptureWriter:
        boot_ns = now_ns()
        metadata = CaptureMetadata(
            run=self.run_id,
            recorder=self._settings.record_name,
            source=self._source,
            segment=segment,
            first_sequence=first_sequence,
            boot_ns=boot_ns,
            utc_ns=to_utc_ns(boot_ns),
            host=socket.gethostname(),
            topics=tuple(self._settings.topics),
            versions={
                "quotebus": version("quotebus"),
                "python": platform.python_version(),
                "mcap": version("mcap"),
                "pyzmq": version("pyzmq"),
            },
        )
        return CaptureWriter(path, metadata, compression=self._settings.record_compression)


def choose_path(output: str, at_utc_ns: int) -> Path:
    """The file that `output` stands for: itself, with `.mcap` added, or in a folder `capture-<UTC>.mcap`."""
    path = Path(output)
    if output.endswith(os.sep) or path.is_dir():
        return path / f"capture-{compact_utc(at_utc_ns)}{SUFFIX}"
    return path if path.name.endswith(SUFFIX) else path.with_name(path.name + SUFFIX)


def _free_bytes(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None

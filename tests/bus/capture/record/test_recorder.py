"""The recorder against disks that fail: it says so, ends, and never makes the bus wait."""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from quotebus.bus import codec
from quotebus.bus.capture import Capture
from quotebus.bus.capture.inspect.verify import verify
from quotebus.bus.capture.record.recorder import TRANSITIONS, Recorder, RecordingProgress, choose_path
from quotebus.bus.capture.record.settings import RecordSettings
from quotebus.bus.clock import now_ns
from quotebus.bus.events import Counters, Event, RecorderHealth, RecorderState
from quotebus.bus.settings import parse
from tests.support.programs import eventually
from tests.support.samples import QUOTE, UTC_NS, like
from tests.support.stopwatch import Stopwatch


class Frames:
    """A bus in memory: gives what a test puts in, keeps what the recorder says, notes the longest pause in between."""

    connected = True
    dropped = 3
    not_subscribed = 2
    forged = 5

    def __init__(self) -> None:
        self.said: list[RecorderHealth] = []
        self.counters: list[Counters] = []
        self.longest_ns = 0
        self.given = 0
        self._frames: deque[bytes] = deque()
        self._left_ns = 0
        self._seq = 0

    def put(self, count: int, size: int = 0) -> None:
        for _ in range(count):
            self._seq += 1
            self._frames.append(codec.encode(like(QUOTE, seq=self._seq, tape="x" * size)))

    def put_unreadable(self) -> None:
        self._frames.append(b"quote.SPY\0\xc1")

    def receive(self, limit: int, timeout_ms: int) -> list[bytes]:
        if self._left_ns:
            self.longest_ns = max(self.longest_ns, now_ns() - self._left_ns)
        if not self._frames:
            threading.Event().wait(timeout_ms / 1000)
        taken = [self._frames.popleft() for _ in range(min(limit, len(self._frames)))]
        self.given += len(taken)
        self._left_ns = now_ns()
        return taken

    def publish(self, event: Event) -> None:
        if isinstance(event, Counters):
            self.counters.append(event)
            return
        assert isinstance(event, RecorderHealth)
        self.said.append(event)

    def send(self) -> bool:
        return True

    def states(self) -> list[str]:
        return [state for state, _ in groupby(health.state for health in self.said)]


class Running:
    """A recorder in a thread."""

    def __init__(self, base: Path, *flags: str) -> None:
        self.bus = Frames()
        self.progress: list[RecordingProgress] = []
        settings = parse(RecordSettings, flags, "test")
        self.recorder = Recorder(settings, self.bus, "recorder-000001", base, on_progress=self.progress.append)
        self.thread = threading.Thread(target=self.recorder.run)

    def __enter__(self) -> Running:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.recorder.stop()
        self.thread.join(5)
        assert not self.thread.is_alive()


def test_what_is_heard_is_in_the_file_and_the_bus_is_told(tmp_path: Path) -> None:
    with Running(tmp_path / "a.mcap") as running:
        running.bus.put(1_234)
        eventually(lambda: running.recorder.disk.messages == 1_234)
    assert running.bus.states() == ["recording", "stopped"]
    last = running.bus.said[-1]
    assert (last.cause, last.file, last.messages, last.lost) == ("shutdown", "a.mcap", 1_234, 0)
    assert last.bytes <= (tmp_path / "a.mcap").stat().st_size
    capture = Capture(tmp_path / "a.mcap", strict=True)
    assert [message.event().seq for message in capture] == list(range(1, 1_235))
    assert capture.metadata.versions["quotebus"]
    assert os.listdir(tmp_path) == ["a.mcap"]


def test_what_it_dropped_is_in_its_counters(tmp_path: Path) -> None:
    with Running(tmp_path / "a.mcap") as running:
        running.bus.put(10)
        running.bus.put_unreadable()
        eventually(lambda: running.bus.counters and running.bus.counters[-1].counters["received"] == 11)
    newest = running.bus.counters[-1]
    assert newest.program == "recorder"
    assert newest.counters == {
        "received": 11,
        "lost": 1,
        "queue_dropped": 0,
        "unreadable": 1,
        "not_subscribed": 2,
        "forged": 5,
        "send_dropped": 3,
    }


def test_what_waits_when_told_to_stop_is_still_written(tmp_path: Path) -> None:
    with Running(tmp_path / "a.mcap") as running:
        running.bus.put(20_000)
    assert running.recorder.disk.messages == 20_000
    assert len(list(Capture(tmp_path / "a.mcap", strict=True))) == 20_000


def test_segments_follow_each_other_without_a_hole(tmp_path: Path) -> None:
    with Running(tmp_path / "a.mcap", "--record-rotate-mb", "1", "--record-compression", "none") as running:
        for _ in range(6):
            before = running.recorder.disk.messages
            running.bus.put(2_000, size=200)
            eventually(lambda before=before: running.recorder.disk.messages == before + 2_000)
            eventually(lambda: not running.recorder.disk.rotating)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[:2] == ["a.001.mcap", "a.002.mcap"]
    assert len(names) >= 3
    capture = Capture(tmp_path, strict=True)
    assert [message.event().seq for message in capture] == list(range(1, 12_001))
    assert {segment.metadata.run for segment in capture.segments} == {running.recorder.run_id}
    assert verify(capture).whole


def test_no_file_is_ever_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.mcap").write_text("precious")
    (tmp_path / "a.001.mcap.part").write_text("precious too")
    with Running(tmp_path / "a.mcap") as running:
        running.bus.put(1)
    assert (tmp_path / "a.mcap").read_text() == "precious"
    assert len(list(Capture(tmp_path / "a.002.mcap", strict=True))) == 1


def failing(code: int, after: int) -> Any:
    """`os.write` that works so many times."""
    left, write = [after], os.write

    def fail(descriptor: int, data: bytes) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(code, os.strerror(code))
        return write(descriptor, data)

    return fail


@pytest.mark.parametrize(
    ("code", "cause"), [(errno.ENOSPC, "disk_full"), (errno.EROFS, "read_only"), (errno.EIO, "disk_error")]
)
def test_a_disk_that_refuses_ends_the_recording_and_leaves_a_prefix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopwatch: Stopwatch, code: int, cause: str
) -> None:
    with Running(tmp_path / "a.mcap") as running:
        running.bus.put(600)
        eventually(lambda: running.recorder.disk.messages == 600)
        monkeypatch.setattr("quotebus.bus.capture.format.writer.os.write", failing(code, 1))
        began_ns = now_ns()
        running.bus.put(1_400)
        eventually(lambda: running.recorder.state is RecorderState.FAILED)
        assert stopwatch.seconds(began_ns) < 1
        running.thread.join(5)
    last = running.bus.said[-1]
    assert (last.state, last.cause) == ("failed", cause)
    assert 600 <= last.messages < 2_000
    assert last.messages + last.lost == running.bus.given
    capture = Capture(tmp_path / "a.mcap.part")
    assert [message.event().seq for message in capture] == list(range(1, last.messages + 1))


def test_a_folder_that_cannot_be_written_ends_it_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with Running(tmp_path / "file" / "a.mcap") as running:
        running.thread.join(5)
        assert running.recorder.state is RecorderState.FAILED
    assert running.bus.states() == ["failed"]


def test_a_disk_that_hangs_is_told_and_never_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release, hanging = threading.Event(), threading.Event()
    fsync = os.fsync

    def hang(descriptor: int) -> None:
        hanging.set()
        release.wait(20)
        fsync(descriptor)

    monkeypatch.setattr("quotebus.bus.capture.record.disk.os.fsync", hang)
    with Running(tmp_path / "a.mcap", "--record-sync-s", "0.05", "--record-disk-timeout-s", "1.5") as running:
        running.bus.put(10)
        assert hanging.wait(10)
        eventually(lambda: running.recorder.state is RecorderState.SLOW)
        running.bus.put(10)
        eventually(lambda: running.bus.given == 20)
        eventually(lambda: running.recorder.state is RecorderState.FAILED)
        running.thread.join(5)
        release.set()
    assert running.bus.states()[-2:] == ["slow", "failed"]
    assert running.bus.said[-1].cause == "slow_disk"
    assert "has not answered for 1.5 s" in running.recorder.detail
    assert [message.event().seq for message in Capture(tmp_path / "a.mcap.part")] == list(range(1, 21))


def test_what_a_slow_disk_has_no_room_for_is_counted_and_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release, hanging = threading.Event(), threading.Event()
    write = os.write

    def hang(descriptor: int, data: bytes) -> int:
        if not release.is_set():
            hanging.set()
            release.wait(20)
        return write(descriptor, data)

    with Running(tmp_path / "a.mcap", "--record-queue-mb", "4", "--record-disk-timeout-s", "60") as running:
        eventually(lambda: running.recorder.state is RecorderState.RECORDING)
        monkeypatch.setattr("quotebus.bus.capture.format.writer.os.write", hang)
        running.bus.put(1_000)
        assert hanging.wait(10)
        running.bus.put(10_000, size=1_000)
        eventually(lambda: running.recorder.packer.queue_dropped > 0)
        eventually(lambda: running.bus.given == 11_000)
        release.set()
        eventually(lambda: running.recorder.disk.room)
        running.bus.put(1)
    assert running.bus.states() == ["recording", "slow", "recording", "stopped"]
    verdict = verify(Capture(tmp_path / "a.mcap", strict=True))
    assert verdict.whole
    assert verdict.lost == {"queue": running.bus.said[-1].lost}
    assert verdict.kinds["quote"] + verdict.lost["queue"] == 11_001


def test_states_form_a_table_without_a_way_back_from_the_end() -> None:
    assert set(TRANSITIONS) == set(RecorderState)
    assert {state for state, after in TRANSITIONS.items() if not after} == {RecorderState.FAILED, RecorderState.STOPPED}


def test_where_to(tmp_path: Path) -> None:
    assert choose_path("x/y.mcap", UTC_NS) == Path("x/y.mcap")
    assert choose_path("x/y", UTC_NS) == Path("x/y.mcap")
    assert choose_path("x/y.1", UTC_NS) == Path("x/y.1.mcap")
    assert choose_path("new/", UTC_NS) == Path("new/capture-20260105T143000Z.mcap")
    assert choose_path(str(tmp_path), UTC_NS) == tmp_path / "capture-20260105T143000Z.mcap"

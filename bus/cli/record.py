"""`quotebus record`: write everything that crosses the bus to MCAP files, until stopped."""

from __future__ import annotations

import os
import random
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from quotebus.bus.capture.record.recorder import Recorder, RecordingProgress, choose_path
from quotebus.bus.capture.record.recovery import recover_folder
from quotebus.bus.capture.record.retention import KeepRule, remove_expired
from quotebus.bus.capture.record.settings import ALL, RecordSettings
from quotebus.bus.clock import NS_PER_S, now_ns, utc_ns
from quotebus.bus.errors import EX_IOERR, ConfigError
from quotebus.bus.events import RecorderState
from quotebus.bus.process.log import setup
from quotebus.bus.process.printable import escaped
from quotebus.bus.process.readiness import notify_ready
from quotebus.bus.process.shutdown import on_ending
from quotebus.bus.process.units import format_duration, format_size
from quotebus.bus.sequence import source_name
from quotebus.bus.settings import die, load
from quotebus.bus.transport.engines import settle_name
from quotebus.bus.transport.recorder_sockets import RecorderSockets

PROGRAM = "quotebus record"
_PLAIN_EVERY_NS = 10 * NS_PER_S
_LINE_S = 1.0
_RETAIN_EVERY_S = 60.0


class StatusLine:
    """The status line: redrawn in place on a terminal; elsewhere a line per change, and soon one every ten seconds.

    It has a thread of its own, so a stopped terminal, or a pipe that is full or closed, never delays the recording.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._changed = threading.Condition()
        self._newest: RecordingProgress | None = None
        self._ending = False
        self._live = Live(console=Console(file=stream), auto_refresh=False) if stream.isatty() else None
        self._last: tuple[str, str, bool] | None = None
        self._next_ns, self._pause_ns = 0, NS_PER_S
        self._thread = threading.Thread(target=self._run, name="line", daemon=True)
        self._thread.start()

    def show(self, progress: RecordingProgress) -> None:
        """Show this from now on. Returns without waiting for the terminal."""
        if progress.connected and progress.state is RecorderState.RECORDING:
            notify_ready()
        with self._changed:
            self._newest = progress
            self._changed.notify()

    def close(self) -> bool:
        """Show the newest progress and end; False if the terminal did not take it within a second."""
        with self._changed:
            self._ending = True
            self._changed.notify()
        self._thread.join(_LINE_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            if self._live is not None:
                self._live.start()
            while (progress := self._next()) is not None:
                self._draw(progress)
            if self._live is not None:
                self._live.stop()
        except OSError:  # the reader has gone; with /dev/null in its place, the interpreter's last flush cannot fail
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def _next(self) -> RecordingProgress | None:
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self._ending)
            progress, self._newest = self._newest, None
            return progress

    def _draw(self, progress: RecordingProgress) -> None:
        if self._live is not None:
            self._live.update(Text(format_progress(progress), no_wrap=True, overflow="ellipsis"), refresh=True)
            return
        key = (progress.state, progress.file, progress.connected)
        if key != self._last or now_ns() >= self._next_ns:
            self._last, self._next_ns = key, now_ns() + self._pause_ns
            self._pause_ns = min(2 * self._pause_ns, _PLAIN_EVERY_NS)
            self._stream.write(f"{PROGRAM}: {format_progress(progress)}\n")
            self._stream.flush()


def format_progress(progress: RecordingProgress) -> str:
    """A recording's progress as one line."""
    parts = [
        progress.state if progress.state is RecorderState.RECORDING else f"{progress.state} ({progress.cause})",
        escaped(progress.file) or "no file yet",
        f"{progress.messages:,} messages",
        f"{progress.rate:,.0f}/s",
        format_size(progress.bytes),
        f"{progress.lost:,} lost",
        f"lag {format_duration(progress.lag_ns)}",
        "" if progress.free_bytes is None else f"{format_size(progress.free_bytes)} free",
        "" if progress.connected else "NO BROKER",
    ]
    return "  ".join(part for part in parts if part) + (f"  {escaped(progress.detail)}" if progress.detail else "")


def run(argv: Sequence[str]) -> int:
    """Record until SIGINT, SIGTERM or SIGHUP; the exit status: 0, 74 for a disk error, 78 for a bad setting."""
    settings = load(RecordSettings, argv, PROGRAM)
    setup(settings.log_level, settings.log_format)
    try:
        settings = settle_name(settings, "record_name")
    except ConfigError as error:
        die(PROGRAM, error)
    own = settings.record_name.partition("-")[0][:40]  # as a client's source has the beginning of its name
    source = source_name("recorder" if own == ALL else own, random.getrandbits(24))
    base = choose_path(settings.record_output, utc_ns())
    line, seen = StatusLine(sys.stdout), True
    with RecorderSockets(settings, source, settings.topics) as listener:
        recorder = Recorder(settings, listener, source, base, on_progress=line.show)
        on_ending(recorder.stop)
        threading.Thread(target=_recover, args=(base.parent,), name="recover", daemon=True).start()
        rule = KeepRule(settings.record_keep_s, settings.record_keep_mb)
        if rule.is_on:
            _Retention(base.parent, settings.record_name, rule).start()
        try:
            recorder.run()
        finally:
            seen = line.close()
    if recorder.state is not RecorderState.FAILED:
        if not seen:
            os._exit(0)  # everything is written, and an ordinary exit would wait for the terminal
        return 0
    print(f"{PROGRAM}: {recorder.cause}: {escaped(recorder.detail)}", file=sys.stderr, flush=True)
    # A thread may hang in the kernel, waiting for the disk: an ordinary exit would wait with it.
    os._exit(EX_IOERR)


def _recover(folder: Path) -> None:
    for recovered in recover_folder(folder):
        sys.stderr.write(
            f"{PROGRAM}: {escaped(str(recovered))}\n"
        )  # one write, so that lines of two threads do not mix


class _Retention(threading.Thread):
    """Removes old files, at the start and every minute, in a thread of its own: a disk may take its time."""

    def __init__(self, folder: Path, recorder: str, rule: KeepRule) -> None:
        super().__init__(name="retention", daemon=True)
        self._folder, self._recorder, self._rule = folder, recorder, rule
        self._never = threading.Event()

    def run(self) -> None:
        while True:
            try:
                for line in remove_expired(self._folder, self._recorder, self._rule, utc_ns()):
                    sys.stderr.write(f"{PROGRAM}: {escaped(line)}\n")
            except OSError as error:
                sys.stderr.write(f"{PROGRAM}: old files cannot be looked for: {error.strerror}\n")
            self._never.wait(_RETAIN_EVERY_S)

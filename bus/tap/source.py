"""Where a verb's messages come from: the live bus or a capture. "Now" is this machine's time, or the capture's."""

from __future__ import annotations

import contextlib
import os
import select
import sys
from collections.abc import Iterator, Sequence
from typing import Protocol

from quotebus.bus.address import BusAddress
from quotebus.bus.capture.format.captured import GAP_TOPIC, Captured, NotACapture, decode_gap
from quotebus.bus.capture.reader import Capture
from quotebus.bus.clock import seconds, utc_ns
from quotebus.bus.errors import ConfigError, NoInput, UndecodableMessage
from quotebus.bus.tap.escape import clean
from quotebus.bus.tap.message_reader import ReceivedFrame
from quotebus.bus.tap.own_session import lower_session_weight
from quotebus.bus.tap.pace import Pacing, WorkPacer, skip_pacing
from quotebus.bus.tap.settings import TapSettings
from quotebus.bus.transport.engines import open_engine
from quotebus.bus.transport.tap_socket import BATCH, TapSubscriber

GATHER_MS = 50
"""A person does not notice 50 ms, and a tap that wakes for every message takes several times the CPU."""

MOST_NICE = 19


class Source(Protocol):
    """Messages in the order they were received.

    `connected` is None for a capture. `pace` paces all work on the messages. `notes` are remarks to print at the end.
    `not_subscribed`: parts of messages that were dropped, since nobody asked for their topics. `forged`: messages that
    were dropped, since they were in another's name than that of the user who sent them.
    """

    origin: str
    ended: bool

    @property
    def pace(self) -> Pacing: ...
    @property
    def connected(self) -> bool | None: ...
    @property
    def now_ns(self) -> int: ...
    @property
    def not_subscribed(self) -> int: ...
    @property
    def forged(self) -> int: ...
    def read(self, wait_s: float) -> list[ReceivedFrame]: ...
    def also_wake_on(self, descriptor: int) -> None: ...
    def notes(self) -> list[str]: ...
    def close(self) -> None: ...


class LiveSource:
    """The bus as it is now."""

    def __init__(self, address: BusAddress, prefixes: Sequence[bytes], gather_ms: int) -> None:
        self.origin = str(address)
        self.ended = False
        self._pace = WorkPacer() if gather_ms else None
        self._subscriber = TapSubscriber(open_engine(address), prefixes, gather_ms=gather_ms, pace=self.pace)

    @property
    def pace(self) -> Pacing:
        """Rests between messages and lines; none for a verb that takes each message at once."""
        return self._pace or skip_pacing

    @property
    def connected(self) -> bool | None:
        return self._subscriber.connected

    @property
    def now_ns(self) -> int:
        return utc_ns()

    @property
    def not_subscribed(self) -> int:
        return self._subscriber.not_subscribed

    @property
    def forged(self) -> int:
        return self._subscriber.forged

    def read(self, wait_s: float) -> list[ReceivedFrame]:
        """What has arrived, or arrives within `wait_s`; messages taken together share one receive time."""
        frames = self._subscriber.receive(int(wait_s * 1000))
        at_ns = utc_ns()
        if self._pace is not None:
            self._pace.look(behind=len(frames) >= BATCH)
        return [ReceivedFrame(frame, at_ns) for frame in frames]

    def also_wake_on(self, descriptor: int) -> None:
        self._subscriber.also_wake_on(descriptor)

    def notes(self) -> list[str]:
        notes = [] if self._subscriber.connected else [f"not connected: nothing answers at {self.origin}"]
        if dropped := self.not_subscribed:
            notes.append(f"dropped {dropped} parts of messages whose topics were not asked for")
        if dropped := self.forged:
            notes.append(f"dropped {dropped} messages in another's name than that of the user who sent them")
        return notes

    def close(self) -> None:
        self._subscriber.close()


class CaptureSource:
    """A capture, read as fast as possible. After its end `read` only waits, so that keys still work."""

    def __init__(self, path: str, from_s: float | None, to_s: float | None, for_s: float | None) -> None:
        """Raises ConfigError for what is no readable capture, NoInput for a missing file."""
        self.origin = path
        self.ended = False
        self.connected: bool | None = None
        self.now_ns = 0
        self.not_subscribed = self.forged = 0
        self.pace: Pacing = skip_pacing
        self._gaps = 0
        self._trouble = ""
        self._wake_on: list[int] = []
        try:
            self._capture = Capture(path)
        except NotACapture as error:
            raise ConfigError(str(error)) from None
        except OSError as error:
            kind = NoInput if isinstance(error, FileNotFoundError) else ConfigError
            raise kind(f"{path}: {error.strerror}") from None
        begin_s = from_s or 0.0
        ends = [end for end in (to_s, None if for_s is None else begin_s + for_s) if end is not None]
        self._messages = self._within(seconds(begin_s), seconds(min(ends)) if ends else None)

    def read(self, wait_s: float) -> list[ReceivedFrame]:
        """The next messages; empty when there are no more."""
        batch: list[ReceivedFrame] = []
        try:
            for message in self._messages:
                batch.append(ReceivedFrame(message.frame, message.received_ns))
                if len(batch) >= BATCH:
                    break
        except OSError as error:
            self._trouble = str(error)
        if batch:
            self.now_ns = batch[-1].received_ns
        elif self.ended:
            select.select(self._wake_on, [], [], wait_s)
        else:
            self.ended = True
        return batch

    def also_wake_on(self, descriptor: int) -> None:
        self._wake_on.append(descriptor)

    def notes(self) -> list[str]:
        """What is missing: losses that the recorder noted, and what cannot be read of the file."""
        gaps = [f"the recorder noted {self._gaps} lost messages"] if self._gaps else []
        return gaps + [str(damage) for damage in self._capture.damages] + ([self._trouble] if self._trouble else [])

    def close(self) -> None:
        self._messages.close()  # type: ignore[attr-defined]

    def _within(self, from_ns: int, to_ns: int | None) -> Iterator[Captured]:
        """Messages within a time range, counted from the first; adds up the losses noted among them."""
        first = next(iter(self._capture), None)
        if first is None:
            return
        begin_ns = first.received_ns + from_ns if from_ns else None
        for message in self._capture.read_everything(begin_ns, None if to_ns is None else first.received_ns + to_ns):
            if message.topic != GAP_TOPIC:
                yield message
                continue
            with contextlib.suppress(UndecodableMessage):
                self._gaps += decode_gap(message.payload).count


def open_source(settings: TapSettings, prefixes: Sequence[bytes], gather_ms: int = GATHER_MS) -> Source:
    """The source that the settings name. For the live bus this process first lowers its own priority."""
    if settings.file:
        return CaptureSource(settings.file, settings.from_s, settings.to_s, settings.for_s)
    if settings.from_s is not None or settings.to_s is not None:
        raise ConfigError("--from and --to need a capture: name it with --file")
    if gather_ms or "nice" in settings.model_fields_set:  # one that measures must not measure its own wait
        lower_priority(settings.nice)  # before the socket, whose thread inherits it
    return LiveSource(settings.bus_address, prefixes, gather_ms)


def lower_priority(nice: int) -> None:
    """Give way to other programs: 0 to 19 as in nice(1); 20 is SCHED_IDLE, which runs only when the CPU is idle.

    See `man 7 sched`. With nice(1) alone a program keeps the CPU until its time slice ends.
    """
    if nice > MOST_NICE and hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        lower_session_weight()
    elif nice:
        os.nice(min(nice, MOST_NICE))


def read_batches(source: Source, for_s: float | None, wait_s: float) -> Iterator[list[ReceivedFrame]]:
    """Everything the source has, until its end or, live, for `for_s`. An empty list only lets time pass."""
    live = source.connected is not None
    end_ns = source.now_ns + seconds(for_s) if live and for_s is not None else None
    while True:
        left_s = wait_s if end_ns is None else max(0.0, min(wait_s, (end_ns - source.now_ns) / 1e9))
        batch = source.read(left_s)
        yield batch
        if source.ended or (end_ns is not None and source.now_ns >= end_ns):
            return


def close_source(program: str, source: Source, unreadable: str = "") -> None:
    """Say what could not be read and what is missing, and close."""
    notes = [clean(note, 500) for note in source.notes()]
    print_remarks(program, [*filter(None, [unreadable]), *notes])
    source.close()


def print_remarks(program: str, lines: Sequence[str]) -> None:
    """Print remarks to stderr, so that they never mix with the data."""
    for line in lines:
        print(f"{program}: {line}", file=sys.stderr, flush=True)

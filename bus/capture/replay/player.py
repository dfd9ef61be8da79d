"""Plays a capture on a bus: reader, timeline and playback put together, with methods to steer the replay."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from quotebus.bus.capture.format.captured import Captured
from quotebus.bus.capture.replay.flow_control import FlowControl
from quotebus.bus.capture.replay.playback import Playback, is_withheld
from quotebus.bus.capture.replay.timeline import Timeline
from quotebus.bus.clock import NS_PER_MS, NS_PER_S, now_ns, seconds, sleep_s
from quotebus.bus.consumer import REPLAYED
from quotebus.bus.errors import QuotebusError
from quotebus.bus.events import ConnectionHealth, ConnectionState, SymbolsRequested
from quotebus.bus.sequence import LATE, SequenceTracker
from quotebus.bus.settings import BusSettings
from quotebus.bus.transport.player_sockets import PlayerSockets

_log = logging.getLogger(__name__)
LOOK_BACK_NS = 60 * NS_PER_S
"""A start in the middle first reads this much of what came before it: older quotes are too old to be usable."""
LISTEN_NS = NS_PER_S + NS_PER_S // 2
"""A node publishes its health every second, so a running one is heard within this time."""
_HOLD_NS = 20 * NS_PER_MS
_LISTEN_ABOVE_NS = 2 * NS_PER_MS
"""Sockets are polled in whole milliseconds; a shorter wait is slept."""
_SPIN_BELOW_NS = NS_PER_MS // 10
"""A sleep ends some 60 µs late, so the last part of a wait, at most this much per message, polls the clock."""
_LOOK_EVERY_NS = 10 * NS_PER_MS
_AWAY_NS = 30 * NS_PER_S
"""A broker that is away for longer than this ends the replay."""
_SILENT = (ConnectionState.STANDBY, ConnectionState.STOPPED)


class BusOccupied(QuotebusError):
    """A live node or another replay publishes on this bus; `source` is its source."""

    def __init__(self, source: str) -> None:
        what = "another replay" if source.startswith(REPLAYED) else "a live node"
        super().__init__(f"{what} publishes on this bus: {source}")
        self.source = source


class BrokerGone(QuotebusError):
    """The broker went away during a replay and did not come back."""


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """The position of a replay. `position_ns`: an instant of the capture, None before the first message."""

    messages: int
    position_ns: int | None
    consumers: int
    paused: bool
    waiting: bool


Entries = Callable[[int | None], Iterable[Captured]]
"""Gives the capture's messages in file order from a recorded instant on; from the start for None."""


class Player:
    """One replay. `play` runs in the caller's thread; all other methods may be called from any thread."""

    def __init__(
        self,
        entries: Entries,
        settings: BusSettings,
        *,
        rate: float | None = 1.0,
        from_ns: int | None = None,
        clients: int = 0,
        wait_s: float = 10.0,
        force: bool = False,
    ) -> None:
        """Start when `clients` consumers have sent a request, or after `wait_s`. Raises ValueError for a bad rate."""
        self._entries = entries
        self._settings = settings
        self._force = force
        self._clients = clients
        self._wait_ns = seconds(wait_s)
        self._lock = threading.Lock()
        self._timeline = Timeline(rate)
        self._seek_to_ns = from_ns
        self._sought = False
        self._ended = threading.Event()
        self._alone = False
        self._waiting = True
        self._messages = 0
        self._look_at_ns = 0
        self._interrupted = 0
        self._covered = False
        self._flow = FlowControl()
        self._playback = Playback()
        self._requests: dict[str, SymbolsRequested] = {}
        self._numbers = SequenceTracker()
        self._requests_late = 0
        self._stage: PlayerSockets

    # steering

    def pause(self) -> None:
        """Stop until `resume`."""
        with self._lock:
            self._timeline.pause(now_ns())

    def resume(self) -> None:
        """Continue from the current position."""
        with self._lock:
            self._timeline.resume()

    def step(self, messages: int = 1) -> None:
        """Pause, and send this many more messages at once. Raises ValueError for less than one."""
        if messages < 1:
            raise ValueError(f"not a number of messages: {messages}")
        with self._lock:
            self._timeline.step(messages, now_ns())

    def seek(self, recorded_ns: int) -> None:
        """Continue from another instant of the capture, forwards or backwards."""
        with self._lock:
            self._seek_to_ns, self._sought = recorded_ns, True

    def change_rate(self, rate: float | None) -> None:
        """Play at another rate, None for as fast as possible. Raises ValueError."""
        with self._lock:
            self._timeline.change_rate(rate, now_ns())

    def stop(self) -> None:
        """Make `play` return soon. May be called from any thread."""
        self._ended.set()

    def progress(self) -> ReplayProgress:
        with self._lock:
            position_ns = self._timeline.reached_ns(now_ns())
            paused = self._timeline.paused
        return ReplayProgress(self._messages, position_ns, len(self._flow.windows), paused, self._waiting)

    @property
    def counters(self) -> dict[str, int]:
        """Messages published, withheld, unreadable; requests, late ones; consumers lost; how often the broker went."""
        lost = {"consumers_lost": self._flow.lost, "interrupted": self._interrupted}
        return {**self._playback.counters, **lost, "requests_late": self._requests_late}

    # the replay

    def play(self) -> None:
        """Play to the end or until `stop`; while the broker is away, time stands still.

        Raises ConfigError without a broker, BrokerGone, and BusOccupied if a live node publishes on this bus.
        """
        self._stage = PlayerSockets(self._settings)
        try:
            self._stage.reach()
            self._look_for_others()
            first = True
            while first or self._sought:
                entries = self._from_position()
                if first:
                    self._await_clients()
                first = False
                self._play(entries)
        finally:
            self._stage.close()

    def _look_for_others(self) -> None:
        deadline_ns = now_ns() + LISTEN_NS
        while not self._force and not self._ended.is_set() and (left_ns := deadline_ns - now_ns()) > 0:
            self._listen(min(left_ns, _HOLD_NS))
        self._alone = True

    def _from_position(self) -> Iterator[Captured]:
        """The messages to play. Those just before a start in the middle only set the state."""
        with self._lock:
            start_ns, self._sought = self._seek_to_ns, False
        if start_ns is None:
            return self._playback.look_ahead(self._entries(None))
        entries = self._playback.look_ahead(self._entries(start_ns - LOOK_BACK_NS))
        before = dict(self._playback.counters)
        for captured in entries:
            if captured.received_ns >= start_ns:
                entries = _with_first(captured, entries)
                break
            self._playback.make_frame(captured)
        self._playback.counters.update(before)  # none of these was published
        with self._lock:
            self._timeline.seek(start_ns)
        return entries

    def _await_clients(self) -> None:
        """Answer no client before all are there, so that the same clients always get the same answers, in one order."""
        deadline_ns = now_ns() + self._wait_ns
        while not self._ended.is_set() and len(self._requests) < self._clients and now_ns() < deadline_ns:
            self._listen(_HOLD_NS)
        self._waiting = False
        _log.debug("replay starts: %d consumers", len(self._requests))
        for client in sorted(self._requests):
            self._answer(self._requests[client])
        self._requests.clear()

    def _play(self, entries: Iterator[Captured]) -> None:
        self._covered = False
        for captured in entries:
            self._await_reader(captured)
            if not self._hold_until_due(captured.received_ns):
                return
            self._await_reader(captured)  # again only if the broker went meanwhile
            # Not earlier: until a message is due, answers are those of the position before it.
            frame = self._playback.make_frame(captured)
            if frame is None:
                continue
            while not self._stage.send(frame):
                if self._ended.is_set():
                    return
                self._stage.await_room(_HOLD_NS)
            self._flow.on_sent(frame)
            self._messages += 1
            with self._lock:
                self._timeline.sent(captured.received_ns)
            if now_ns() >= self._look_at_ns:
                self._listen(0)
        self._listen(0)
        _log.debug("replay ends: %d messages sent", self._messages)
        self._interrupted += not self._stage.connected

    def _await_reader(self, captured: Captured) -> None:
        """Wait for the first message's subscriber: without one the message would be lost."""
        if not self._covered and not is_withheld(captured.topic):
            self._stage.await_subscription(captured.frame)
            self._covered = True

    def _hold_until_due(self, recorded_ns: int) -> bool:
        """Wait, answering requests meanwhile; False if the replay was stopped or moved elsewhere."""
        while True:
            at_ns = now_ns()
            with self._lock:
                due_ns = self._timeline.compute_due_ns(recorded_ns, at_ns)
                sought = self._sought
            if sought or self._ended.is_set():
                return False
            if not self._stage.connected:
                self._await_broker()
            elif self._flow.must_wait(at_ns) or due_ns is None:
                self._listen(_HOLD_NS)
            elif due_ns <= at_ns:
                return True
            elif due_ns - at_ns > _LISTEN_ABOVE_NS:
                self._listen(min(due_ns - at_ns - _LISTEN_ABOVE_NS // 2, _HOLD_NS))
            elif due_ns - at_ns > _SPIN_BELOW_NS:
                sleep_s((due_ns - at_ns - _SPIN_BELOW_NS) / NS_PER_S)

    def _await_broker(self) -> None:
        """Stop until the broker is back. Raises BrokerGone if it stays away."""
        self._interrupted += 1
        with self._lock:
            self._timeline.hold(now_ns())
        _log.debug("the broker went away")
        deadline_ns = now_ns() + _AWAY_NS
        while not self._stage.connected and not self._ended.is_set():
            if now_ns() >= deadline_ns:
                raise BrokerGone(f"the broker went away and did not come back within {_AWAY_NS // NS_PER_S} s")
            self._listen(_HOLD_NS)
        _log.debug("the broker is back")
        self._covered = False  # its subscribers come back one after the other

    def _listen(self, wait_ns: int) -> None:
        """Answer requests; while waiting for clients, only keep them. Raises BusOccupied."""
        for event in self._stage.listen(wait_ns):
            if isinstance(event, ConnectionHealth):
                ours = self._alone and event.source.startswith(REPLAYED)
                if not (self._force or ours or event.state in _SILENT):
                    raise BusOccupied(event.source)
            elif self._force and not event.source.startswith(REPLAYED):
                continue  # for the live node to answer
            elif self._is_late(event):
                self._requests_late += 1
            elif self._waiting:
                self._requests[event.client] = event
            else:
                self._answer(event)
        self._look_at_ns = now_ns() + _LOOK_EVERY_NS

    def _is_late(self, request: SymbolsRequested) -> bool:
        client = request.client.encode()
        return self._numbers.observe(request.source, client, request.seq, request.published_ns) == LATE

    def _answer(self, request: SymbolsRequested) -> None:
        self._flow.on_request(request)
        for frame in self._playback.answer(request):
            self._stage.await_subscription(frame)
            while not self._stage.send(frame) and not self._ended.is_set():
                self._stage.await_room(_HOLD_NS)
        self._flow.on_answered(request.client)
        _log.debug("answered %s, request %s: %d symbols", request.client, request.request_id, len(request.symbols))


def _with_first(first: Captured, rest: Iterator[Captured]) -> Iterator[Captured]:
    yield first
    yield from rest

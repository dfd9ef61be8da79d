"""One client from accept to end: the wire, the session and the line put together."""

from __future__ import annotations

import socket
from collections.abc import Collection, Sequence
from typing import Protocol

from bus.clock import to_utc_ns
from pricing.simulator.encoding import JSON, Encoding, Undecodable, choose, decode
from pricing.simulator.faults import Faults
from pricing.simulator.line import Line
from pricing.simulator.records import Quote, Raw, Record, Written
from pricing.simulator.session import (
    Acknowledged,
    Authenticated,
    Close,
    Effect,
    Send,
    Session,
    Subscribed,
    error,
)
from pricing.simulator.wire import Message, Pong, Upgrade, Wire, data_frame

UPGRADE_TIMEOUT_NS = 10_000_000_000


class Host(Protocol):
    """What a connection needs of the exchange around it. `now_ns` is the time of this turn of the loop."""

    now_ns: int
    faults: Faults
    batch: int
    room_bytes: int
    ping_interval_ns: int
    pong_timeout_ns: int
    slow_client_ns: int

    def upgrade(self, connection: Connection, upgrade: Upgrade) -> Session | int:
        """A session for this request, or the HTTP status that it gets instead."""

    def rejection_headers(self, status: int) -> dict[str, str]:
        """Headers of a response that is no upgrade."""

    def opened(self, connection: Connection) -> int:
        """The upgrade was answered with 101: the connection's number."""

    def authenticated(self, connection: Connection) -> None:
        """The client was let in."""

    def subscribed(self, connection: Connection, new: list[str]) -> None:
        """The client's set changed."""

    def written(self, connection: Connection, records: Sequence[Written]) -> None:
        """The socket took a whole frame with these records."""

    def gone(self, connection: Connection, why: str) -> None:
        """The connection is over."""

    def park(self, sock: socket.socket) -> None:
        """Keep a socket open whose line is dead."""


class Connection:
    """A client. `deadline_ns` says when `tick` wants to be called; call `flush` after `take`."""

    def __init__(self, sock: socket.socket, host: Host) -> None:
        self.line = Line(sock, self._over, host.park)
        self.number = 0
        self.opened_ns = host.now_ns
        self.feed = ""
        self.encoding: Encoding = JSON
        self.session: Session | None = None
        self.sent_frames = 0
        self.sent_quotes = 0
        self.half_frame_next = False
        self._host = host
        self._wire = Wire()
        self._batch: list[bytes] = []
        self._records: list[Record] = []
        self._full_since_ns = 0
        self._freeze_after_ack = ""
        self._cut_after_frame = False
        self._upgrade_by_ns: int | None = host.now_ns + UPGRADE_TIMEOUT_NS
        self._ping_ns: int | None = None
        self._pong_by_ns: int | None = None
        self._end_why = ""
        if host.faults.take("silent"):
            self.line.freeze("silent")

    # What the market sees.

    @property
    def has_room(self) -> bool:
        """Whether data may be queued now."""
        return self.number > 0 and not self._full_since_ns and self.line.usable

    def symbols(self, channel: str) -> Collection[str]:
        """What the client is subscribed to on one channel."""
        return self.session.subscriptions.channels[channel] if self.session else ()

    def take(self, record: Record, data: bytes) -> None:
        """Queue one encoded record; frames hold at most `batch`."""
        self._batch.append(data)
        self._records.append(record)
        if len(self._batch) >= self._host.batch:
            self._end_frame()

    def send_raw(self, opcode: int, payload: bytes) -> None:
        """Send one data frame with this payload, whatever it is."""
        self._end_frame()
        self._put_data(data_frame(opcode, payload), [Raw(len(payload))])
        self.flush()

    def _end_frame(self) -> None:
        if self._batch:
            frame = data_frame(self.encoding.opcode, self.encoding.payload(self._batch))
            records, self._records, self._batch = self._records, [], []
            self._put_data(frame, records)

    def _put_data(self, frame: bytes, records: Sequence[Written]) -> None:
        line = self.line
        if not line.usable:
            return
        line.put_frame(frame, records, self._due_ns())
        if self.half_frame_next:
            self.half_frame_next = False
            line.freeze("half_frame", line.put_total - len(frame) // 2)
        elif line.buffered() >= self._host.room_bytes:
            self._full_since_ns = self._host.now_ns

    def _due_ns(self) -> int:
        latency_ns = self._host.faults.latency_ns()
        return self._host.now_ns + latency_ns if latency_ns else 0

    # What the client sends.

    def read(self) -> None:
        """Take in and answer everything that has arrived."""
        data = self.line.read()
        if data:
            self._feed(data)
        self.flush()

    def _feed(self, data: bytes) -> None:
        for event in self._wire.feed(data):
            if not self.line.usable:
                return
            if isinstance(event, Upgrade):
                self._upgrade(event)
            elif isinstance(event, Pong):
                self._pong_by_ns = None
            elif self.session is not None:
                self._message(event, self.session)
        self._take_wire()

    def _message(self, message: Message, session: Session) -> None:
        self._end_frame()
        try:
            request = decode(message.data)
        except Undecodable:
            self._apply([error(400)])
        else:
            self._apply(session.receive(request, self._host.now_ns))

    def _upgrade(self, upgrade: Upgrade) -> None:
        self._upgrade_by_ns = None
        answer = self._host.upgrade(self, upgrade)
        if isinstance(answer, int):
            self._end_why = f"HTTP {answer}"
            self._wire.reject(answer, self._host.rejection_headers(answer))
        elif self._wire.accept(upgrade):
            self._open(answer, upgrade)
        else:
            self._end_why = "no WebSocket handshake"

    def _open(self, session: Session, upgrade: Upgrade) -> None:
        faults = self._host.faults
        self.session, self.feed = session, session.feed
        self.encoding = choose(upgrade.content_type)
        self.opened_ns = self._host.now_ns
        self._ping_ns = self._host.now_ns + self._host.ping_interval_ns
        self.number = self._host.opened(self)
        self._cut_after_frame = faults.take_counted("cut")
        self.half_frame_next = faults.take_counted("half_frame")
        if faults.take_counted("half_open"):
            self._freeze_after_ack = "half_open"
        elif faults.on("half_open_new"):
            self._freeze_after_ack = "half_open_new"
        self._apply(session.open(upgrade.key, upgrade.secret, self._host.now_ns))

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self._send(effect.message)
            elif isinstance(effect, Subscribed):
                self._host.subscribed(self, effect.new)
            elif isinstance(effect, Authenticated):
                self._host.authenticated(self)
            elif isinstance(effect, Acknowledged):
                if self._freeze_after_ack:
                    self.line.freeze(self._freeze_after_ack, self.line.put_total)
                    self._freeze_after_ack = ""
            else:
                self.line.end(effect.why, self._host.now_ns)

    def _send(self, message: dict[str, object]) -> None:
        self._take_wire()
        if self._wire.open:
            self._wire.send(self.encoding.opcode, self.encoding.message(message))
            data, _ = self._wire.take()
            self.line.put_frame(data, (), self._due_ns())

    def _take_wire(self) -> None:
        data, ends = self._wire.take()
        if data:
            self.line.put(data, self._due_ns())
        if ends:
            self.line.end(self._end_why or self._wire.why, self._host.now_ns)

    # What the clock does.

    def flush(self) -> None:
        """Write what the socket takes."""
        self._end_frame()
        frames = self.line.flush(self._host.now_ns)
        self.sent_frames += len(frames)
        for frame in frames:
            if frame.records:
                self.sent_quotes += sum(record.__class__ is Quote for record in frame.records)
                self._host.written(self, frame.records)
                if self._cut_after_frame:
                    self.line.reset("cut")
                    break
        if self._full_since_ns and self.line.buffered() < self._host.room_bytes // 2:
            self._full_since_ns = 0

    def deadline_ns(self) -> int | None:
        """When `tick` has something to do; None while only the client can change anything."""
        times = [self.line.next_ns()]
        if self.line.usable:
            times += [self._upgrade_by_ns, self._ping_ns, self._pong_by_ns, self._slow_by_ns()]
            if self.session is not None:
                times.append(self.session.deadline_ns)
        return min((time_ns for time_ns in times if time_ns is not None), default=None)

    def _slow_by_ns(self) -> int | None:
        return self._full_since_ns + self._host.slow_client_ns if self._full_since_ns else None

    def tick(self) -> None:
        """Do what its time has come for."""
        now_ns = self._host.now_ns
        if self.line.expire(now_ns):
            return
        if self.line.usable:
            if self.session is not None:
                self._apply(self.session.expire(now_ns))
            if _is_due(self._upgrade_by_ns, now_ns):
                self.line.end("no upgrade request", now_ns)
            elif _is_due(self._pong_by_ns, now_ns):
                self.line.end("no pong", now_ns)
            elif _is_due(self._slow_by_ns(), now_ns):
                self._apply([error(407), Close("slow client")])
            elif _is_due(self._ping_ns, now_ns):
                self._ping(now_ns)
        self.flush()

    def _ping(self, now_ns: int) -> None:
        self._ping_ns = now_ns + self._host.ping_interval_ns
        if self._wire.open:
            self._pong_by_ns = self._pong_by_ns or now_ns + self._host.pong_timeout_ns
            self._end_frame()
            self._wire.ping()
            self._take_wire()

    def thaw(self) -> None:
        """The line is back, with everything that both ends have sent meanwhile."""
        held = self.line.thaw()
        self._pong_by_ns = None
        if held:
            self._feed(held)
        self.flush()

    def state(self) -> dict[str, object]:
        """This connection for display, as JSON values; `opened_ns` is UTC."""
        session = self.session
        return {
            "number": self.number,
            "feed": self.feed,
            "authenticated": session is not None and session.authenticated,
            "opened_ns": to_utc_ns(self.opened_ns),
            "symbols": session.subscriptions.listing() if session is not None else {},
            "sent_frames": self.sent_frames,
            "sent_quotes": self.sent_quotes,
            "buffered_bytes": self.line.buffered(),
            "frozen_by": self.line.frozen_by or None,
        }

    def _over(self, why: str) -> None:
        if self.session is not None:
            self.session.close()
        self._host.gone(self, why)


def _is_due(time_ns: int | None, now_ns: int) -> bool:
    return time_ns is not None and time_ns <= now_ns

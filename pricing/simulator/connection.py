"""One client from accept to end: the wire, the session and the line put together."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence

from quotebus.bus.clock import to_utc_ns
from quotebus.pricing.simulator.bad_frames import (
    CHUNK_BYTES,
    CHUNK_INTERVAL_NS,
    ENDLESS,
    LONG_HEADER_BYTES,
    bad_frame,
    close_frame,
    endless,
)
from quotebus.pricing.simulator.client_socket import Line
from quotebus.pricing.simulator.encoding import JSON, Encoding, Undecodable, choose, decode
from quotebus.pricing.simulator.faults import Faults, Scoped
from quotebus.pricing.simulator.host import Host
from quotebus.pricing.simulator.records import Raw, Sent, Update, Written, is_quote
from quotebus.pricing.simulator.session import (
    Acknowledged,
    Authenticated,
    Close,
    Effect,
    Send,
    Session,
    Subscribed,
    error,
)
from quotebus.pricing.simulator.tls import Endpoint
from quotebus.pricing.simulator.trading.order_session import OrderEncoding, OrderSession
from quotebus.pricing.simulator.wire import Message, Pong, Upgrade, Wire, data_frame

UPGRADE_TIMEOUT_NS = 10_000_000_000
MOST_LATER = 256


class Connection:
    """A client. `deadline_ns` says when `tick` wants to be called; call `flush` after `take`."""

    def __init__(self, sock: Endpoint, host: Host) -> None:
        self.line = Line(sock, self._over, host.park)
        self.line.pace = host.pace()
        self.number = 0
        self.opened_ns = host.now_ns
        self.feed = ""
        self.encoding: Encoding = JSON
        self.messages: Encoding | OrderEncoding = JSON
        self.session: Session | OrderSession | None = None
        self.faults: Faults | Scoped = host.faults
        self.sent_frames = 0
        self.sent_quotes = 0
        self.half_frame_next = False
        self._host = host
        self._wire = Wire()
        self._batch: list[bytes] = []
        self._records: list[Sent] = []
        self._full_since_ns = 0
        self._freeze_after_ack = ""
        self._cut_after_frame = False
        self._upgrade_by_ns: int | None = host.now_ns + UPGRADE_TIMEOUT_NS
        self._ping_ns: int | None = None
        self._pong_by_ns: int | None = None
        self._end_why = ""
        self._later: deque[tuple[int, Send]] = deque()
        self._filler = b""
        self._filler_ns = 0
        if host.faults.take("silent"):
            self.line.freeze("silent")

    # What the market sees.

    @property
    def has_room(self) -> bool:
        """Whether data may be queued now."""
        return self.number > 0 and not self._full_since_ns and not self._filler and self.line.usable

    def symbols(self, channel: str) -> Collection[str]:
        """What the client is subscribed to on one channel."""
        return self.session.subscriptions.channels[channel] if self.session else ()

    def take(self, record: Sent, data: bytes) -> None:
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

    def send_update(self, update: dict[str, object], record: Update) -> None:
        """Send an order update, if the client listens."""
        if isinstance(self.session, OrderSession) and self.session.listening and self.has_room:
            self._put_data(data_frame(self.messages.opcode, self.messages.message(update)), [record])
            self.flush()

    def _end_frame(self) -> None:
        if self._batch:
            payload = self.encoding.payload(self._batch)
            records, self._records, self._batch = self._records, [], []
            if self.faults.frame_faults and self.line.usable:
                self._put_bad(self.faults.take_frame_fault(), payload, records)
            else:
                self._put_data(data_frame(self.encoding.opcode, payload), records)

    def _put_bad(self, fault: str, payload: bytes, records: Sequence[Written]) -> None:
        if fault in ENDLESS:
            begin, self._filler = endless(fault, self.encoding.opcode, payload)
            self._filler_ns = self._host.now_ns
            self.line.put(begin, self._due_ns())
        else:
            frame, listed = bad_frame(fault, self.encoding.opcode, payload, records, self.faults.rng)
            self._put_data(frame, listed)

    def _put_data(self, frame: bytes, records: Sequence[Written]) -> None:
        line = self.line
        if not line.usable or self._filler:
            return
        how = self.faults.take_value("cut_mid_frame")
        if how is not None:
            line.put(frame[: len(frame) // 2])
            line.flush(self._host.now_ns)
            line.cut(str(how), self._host.now_ns)
            return
        line.put_frame(frame, records, self._due_ns())
        if self.half_frame_next:
            self.half_frame_next = False
            line.freeze("half_frame", line.put_total - len(frame) // 2)
        elif line.buffered() >= self._host.room_bytes:
            self._full_since_ns = self._host.now_ns

    def _due_ns(self) -> int:
        latency_ns = self.faults.draw_ns("latency_ms")
        return self._host.now_ns + latency_ns if latency_ns else 0

    # What the client sends.

    def read(self) -> None:
        """Take in and answer everything that has arrived."""
        data = self.line.read()
        if data:
            self._feed(data)
        self.flush()

    def _feed(self, data: bytes) -> None:
        if self._filler:
            return
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

    def _message(self, message: Message, session: Session | OrderSession) -> None:
        self._end_frame()
        try:
            request = decode(message.data)
        except Undecodable:
            self._host.count("requests_undecodable")
            self._apply(session.receive(None, self._host.now_ns))
        else:
            self._apply(session.receive(request, self._host.now_ns))

    def _upgrade(self, upgrade: Upgrade) -> None:
        self._upgrade_by_ns = None
        answer = self._host.upgrade(self, upgrade)
        if isinstance(answer, int):
            self._end_why = f"HTTP {answer}"
            self._wire.reject(answer, self._host.rejection_headers(answer))
        elif self._wire.accept(upgrade, self._headers()):
            self._open(answer, upgrade)
        else:
            self._end_why = "no WebSocket handshake"

    def _headers(self) -> dict[str, str]:
        return {"X-Long": "x" * LONG_HEADER_BYTES} if self._host.faults.take("long_header") else {}

    def _open(self, session: Session | OrderSession, upgrade: Upgrade) -> None:
        self.session, self.feed = session, session.feed
        self.encoding = self.messages = choose(upgrade.content_type)
        if isinstance(session, OrderSession):
            self.messages, self.faults = session.encoding, session.line_faults
        faults = self.faults
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
            if isinstance(effect, Send) and effect.delay_ns:
                self._send_later(effect)
            elif isinstance(effect, Send):
                self._send(effect.message)
            elif isinstance(effect, Subscribed):
                self._host.subscribed(self, effect.new)
            elif isinstance(effect, Authenticated):
                self._host.authenticated(self)
            elif isinstance(effect, Acknowledged):
                if not self._later:
                    self._acknowledged()
            else:
                self.line.end(effect.why, self._host.now_ns)

    def _acknowledged(self) -> None:
        if self._freeze_after_ack:
            self.line.freeze(self._freeze_after_ack, self.line.put_total)
            self._freeze_after_ack = ""

    def _send_later(self, effect: Send) -> None:
        due_ns = self._host.now_ns + effect.delay_ns
        self._later.append((max(due_ns, self._later[-1][0]) if self._later else due_ns, effect))
        if len(self._later) > MOST_LATER:
            self.line.end("too many requests at once", self._host.now_ns)

    def _send_due(self) -> None:
        while self._later and self._later[0][0] <= self._host.now_ns and self.line.usable:
            self._end_frame()
            self._send(self._later.popleft()[1].message)
            self._acknowledged()

    # What faults ask for at once.

    def tell(self, code: int) -> None:
        """An error message out of the blue, and what comes with it."""
        if self.session is not None and self.line.usable:
            self._end_frame()
            self._apply(self.session.told(code, self._host.now_ns))
            self.flush()

    def close_with(self, code: int) -> None:
        """A close frame with this code, then FIN."""
        if self.line.usable and not self._filler:
            self._end_frame()
            self.line.put(close_frame(code), self._due_ns())
            self.line.end(f"close code {code}", self._host.now_ns)
            self.flush()

    def end_filler(self) -> None:
        """End a line whose frame or message has no end."""
        if self._filler:
            self.line.reset("no end of a frame")

    def _send(self, message: dict[str, object]) -> None:
        if message.get("T") == "error":
            self._host.count("errors_told")
        self._take_wire()
        if self._wire.open and not self._filler:
            self._wire.send(self.messages.opcode, self.messages.message(message))
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
                self.sent_quotes += sum(map(is_quote, frame.records))
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
            if self._filler:
                return min(self._filler_ns, self.line.next_ns() or self._filler_ns)
            times += [self._upgrade_by_ns, self._ping_ns, self._pong_by_ns, self._slow_by_ns()]
            times.append(self._later[0][0] if self._later else None)
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
        if self._filler:
            self._fill(now_ns)
        elif self.line.usable:
            self._send_due()
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

    def _fill(self, now_ns: int) -> None:
        if _is_due(self._filler_ns, now_ns):
            self._filler_ns = now_ns + CHUNK_INTERVAL_NS
            if self.line.usable and self.line.buffered() < CHUNK_BYTES:
                self.line.put(self._filler)

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

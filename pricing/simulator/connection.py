"""One client from accept to end: socket, WebSocket framing, session and data frames put together."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from quotebus.bus.clock import to_utc_ns
from quotebus.pricing.simulator.bad_frames import LONG_HEADER_BYTES, encode_close_frame
from quotebus.pricing.simulator.client_socket import ClientSocket
from quotebus.pricing.simulator.encoding import JSON, Encoding, UndecodableRequest, choose_encoding, decode
from quotebus.pricing.simulator.frame_writer import FrameWriter
from quotebus.pricing.simulator.host import Host
from quotebus.pricing.simulator.records import Sent, Update, is_quote
from quotebus.pricing.simulator.session import (
    Acknowledged,
    Authenticated,
    Close,
    Effect,
    Send,
    Session,
    Subscribed,
    error_message,
)
from quotebus.pricing.simulator.tls import Endpoint
from quotebus.pricing.simulator.trading.order_session import OrderEncoding, OrderSession
from quotebus.pricing.simulator.wire import ClientMessage, Pong, Upgrade, Wire

UPGRADE_TIMEOUT_NS = 10_000_000_000
MOST_DELAYED = 256


class Connection:
    """A client. Call `tick` at `deadline_ns`, and `flush` after `take`."""

    def __init__(self, sock: Endpoint, host: Host[Connection]) -> None:
        self.socket = ClientSocket(sock, self._on_end, host.park)
        self.socket.bandwidth = host.limit_bandwidth()
        self.number = 0
        self.opened_ns = host.now_ns
        self.feed = ""
        self.messages: Encoding | OrderEncoding = JSON
        self.session: Session | OrderSession | None = None
        self.sent_frames = 0
        self.sent_quotes = 0
        self.frames = FrameWriter(self.socket, host, host.faults)
        self._host = host
        self._wire = Wire()
        self._freeze_after_ack = ""
        self._cut_after_frame = False
        self._upgrade_by_ns: int | None = host.now_ns + UPGRADE_TIMEOUT_NS
        self._ping_ns: int | None = None
        self._pong_by_ns: int | None = None
        self._end_why = ""
        self._delayed: deque[tuple[int, Send]] = deque()
        if host.faults.take("silent"):
            self.socket.freeze("silent")

    # What the market sees.

    @property
    def has_room(self) -> bool:
        """Whether data may be queued now."""
        return self.number > 0 and self.frames.has_room

    @property
    def encoding(self) -> Encoding:
        """The encoding of quotes, trades and statuses."""
        return self.frames.encoding

    def symbols(self, channel: str) -> Collection[str]:
        """The symbols that the client is subscribed to on one channel."""
        return self.session.subscriptions.channels[channel] if self.session else ()

    def take(self, record: Sent, data: bytes) -> None:
        """Queue one encoded record."""
        self.frames.take(record, data)

    def send_raw(self, opcode: int, payload: bytes) -> None:
        """Send one data frame with this payload, whatever it is."""
        self.frames.send_raw(opcode, payload)
        self.flush()

    def send_update(self, update: dict[str, object], record: Update) -> None:
        """Send an order update, if the client listens."""
        if isinstance(self.session, OrderSession) and self.session.listening and self.has_room:
            self.frames.send_payload(self.messages.opcode, self.messages.message(update), record)
            self.flush()

    # What the client sends.

    def read(self) -> None:
        """Read and answer everything that has arrived."""
        data = self.socket.read()
        if data:
            self._feed(data)
        self.flush()

    def _feed(self, data: bytes) -> None:
        if self.frames.endless is not None:
            return
        for event in self._wire.feed(data, answers_pings=not self.frames.faults.on("no_pong")):
            if not self.socket.usable:
                return
            if isinstance(event, Upgrade):
                self._upgrade(event)
            elif isinstance(event, Pong):
                self._pong_by_ns = None
            elif self.session is not None:
                self._message(event, self.session)
        self._take_wire()

    def _message(self, message: ClientMessage, session: Session | OrderSession) -> None:
        self.frames.end_frame()
        try:
            request = decode(message.data)
        except UndecodableRequest:
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
        self.frames.encoding = self.messages = choose_encoding(upgrade.content_type)
        if isinstance(session, OrderSession):
            self.messages, self.frames.faults = session.encoding, session.stream_faults
        faults = self.frames.faults
        self.opened_ns = self._host.now_ns
        self._ping_ns = self._host.now_ns + self._host.ping_interval_ns
        self.number = self._host.on_open(self)
        self._cut_after_frame = faults.take_counted("cut")
        self.frames.half_frame_next = faults.take_counted("half_frame")
        if faults.take_counted("half_open"):
            self._freeze_after_ack = "half_open"
        elif faults.on("half_open_new"):
            self._freeze_after_ack = "half_open_new"
        self._apply(session.open(upgrade.key, upgrade.secret, self._host.now_ns))

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send) and effect.delay_ns:
                self._delay(effect)
            elif isinstance(effect, Send):
                self._send(effect.message)
            elif isinstance(effect, Subscribed):
                self._host.on_subscribed(self, effect.new, ticking=effect.ticking)
            elif isinstance(effect, Authenticated):
                self._host.on_authenticated(self)
            elif isinstance(effect, Acknowledged):
                if not self._delayed:
                    self._freeze_if_asked()
            else:
                self.socket.end(effect.why, self._host.now_ns)

    def _freeze_if_asked(self) -> None:
        if self._freeze_after_ack:
            self.socket.freeze(self._freeze_after_ack, self.socket.put_total)
            self._freeze_after_ack = ""

    def _delay(self, effect: Send) -> None:
        due_ns = self._host.now_ns + effect.delay_ns
        self._delayed.append((max(due_ns, self._delayed[-1][0]) if self._delayed else due_ns, effect))
        if len(self._delayed) > MOST_DELAYED:
            self.socket.end("too many requests at once", self._host.now_ns)

    def _send_due(self) -> None:
        while self._delayed and self._delayed[0][0] <= self._host.now_ns and self.socket.usable:
            self.frames.end_frame()
            self._send(self._delayed.popleft()[1].message)
            self._freeze_if_asked()

    # What faults do at once.

    def send_error(self, code: int) -> None:
        """Send an unprompted error, and close the connection if that error does."""
        if self.session is not None and self.socket.usable:
            self.frames.end_frame()
            self._apply(self.session.send_error(code, self._host.now_ns))
            self.flush()

    def close_with(self, code: int) -> None:
        """Send a close frame with this code, then FIN."""
        if self.socket.usable and self.frames.endless is None:
            self.frames.end_frame()
            self.socket.put(encode_close_frame(code), self.frames.due_ns())
            self.socket.end(f"close code {code}", self._host.now_ns)
            self.flush()

    def end_endless(self) -> None:
        """Reset the connection if it is in the middle of a frame or message without an end."""
        if self.frames.endless is not None:
            self.socket.reset("frame without an end")

    def _send(self, message: dict[str, object]) -> None:
        if message.get("T") == "error":
            self._host.count("errors_told")
        self._take_wire()
        if self._wire.open and self.frames.endless is None:
            self._wire.send(self.messages.opcode, self.messages.message(message))
            data, _ = self._wire.take()
            self.socket.put_frame(data, (), self.frames.due_ns())

    def _take_wire(self) -> None:
        data, ends = self._wire.take()
        if data:
            self.socket.put(data, self.frames.due_ns())
        if ends:
            self.socket.end(self._end_why or self._wire.why, self._host.now_ns)

    # Timers.

    def flush(self) -> None:
        """Write as much as the socket takes."""
        self.frames.end_frame()
        frames = self.socket.flush(self._host.now_ns)
        self.sent_frames += len(frames)
        for frame in frames:
            if frame.records:
                self.sent_quotes += sum(map(is_quote, frame.records))
                self._host.on_written(self, frame.records)
                if self._cut_after_frame:
                    self.socket.reset("cut")
                    break
        self.frames.check_room()

    def deadline_ns(self) -> int | None:
        """When to call `tick`; None if nothing is due before the client sends something."""
        times = [self.socket.next_ns()]
        if self.socket.usable:
            if self.frames.endless is not None:
                return min(self.frames.endless.next_ns, times[0] or self.frames.endless.next_ns)
            times += [self._upgrade_by_ns, self._ping_ns, self._pong_by_ns, self._slow_by_ns()]
            times.append(self._delayed[0][0] if self._delayed else None)
            if self.session is not None:
                times.append(self.session.deadline_ns)
        return min((time_ns for time_ns in times if time_ns is not None), default=None)

    def _slow_by_ns(self) -> int | None:
        full_since_ns = self.frames.full_since_ns
        return full_since_ns + self._host.slow_client_ns if full_since_ns else None

    def tick(self) -> None:
        """Do what is due now: delayed acknowledgements, timeouts, pings."""
        now_ns = self._host.now_ns
        if self.socket.expire(now_ns):
            return
        if self.frames.endless is not None:
            self.frames.continue_endless()
        elif self.socket.usable:
            self._send_due()
            if self.session is not None:
                self._apply(self.session.expire(now_ns))
            if _is_due(self._upgrade_by_ns, now_ns):
                self.socket.end("no upgrade request", now_ns)
            elif _is_due(self._pong_by_ns, now_ns):
                self.socket.end("no pong", now_ns)
            elif _is_due(self._slow_by_ns(), now_ns):
                self._apply([error_message(407), Close("slow client")])
            elif _is_due(self._ping_ns, now_ns):
                self._ping(now_ns)
        self.flush()

    def _ping(self, now_ns: int) -> None:
        self._ping_ns = now_ns + self._host.ping_interval_ns
        if self._wire.open:
            self._pong_by_ns = self._pong_by_ns or now_ns + self._host.pong_timeout_ns
            self.frames.end_frame()
            self._wire.ping()
            self._take_wire()

    def thaw(self) -> None:
        """End the freeze, with everything that both ends have sent meanwhile."""
        held = self.socket.thaw()
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
            "listening": isinstance(session, OrderSession) and session.listening,
            "opened_ns": to_utc_ns(self.opened_ns),
            "symbols": session.subscriptions.listing() if session is not None else {},
            "sent_frames": self.sent_frames,
            "sent_quotes": self.sent_quotes,
            "buffered_bytes": self.socket.buffered(),
            "frozen_by": self.socket.frozen_by or None,
        }

    def _on_end(self, why: str) -> None:
        if self.session is not None:
            self.session.close()
        self._host.on_closed(self, why)


def _is_due(time_ns: int | None, now_ns: int) -> bool:
    return time_ns is not None and time_ns <= now_ns

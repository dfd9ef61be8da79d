"""The data frames of one connection: encoded records in batches, and the faults that spoil or stop a frame."""

from __future__ import annotations

from collections.abc import Sequence

from quotebus.pricing.simulator.bad_frames import ENDLESS, EndlessFrame, encode_bad_frame
from quotebus.pricing.simulator.client_socket import ClientSocket
from quotebus.pricing.simulator.encoding import JSON, Encoding
from quotebus.pricing.simulator.faults import Faults, ScopedFaults
from quotebus.pricing.simulator.host import SendLimits
from quotebus.pricing.simulator.records import Raw, Sent, Written
from quotebus.pricing.simulator.wire import encode_data_frame


class FrameWriter:
    """Queues data frames on a socket; each frame holds at most `batch` records.

    Set `encoding` and `faults` when the upgrade request says what kind of client this is. `full_since_ns` is set
    when `room_bytes` are queued, and 0 again (by `check_room`) when half of them are written.
    """

    def __init__(self, socket: ClientSocket, limits: SendLimits, faults: Faults | ScopedFaults) -> None:
        self.encoding: Encoding = JSON
        self.faults = faults
        self.full_since_ns = 0
        self.half_frame_next = False
        self.endless: EndlessFrame | None = None
        self._socket = socket
        self._limits = limits
        self._batch: list[bytes] = []
        self._records: list[Sent] = []

    @property
    def has_room(self) -> bool:
        """Whether data may be queued now."""
        return not self.full_since_ns and self.endless is None and self._socket.usable

    def take(self, record: Sent, data: bytes) -> None:
        """Queue one encoded record."""
        self._batch.append(data)
        self._records.append(record)
        if len(self._batch) >= self._limits.batch:
            self.end_frame()

    def end_frame(self) -> None:
        """Put what has been taken into a frame, spoilt if a fault says so. Call it before anything else is queued."""
        if self._batch:
            payload = self.encoding.payload(self._batch)
            records, self._records, self._batch = self._records, [], []
            if self.faults.frame_faults and self._socket.usable:
                self._put_bad(self.faults.take_frame_fault(), payload, records)
            else:
                self._put(encode_data_frame(self.encoding.opcode, payload), records)

    def send_raw(self, opcode: int, payload: bytes) -> None:
        """Queue one data frame with this payload, whatever it is."""
        self.end_frame()
        self._put(encode_data_frame(opcode, payload), [Raw(len(payload))])

    def send_payload(self, opcode: int, payload: bytes, record: Written) -> None:
        """Queue one data frame that carries one record."""
        if self.faults.take("bad_utf8"):
            frame, listed = encode_bad_frame("bad_utf8", opcode, payload, [record], self.faults.rng)
            self._put(frame, listed)
        else:
            self._put(encode_data_frame(opcode, payload), [record])

    def due_ns(self) -> int:
        """When something queued now may be sent; 0 without the fault `latency_ms`."""
        latency_ns = self.faults.draw_ns("latency_ms")
        return self._limits.now_ns + latency_ns if latency_ns else 0

    def check_room(self) -> None:
        """Take data again if enough has been written."""
        if self.full_since_ns and self._socket.buffered() < self._limits.room_bytes // 2:
            self.full_since_ns = 0

    def continue_endless(self) -> None:
        """Go on with the frame that has no end, if its time has come."""
        if self.endless is not None and self._socket.usable:
            chunk = self.endless.next_chunk(self._limits.now_ns, self._socket.buffered())
            if chunk:
                self._socket.put(chunk)

    def _put_bad(self, fault: str, payload: bytes, records: Sequence[Written]) -> None:
        if fault in ENDLESS:
            self.endless = EndlessFrame(fault, self.encoding.opcode, payload, self._limits.now_ns)
            self._socket.put(self.endless.start, self.due_ns())
        else:
            frame, listed = encode_bad_frame(fault, self.encoding.opcode, payload, records, self.faults.rng)
            self._put(frame, listed)

    def _put(self, frame: bytes, records: Sequence[Written]) -> None:
        socket, now_ns = self._socket, self._limits.now_ns
        if not socket.usable or self.endless is not None:
            return
        how = self.faults.take_value("cut_mid_frame")
        if how is not None:
            socket.put(frame[: len(frame) // 2])
            socket.flush(now_ns)
            socket.cut(str(how), now_ns)
            return
        socket.put_frame(frame, records, self.due_ns())
        if self.half_frame_next:
            self.half_frame_next = False
            socket.freeze("half_frame", socket.put_total - len(frame) // 2)
        elif socket.buffered() >= self._limits.room_bytes:
            self.full_since_ns = now_ns

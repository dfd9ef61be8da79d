"""WebSocket framing for one accepted socket: takes bytes, returns the upgrade request and messages. No I/O.

All framing is `websockets`' sans-I/O `ServerProtocol`; only the headers of data frames are made once per length, by the
same library's `Frame`, because a frame per quote is the hot path.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from quotebus.pricing.simulator.encoding import TEXT_OPCODE

MAX_MESSAGE_BYTES = 2 * 1_048_576
_SILENT = logging.getLogger(f"{__name__}.websockets")
"""For the library, which would log a traceback for every client that breaks the protocol."""
_SILENT.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The client's HTTP request; `path` without its query, header names looked up in any case."""

    path: str
    content_type: str
    key: str | None
    secret: str | None
    request: Request


@dataclass(frozen=True, slots=True)
class ClientMessage:
    """A complete message, text or binary, with its fragments joined."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """The client answered a ping."""


WireEvent = Upgrade | ClientMessage | Pong


class _Protocol(ServerProtocol):
    """The library's protocol, which answers pings by itself, unless it is told not to."""

    answers_pings = True

    def send_frame(self, frame: Frame) -> None:
        if self.answers_pings or frame.opcode is not Opcode.PONG:
            super().send_frame(frame)


class Wire:
    """One server-side WebSocket. After each call, send what `take` returns."""

    def __init__(self) -> None:
        self._protocol = _Protocol(max_size=MAX_MESSAGE_BYTES, logger=_SILENT)
        self._parts: list[bytes] = []

    def feed(self, data: bytes, *, answers_pings: bool = True) -> list[WireEvent]:
        """The events in these bytes. Pings are answered by the protocol itself."""
        self._protocol.answers_pings = answers_pings
        self._protocol.receive_data(data)
        events: list[WireEvent] = []
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                events.append(_upgrade(event))
            elif isinstance(event, Frame):
                found = self._frame(event)
                if found is not None:
                    events.append(found)
        return events

    def _frame(self, frame: Frame) -> WireEvent | None:
        if frame.opcode is Opcode.PONG:
            return Pong()
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return None
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return None
        data = b"".join(self._parts)
        self._parts = []
        return ClientMessage(data)

    def accept(self, upgrade: Upgrade, headers: Mapping[str, str] | None = None) -> bool:
        """Accept the upgrade. False if the request was no WebSocket handshake; it is answered with an error then."""
        response = self._protocol.accept(upgrade.request)
        for name, value in (headers or {}).items():
            response.headers[name] = value
        self._protocol.send_response(response)
        return response.status_code == HTTPStatus.SWITCHING_PROTOCOLS

    def reject(self, status: int, headers: dict[str, str]) -> None:
        """Answer the upgrade with an HTTP status."""
        known = status in HTTPStatus._value2member_map_
        response = self._protocol.reject(HTTPStatus(status) if known else HTTPStatus.BAD_REQUEST, f"{status}\n")
        response.status_code = status
        for name, value in headers.items():
            response.headers[name] = value
        self._protocol.send_response(response)

    def send(self, opcode: int, payload: bytes) -> None:
        """Queue one message."""
        if opcode == TEXT_OPCODE:
            self._protocol.send_text(payload)
        else:
            self._protocol.send_binary(payload)

    def ping(self) -> None:
        """Queue a ping."""
        self._protocol.send_ping(b"")

    def take(self) -> tuple[bytes, bool]:
        """The bytes to send, and whether the server's side ends after them."""
        writes = self._protocol.data_to_send()
        return b"".join(writes), b"" in writes

    @property
    def why(self) -> str:
        """Why the server's side ends, once `take` says so."""
        return "closed by client" if self._protocol.close_rcvd is not None else "protocol error"

    @property
    def open(self) -> bool:
        """Whether messages may be sent."""
        return self._protocol.state is OPEN


def _upgrade(request: Request) -> Upgrade:
    def header(name: str) -> str | None:
        values = request.headers.get_all(name)
        return values[0] if values else None

    return Upgrade(
        path=request.path.partition("?")[0],
        content_type=header("Content-Type") or "",
        key=header("APCA-API-KEY-ID"),
        secret=header("APCA-API-SECRET-KEY"),
        request=request,
    )


@lru_cache(maxsize=8192)
def _header(opcode: int, length: int) -> bytes:
    whole = Frame(Opcode(opcode), bytes(length)).serialize(mask=False)
    return whole[: len(whole) - length]


def encode_data_frame(opcode: int, payload: bytes) -> bytes:
    """One unfragmented frame from the server."""
    return _header(opcode, len(payload)) + payload

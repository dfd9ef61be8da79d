"""The hot path with a line whose other end is in the test's hands, and a publisher that may refuse."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from quotebus.bus import codec
from quotebus.bus.events import Event, Quote, Trade
from quotebus.pricing.messages import UpstreamCodec
from quotebus.pricing.shared_state import SharedState
from quotebus.pricing.upstream.hot import HotPath, Report, SymbolReport
from quotebus.pricing.upstream.upstream_socket import UpstreamSocket
from tests.support.pricing import framed, packed

SOURCE = "pricing-3f9c2a"


class Publisher:
    """Takes `room` more frames, then none, as a full broker does; None is no bound."""

    def __init__(self) -> None:
        self.room: int | None = None
        self.frames: list[bytes] = []

    def send(self, frame: bytes) -> bool:
        if self.room == 0:
            return False
        if self.room is not None:
            self.room -= 1
        self.frames.append(frame)
        return True

    def flush(self) -> None:
        """Nothing is kept."""


class HotRig:
    def __init__(
        self, *symbols: str, conflate: bool = True, encoding: str = "msgpack", trades_prove: bool = True
    ) -> None:
        self.shared = SharedState()
        self.reports: list[Report] = []
        self.publisher = Publisher()
        self.between = 0
        self.path = HotPath(
            self.publisher,  # type: ignore[arg-type]
            SOURCE,
            self.shared,
            UpstreamCodec(encoding),
            self.reports.append,
            conflate=conflate,
            trades_prove=trades_prove,
        )
        for symbol in symbols or ("SPY",):
            self.shared.want(symbol)
        self._peers: list[socket.socket] = []
        self.attach()

    def attach(self) -> None:
        """A new line, the next connection."""
        if self.path.upstream is not None:
            self.path.upstream.close()
        ours, self.peer = socket.socketpair()
        self._peers.append(self.peer)
        self.path.attach(UpstreamSocket(ours), self.path.connection + 1)

    def close(self) -> None:
        if self.path.upstream is not None:
            self.path.upstream.close()
        for peer in self._peers:
            peer.close()

    def feed(self, *records: dict[str, Any]) -> None:
        """One message of these records."""
        self.feed_bytes(framed(packed(*records)))

    def feed_bytes(self, data: bytes) -> None:
        for at in range(0, len(data), 50_000):
            self.peer.sendall(data[at : at + 50_000])
            self.path.read(self._between)

    def _between(self) -> None:
        self.between += 1

    def events(self) -> list[Event]:
        return [codec.decode(frame) for frame in self.publisher.frames]

    def quotes(self) -> list[Quote]:
        return [event for event in self.events() if isinstance(event, Quote)]

    def trades(self) -> list[Trade]:
        return [event for event in self.events() if isinstance(event, Trade)]

    def ticked(self) -> list[tuple[str, str]]:
        return [(report.kind, report.symbol) for report in self.reports if isinstance(report, SymbolReport)]


Make = Callable[..., HotRig]

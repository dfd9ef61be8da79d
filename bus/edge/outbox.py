"""What waits for one SDK, bounded, and written to its connection by one task."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from websockets.asyncio.server import ServerConnection

from quotebus.bus.edge.edge_session import Message
from quotebus.bus.edge.formats import Format

LAST_WORDS_S = 0.5
NORMAL_CLOSE, SERVICE_RESTART, TRY_AGAIN_LATER = 1000, 1012, 1013


class SdkOutbox:
    """Records and messages in order."""

    def __init__(self, socket: ServerConnection, form: Format, bound: int) -> None:
        self.form = form
        self.sent = 0
        self._socket, self._bound = socket, bound
        self._waiting: deque[bytes | Message] = deque()
        self._changed, self._empty, self._over = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._is_slow = False
        self._close: tuple[int, str] = (NORMAL_CLOSE, "")

    @property
    def is_slow(self) -> bool:
        """Whether more came than could wait: a record is missing, so the connection must end."""
        return self._is_slow

    def cut(self, code: int, reason: str) -> None:
        """The connection must end, with this WebSocket close code and reason; the first ones count."""
        if not self._over.is_set():
            self._close = (code, reason)
            self._over.set()

    async def become_over(self) -> None:
        """Wait until it must end."""
        await self._over.wait()

    def __len__(self) -> int:
        return len(self._waiting)

    def offer(self, item: bytes | Message) -> bool:
        """Queue an encoded record, or a message of the protocol, which goes out in a frame of its own.

        False when there is no room, and never will be.
        """
        if len(self._waiting) >= self._bound:
            self._is_slow = True
            self._over.set()
            return False
        self._waiting.append(item)
        self._empty.clear()
        self._changed.set()
        return True

    async def write(self) -> None:
        """Send what waits, for ever. Raises ConnectionClosed."""
        while True:
            if not self._waiting:
                self._empty.set()
                self._changed.clear()
                await self._changed.wait()
            await self._socket.send(self._next_frame(), text=self.form.is_text)

    async def flush(self) -> None:
        """Wait until all that waits has been sent, but not for one that does not read."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS_S):
                await self._empty.wait()

    async def end(self, last: Message | None) -> None:
        """Say a last word if the client still reads, and end the connection, whatever the client does."""
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                if last is not None:
                    await self._socket.send(self.form.message(last), text=self.form.is_text)
                await self._socket.close(*self._close)
        except TimeoutError:
            self._socket.transport.abort()

    def _next_frame(self) -> bytes:
        first = self._waiting[0]
        if isinstance(first, dict):
            self._waiting.popleft()
            return self.form.message(first)
        records: list[bytes] = []
        while (
            self._waiting
            and len(records) < self.form.records_per_frame
            and isinstance(record := self._waiting[0], bytes)
        ):
            records.append(record)
            self._waiting.popleft()
        self.sent += len(records)
        return self.form.frame(records)

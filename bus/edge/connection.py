"""One SDK's connection from the upgrade to its end: what it says goes to its session, what it gets to its outbox."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from quotebus.bus.edge.edge_session import Answer, Message
from quotebus.bus.edge.formats import decode_request
from quotebus.bus.edge.outbox import SdkOutbox

_log = logging.getLogger(__name__)


class SdkSession(Protocol):
    """The protocol of one connection; see `edge_session.py` and `order_session.py`."""

    def open(self, header_key: str | None, header_secret: str | None) -> Answer:
        """What is said first."""

    def expire(self) -> Answer:
        """The time to authenticate is over."""

    def receive(self, message: object) -> Answer:
        """Answer one message."""


SessionT = TypeVar("SessionT", bound=SdkSession)


class SdkConnection(Generic[SessionT]):
    """A session, its outbox, and its socket."""

    def __init__(self, socket: ServerConnection, session: SessionT, outbox: SdkOutbox, slow: Message) -> None:
        """`slow` is what one that reads too slowly is told."""
        self.session, self.outbox = session, outbox
        self._socket, self._slow, self._peer = socket, slow, socket.remote_address

    async def run(self, auth_s: float, take: Callable[[Answer], None], leave: Callable[[], None]) -> None:
        """Serve it until its end. `take` is called with every answer of its session, which it queues; `leave` at the
        end, before the last words."""
        assert self._socket.request is not None
        headers = self._socket.request.headers
        work = (self._read(take), self.outbox.write(), self.outbox.become_over())
        tasks = {asyncio.create_task(each) for each in work}
        last = None
        try:
            take(self.session.open(headers.get("APCA-API-KEY-ID"), headers.get("APCA-API-SECRET-KEY")))
            done, _ = await asyncio.wait(tasks, timeout=auth_s, return_when=asyncio.FIRST_COMPLETED)
            if not done and (expired := self.session.expire()).ends:
                last = expired.messages[0]
            elif not done:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if self.outbox.is_slow:
                last = self._slow
        finally:
            leave()
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                    await task
            with contextlib.suppress(ConnectionClosed):
                await self.outbox.end(last)
            _log.info("%s: left%s", self._peer, "" if last is None else f" ({last})")

    async def _read(self, take: Callable[[Answer], None]) -> None:
        """Until it closes, or an answer ends it."""
        async for data in self._socket:
            answer = self.session.receive(decode_request(data))
            take(answer)
            if answer.ends:
                await self.outbox.flush()
                return

"""`BusClient` and `AsyncBusClient` over a recording: a strategy's code is the same, its time the recording's."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from quotebus.bus.async_client import AsyncBusClient
from quotebus.bus.async_feed import AsyncFeed
from quotebus.bus.book import MAX_AGE_NS, MAX_LATE_NS
from quotebus.bus.capture.format.captured import Damage
from quotebus.bus.capture.reader import Capture
from quotebus.bus.capture.replay.replayed_sockets import BlockingReplay, LoopReplay
from quotebus.bus.client import BusClient
from quotebus.bus.consumer import Consumer
from quotebus.bus.events import ACCEPTED_CLASSES, Event
from quotebus.bus.feed import Feed
from quotebus.bus.settings import BusSettings
from quotebus.bus.tick_queue import TickT

NOT_BY_CHANCE = (0.0, 0)
NO_BUS = BusSettings.model_construct()
"""Made without a look at the environment."""


class ReplayFeed(Feed[TickT]):
    """A feed whose loop plays the recording on. It ends with the recording."""

    def __init__(self, owner: ReplayClient, sockets: BlockingReplay, **arguments: Any) -> None:
        super().__init__(owner, **arguments)
        self._sockets = sockets

    def _take(self) -> deque[TickT]:
        # Not under the feed's lock: the one who plays holds the recording, and puts into feeds.
        while not (self._taken or len(self)) and not self._closed:
            if not self._sockets.wait(lambda: self._closed or len(self) > 0, self._timeout_s):
                break
        with self._lock:
            if not self._taken:
                self._taken = self.pop_batch()
            return self._taken


class AsyncReplayFeed(AsyncFeed[TickT]):
    """The same, asynchronous; other tasks of the loop get their turn after each tick."""

    def __init__(self, owner: AsyncReplayClient, sockets: LoopReplay, **arguments: Any) -> None:
        super().__init__(owner, **arguments)
        self._sockets = sockets

    async def __anext__(self) -> TickT:
        await asyncio.sleep(0)
        if not len(self):
            await self._sockets.wait(lambda: self._closed or len(self) > 0, self._timeout_s)
        if not len(self):
            raise StopAsyncIteration
        return self.pop()


class OverRecording:
    """What a client of a recording has, whichever way it waits."""

    _carrier: BlockingReplay | LoopReplay
    _recording: tuple[Capture, int | None, int | None]

    def _draw(self) -> tuple[float, int]:
        return NOT_BY_CHANCE

    @property
    def published(self) -> list[Event]:
        """What `publish` was given so far, numbered and stamped with the recording's time."""
        return list(self._carrier.published)

    @property
    def damages(self) -> list[Damage]:
        """Where the recording could not be read, as far as it has been played; a warning names each at its end."""
        return list(self._recording[0].damages)


class ReplayClient(OverRecording, BusClient):
    """A client of a recording, with everything that BusClient has; it needs no bus, no node and no thread.

    The recording is played as far as the program waits: a loop over `quotes`, a `request` with `wait_s`, `run` and
    `sleep` move it on; nothing else does. So nothing is missed by a slow program, and the same program does the same
    each time. Prices are judged as they were live, at the recording's time. `quotes` ends with the recording, and
    `run` and `sleep` return. Sources begin with `replay:`; what is published is kept in `published`; `execute` raises
    ValueError. What the recorder has lost is lost here too.
    """

    _carrier: BlockingReplay

    def __init__(
        self, path: Path | str | Sequence[Path | str], *, from_ns: int | None = None, to_ns: int | None = None,
        name: str = "replay", max_age_s: float = MAX_AGE_NS / 1e9, max_late_s: float = MAX_LATE_NS / 1e9,
        accept: Collection[str] = ACCEPTED_CLASSES,
    ) -> None:  # fmt: skip
        """Open a recording.

        Args:
            path: A capture, several, or a folder of them, as `quotebus record` writes them.
            from_ns: Begin with the first message that was received then, UTC nanoseconds; what stood at that time,
                by the minute before it, is known. By default from the beginning.
            to_ns: End before this instant; by default with the recording.
            name: As of BusClient; also the name that published events bear.
            max_age_s: As of BusClient.
            max_late_s: As of BusClient.
            accept: As of BusClient.

        Raises:
            NotACapture: No file is a capture of quotebus.
            OSError: Such as FileNotFoundError.
            ValueError: As of BusClient.
        """
        self._recording = (Capture(path), from_ns, to_ns)
        super().__init__(NO_BUS, name=name, max_age_s=max_age_s, max_late_s=max_late_s, replayed=True, accept=accept)

    def _connect(self, settings: BusSettings, consumer: Consumer) -> BlockingReplay:  # noqa: ARG002
        return BlockingReplay(*self._recording, consumer)

    def _make_feed(self, conflate: bool, bound: int, timeout_s: float | None) -> Feed[Any]:
        return ReplayFeed(self, self._carrier, conflate=conflate, bound=bound, timeout_s=timeout_s)


class AsyncReplayClient(OverRecording, AsyncBusClient):
    """ReplayClient for asyncio: AsyncBusClient over a recording, played as far as any task waits."""

    _carrier: LoopReplay

    def __init__(
        self, path: Path | str | Sequence[Path | str], *, from_ns: int | None = None, to_ns: int | None = None,
        name: str = "replay", max_age_s: float = MAX_AGE_NS / 1e9, max_late_s: float = MAX_LATE_NS / 1e9,
        accept: Collection[str] = ACCEPTED_CLASSES,
    ) -> None:  # fmt: skip
        """Open a recording; the arguments are those of ReplayClient.

        Args:
            path: A capture, several, or a folder of them.
            from_ns: Begin with the first message that was received then, UTC nanoseconds.
            to_ns: End before this instant.
            name: As of BusClient.
            max_age_s: As of BusClient.
            max_late_s: As of BusClient.
            accept: As of BusClient.

        Raises:
            NotACapture: As of ReplayClient.
            OSError: As of ReplayClient.
            ValueError: As of BusClient.
        """
        self._recording = (Capture(path), from_ns, to_ns)
        super().__init__(NO_BUS, name=name, max_age_s=max_age_s, max_late_s=max_late_s, replayed=True, accept=accept)

    def _connect(self, settings: BusSettings, consumer: Consumer) -> LoopReplay:  # noqa: ARG002
        return LoopReplay(*self._recording, consumer)

    def _make_feed(self, conflate: bool, bound: int, timeout_s: float | None) -> AsyncFeed[Any]:
        return AsyncReplayFeed(self, self._carrier, conflate=conflate, bound=bound, timeout_s=timeout_s)

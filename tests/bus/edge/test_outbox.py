"""What waits for one SDK: in order, bounded, and ended whatever the SDK does."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from quotebus.bus.edge.formats import JSON, RECORDS_PER_FRAME
from quotebus.bus.edge.outbox import SdkOutbox
from tests.support.aio import run

RECORD = JSON.message({"T": "q"})[1:-1]


def test_records_share_frames_and_messages_have_their_own_in_the_order_of_both() -> None:
    async def serve_one(socket: ServerConnection) -> None:
        outbox = SdkOutbox(socket, JSON, 2 * RECORDS_PER_FRAME)
        for _ in range(RECORDS_PER_FRAME + 1):
            assert outbox.offer(RECORD)
        outbox.offer({"T": "subscription"})
        outbox.offer(RECORD)
        writing = asyncio.create_task(outbox.write())
        while len(outbox):
            await asyncio.sleep(0)
        assert outbox.sent == RECORDS_PER_FRAME + 2
        writing.cancel()
        await outbox.end({"T": "error"})

    async def work() -> list[Any]:
        async with serve(serve_one, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            async with connect(f"ws://127.0.0.1:{port}") as client:
                return [json.loads(frame) async for frame in client]

    frames = run(work())
    assert [len(frame) for frame in frames] == [RECORDS_PER_FRAME, 1, 1, 1, 1]
    assert [frame[0]["T"] for frame in frames] == ["q", "q", "subscription", "q", "error"]


def test_one_too_many_is_told_at_once_and_the_end_waits_for_nobody() -> None:
    ended = asyncio.Event()

    async def serve_one(socket: ServerConnection) -> None:
        outbox = SdkOutbox(socket, JSON, 10)
        told = asyncio.create_task(outbox.become_over())
        assert all(outbox.offer(RECORD) for _ in range(10))
        assert not outbox.is_slow
        assert not outbox.offer({"T": "subscription"})
        assert outbox.is_slow
        await told
        writing = asyncio.create_task(socket.send(bytes(1 << 26)))  # more than any buffer: it hangs in this
        await asyncio.sleep(0)
        await outbox.end({"T": "error"})
        writing.cancel()
        ended.set()

    async def work() -> None:
        async with serve(serve_one, "127.0.0.1", 0, close_timeout=30) as server:
            port = server.sockets[0].getsockname()[1]
            async with connect(f"ws://127.0.0.1:{port}", max_queue=1, max_size=None, close_timeout=0.1):
                await asyncio.wait_for(ended.wait(), 5)

    run(work())

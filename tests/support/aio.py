"""Waiting within an event loop, without blocking it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from quotebus import AsyncBusClient, SymbolResult
from tests.support.bus import is_answered
from tests.support.programs import DEADLINE_S

ResultT = TypeVar("ResultT")


def run(main: Coroutine[object, object, ResultT], within_s: float = 45) -> ResultT:
    """Run a test's coroutine in a loop of its own."""

    async def bounded() -> ResultT:
        async with asyncio.timeout(within_s):
            return await main

    return asyncio.run(bounded())


async def ask(client: AsyncBusClient, symbols: list[str] | str, **arguments: Any) -> dict[str, SymbolResult]:
    """Request and wait for the answer, of a node that may have no quote."""
    await client.request(symbols, **arguments)
    await soon(lambda: is_answered(client))
    return client.results()


async def soon(what: Callable[[], object], within_s: float = DEADLINE_S, why: str = "") -> None:
    """Wait until `what()` is true while the loop goes on. AssertionError at the deadline."""
    try:
        async with asyncio.timeout(within_s):
            while not what():
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s: {why or what}") from None

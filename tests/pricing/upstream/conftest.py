"""Servers that a test starts and that end with it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.support.dialling import Script, Server
from tests.support.hot_rig import HotRig, Make


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    with ExitStack() as stack:

        def start(script: Script, context: ssl.SSLContext | None = None) -> Server:
            server = Server(script, context)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def make() -> Iterator[Make]:
    rigs: list[HotRig] = []

    def build(*symbols: str, **settings: object) -> HotRig:
        rigs.append(HotRig(*symbols, **settings))  # type: ignore[arg-type]
        return rigs[-1]

    yield build
    for rig in rigs:
        rig.close()

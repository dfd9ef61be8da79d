"""`quotebus edge`: the venue's stream protocol for unmodified SDKs, served from the bus."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from quotebus.bus.edge.server import EdgeServer
from quotebus.bus.edge.settings import EdgeSettings
from quotebus.bus.errors import ConfigError
from quotebus.bus.process.log import setup
from quotebus.bus.process.open_files import allow_open_files
from quotebus.bus.process.shutdown import on_ending
from quotebus.bus.settings import die, load
from quotebus.bus.transport.engines import settle_name

PROGRAM = "quotebus edge"


def run(argv: Sequence[str]) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP, then 0; 78 for a bad setting or a port that is taken."""
    settings = load(EdgeSettings, argv, PROGRAM)
    try:
        settings = settle_name(settings, "edge_client")
    except ConfigError as error:
        die(PROGRAM, error)
    setup(settings.log_level, settings.log_format, settings.secrets())
    allow_open_files(settings.edge_connections + 100)
    try:
        asyncio.run(_serve(settings))
    except ConfigError as error:
        die(PROGRAM, error)
    return 0


async def _serve(settings: EdgeSettings) -> None:
    server = EdgeServer(settings, _say)
    on_ending(server.stop)
    await server.run()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()

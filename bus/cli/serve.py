"""`quotebus serve`: a live page of the bus, health checks and metrics."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import Sequence

from quotebus.bus.errors import ConfigError
from quotebus.bus.process.log import setup
from quotebus.bus.process.open_files import allow_open_files
from quotebus.bus.process.shutdown import on_ending
from quotebus.bus.serve.settings import ServeSettings
from quotebus.bus.settings import die, load

PROGRAM = "quotebus serve"
NEEDED = ("aiohttp", "litecharts", "prometheus_client")
"""What the extra `web` brings."""
MISSING = "needs the extra `web`: pip install 'quotebus[web]'"
THREAD_DIED = 70


def has_extra() -> bool:
    """Whether everything that the page needs is installed."""
    return all(importlib.util.find_spec(name) is not None for name in NEEDED)


def run(argv: Sequence[str]) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP, then 0; 78 for a bad setting, a port that is taken, no extra."""
    settings = load(ServeSettings, argv, PROGRAM)
    setup(settings.log_level, settings.log_format, settings.secrets())
    if not has_extra():
        die(PROGRAM, ConfigError(MISSING))
    from quotebus.bus.tap.source import lower_priority

    allow_open_files(5 * settings.serve_clients + 100)
    lower_priority(settings.serve_nice)
    try:
        return 0 if asyncio.run(_serve(settings)) else THREAD_DIED
    except ConfigError as error:
        die(PROGRAM, error)


async def _serve(settings: ServeSettings) -> bool:
    from quotebus.bus.serve.server import PageServer  # without the extra it cannot be imported

    server = PageServer(settings, _say)
    on_ending(server.stop)
    return await server.run()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()

"""`python -m quotebus.pricing.simulator`: start, print the addresses, serve until SIGINT or SIGTERM."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TextIO

from quotebus.bus.errors import ConfigError
from quotebus.bus.process.log import setup
from quotebus.bus.process.shutdown import on_ending
from quotebus.bus.settings import die, load
from quotebus.pricing.simulator.rate_limit import limit_rate
from quotebus.pricing.simulator.server import Simulator
from quotebus.pricing.simulator.settings import PROGRAM, SimulatorSettings

EX_IOERR = 74


def main(argv: Sequence[str] | None = None) -> int:
    """Run `exchange-simulator`. Returns the exit status: 0 after a signal, 74 if the audit file cannot be written.

    Bad settings end the program with status 78.
    """
    settings = load(SimulatorSettings, sys.argv[1:] if argv is None else argv, PROGRAM)
    setup(settings.log_level, settings.log_format, settings.secrets())
    limit_rate()
    if settings.quiet:
        logging.getLogger("quotebus.pricing.simulator").setLevel(logging.WARNING)
    with ExitStack() as stack:
        try:
            audit = stack.enter_context(_open_audit(settings.audit)) if settings.audit else None
            simulator = Simulator(settings, audit)
        except ConfigError as error:
            die(PROGRAM, error)

        on_ending(simulator.stop)
        print(
            f"{PROGRAM}: {simulator.url}/v2/iex control http://{simulator.control_address} seed {settings.seed}",
            flush=True,
        )
        print(f"{PROGRAM}: orders {simulator.rest_url}/v2 updates {simulator.url}/stream", flush=True)
        try:
            simulator.run()
        except (OSError, ConfigError) as error:
            print(f"{PROGRAM}: {error}", file=sys.stderr, flush=True)
            return EX_IOERR
    return 0


def _open_audit(path: str) -> TextIO:
    try:
        return open(path, "a", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"SIMULATOR_AUDIT: cannot write the file: {error.strerror}") from None

"""`quotebus broker`: binds the three endpoints and carries messages until told to stop."""

from __future__ import annotations

from collections.abc import Sequence

from quotebus.bus.errors import ConfigError
from quotebus.bus.process.shutdown import on_ending
from quotebus.bus.settings import BusSettings, die, load
from quotebus.bus.transport.broker import Broker

PROGRAM = "quotebus broker"


def run(argv: Sequence[str]) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP, then exit 0; 78 when an endpoint is taken."""
    settings = load(BusSettings, argv, PROGRAM)
    try:
        broker = Broker(settings)
    except ConfigError as error:
        die(PROGRAM, error)
    on_ending(broker.stop)
    print(
        f"{PROGRAM}: publish {broker.publish_url} subscribe {broker.subscribe_url} request {broker.request_url}",
        flush=True,
    )
    broker.run()
    return 0

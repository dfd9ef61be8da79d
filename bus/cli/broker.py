"""`quotebus broker`: binds the three endpoints and carries messages until told to stop."""

from __future__ import annotations

from collections.abc import Sequence

from quotebus.bus.errors import ConfigError
from quotebus.bus.process.log import setup
from quotebus.bus.process.shutdown import on_ending
from quotebus.bus.settings import BusSettings, LogSettings, die, load
from quotebus.bus.transport.broker import Broker

PROGRAM = "quotebus broker"


class BrokerSettings(BusSettings, LogSettings):
    """The endpoints to bind."""

    about = "Binds the bus's three endpoints and carries messages between them, until it is stopped."
    examples = (
        "quotebus broker",
        "quotebus broker --bus-publish-url tcp://127.0.0.1:6570  # and so on",
    )


def run(argv: Sequence[str]) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP, then exit 0; 78 when an endpoint is taken."""
    settings = load(BrokerSettings, argv, PROGRAM)
    setup(settings.log_level, settings.log_format)
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

"""`quotebus broker`: binds the three endpoints and carries messages until told to stop."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from quotebus.bus.address import TcpAddress
from quotebus.bus.errors import ConfigError
from quotebus.bus.process.flags import Internal, Unit
from quotebus.bus.process.log import setup
from quotebus.bus.process.readiness import notify_ready
from quotebus.bus.process.shutdown import on_ending
from quotebus.bus.settings import BusSettings, LogSettings, die, load
from quotebus.bus.transport.zeromq.broker import Broker, Ending
from quotebus.bus.transport.zeromq.key_folder import KeyFolder

PROGRAM = "quotebus broker"
EX_SOFTWARE = 70


class BrokerSettings(BusSettings, LogSettings):
    """The endpoints to bind, and the memory the broker may take."""

    about = "Binds the bus's three endpoints and carries messages between them, until it is stopped."
    examples = (
        "quotebus broker",
        "BUS_PLAIN_LOOPBACK=yes quotebus broker --bus-url tcp://127.0.0.1:5570",
    )

    bus_keys_dir: str = Field(
        "",
        description="of tcp://: folder of the keys that are admitted, see `quotebus keys`; without it none is needed",
    )
    bus_broker_memory_mib: Annotated[int, Unit("MIB")] = Field(
        1024, ge=64, description="memory beyond which the broker replaces itself; clients reconnect"
    )
    bus_broker_restarts: Annotated[int, Internal()] = Field(
        0, ge=0, description="set by the broker itself when it has replaced itself"
    )

    @property
    def admits_keys_only(self) -> bool:
        """Whether who connects needs a key; on `ipc://` it is the same user anyway."""
        return isinstance(self.bus_address, TcpAddress) and self._has_keys

    @property
    def _has_keys(self) -> bool:
        return bool(self.bus_keys_dir)


def run(argv: Sequence[str]) -> int:
    """Serve until SIGINT, SIGTERM or SIGHUP, then exit 0; 78 when an endpoint is taken, 70 when the proxy ends."""
    settings = load(BrokerSettings, argv, PROGRAM)
    setup(settings.log_level, settings.log_format)
    try:
        broker = Broker(
            settings,
            memory_bound_bytes=settings.bus_broker_memory_mib << 20,
            restarts=settings.bus_broker_restarts,
            keys=KeyFolder(Path(settings.bus_keys_dir)) if settings.admits_keys_only else None,
        )
    except ConfigError as error:
        die(PROGRAM, error)
    on_ending(broker.stop)
    print(
        f"{PROGRAM}: publish {broker.publish_url} subscribe {broker.subscribe_url} request {broker.request_url}",
        flush=True,
    )
    notify_ready()
    ending = broker.run()
    if ending in (Ending.MEMORY, Ending.REVOKED):
        _replace(broker, settings)
    return 0 if ending is Ending.STOPPED else EX_SOFTWARE


def _replace(broker: Broker, settings: BrokerSettings) -> None:
    """Become a new broker at the same endpoints, in the same process: its memory goes, its sockets close."""
    program = sys.orig_argv[1 : sys.orig_argv.index("broker") + 1]
    flags: dict[str, object] = {
        "bus-url": settings.bus_url,
        "bus-runtime-dir": settings.bus_runtime_dir,
        "bus-keys-dir": settings.bus_keys_dir,
        "bus-broker-memory-mib": settings.bus_broker_memory_mib,
        "bus-broker-restarts": settings.bus_broker_restarts + 1,
        "log-level": settings.log_level,
        "log-format": settings.log_format,
    }
    if isinstance(settings.bus_address, TcpAddress):
        flags |= {
            "bus-publish-url": broker.publish_url,
            "bus-subscribe-url": broker.subscribe_url,
            "bus-request-url": broker.request_url,
        }
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    arguments.append("--bus-plain-loopback" if settings.bus_plain_loopback else "--no-bus-plain-loopback")
    os.execv(sys.executable, [sys.executable, *program, *arguments])

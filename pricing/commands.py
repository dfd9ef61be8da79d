"""What a core asks its shell to do: one command each for the bus, the upstream and the upstream's socket. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from quotebus.bus.events import Event


class SocketCommand(StrEnum):
    """What to do with the upstream socket."""

    DIAL = "dial"
    ABANDON_DIAL = "abandon dial"
    AUTHENTICATE = "authenticate"
    PING = "ping"
    HANG_UP = "hang up"


@dataclass(frozen=True, slots=True)
class SendUpstream:
    """Send this message to the upstream."""

    message: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish this event on the bus."""

    event: Event
